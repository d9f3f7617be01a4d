package minimongo

import (
	"crypto/rand"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// session is what is remembered of a client's logical session.
type session struct {
	number    int64  // of the last retryable write
	reply     bson.D // its reply, given again when the write is repeated
	txn       *transaction
	committed int64 // the last transaction committed, whose commit may be repeated
}

// transaction is a running transaction: what takes its writes back.
type transaction struct {
	number int64
	undo   []func() // guarded by the store's lock
}

// sessions are the known ones by their id, the eldest forgotten first.
type sessions struct {
	mu    sync.Mutex
	byID  map[string]*session
	order []string
	max   int
}

func newSessions(max int) *sessions { return &sessions{byID: map[string]*session{}, max: max} }

func (ss *sessions) get(id string) *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if s := ss.byID[id]; s != nil {
		return s
	}
	for len(ss.order) >= ss.max {
		delete(ss.byID, ss.order[0])
		ss.order = ss.order[1:]
	}
	s := &session{}
	ss.byID[id] = s
	ss.order = append(ss.order, id)
	return s
}

// run runs a request in its session, if it names one with a transaction or a write that may be repeated.
func (ss *sessions) run(r *request, h handler) bson.D {
	lsid, _ := lookup(r.body, "lsid")
	id, _ := lsid.(bson.D)
	n, _ := lookup(r.body, "txnNumber")
	number, numbered := asInt(n)
	if !numbered || id == nil {
		return finish(h(r))
	}
	s := ss.get(key(id))
	auto, given := lookup(r.body, "autocommit")
	if given && !truthy(auto) {
		if err := ss.join(s, r, number); err != nil {
			return finish(nil, err)
		}
		return finish(h(r))
	}
	if again := ss.replyTo(s, number); again != nil {
		return again
	}
	d := finish(h(r))
	if ok, _ := lookup(d, "ok"); ok == 1.0 {
		ss.remember(s, number, d)
	}
	return d
}

func (ss *sessions) replyTo(s *session, number int64) bson.D {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if s.number == number {
		return s.reply
	}
	return nil
}

func (ss *sessions) remember(s *session, number int64, reply bson.D) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.number, s.reply = number, reply
}

// join makes r part of its session's transaction, beginning it when r says so.
func (ss *sessions) join(s *session, r *request, number int64) error {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if r.flag("startTransaction") {
		s.txn = &transaction{number: number}
	}
	if s.txn != nil && s.txn.number == number {
		r.txn = s.txn
		return nil
	}
	if r.name == "commitTransaction" && s.committed == number {
		return nil
	}
	f := noSuchTransaction.errorf("Given transaction number %d does not match any in-progress transactions.", number)
	f.extra = bson.D{{Key: "errorLabels", Value: bson.A{"TransientTransactionError"}}}
	return f
}

// end makes the session's transaction over.
func (ss *sessions) end(r *request, committed bool) {
	lsid, _ := lookup(r.body, "lsid")
	s := ss.get(key(lsid))
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if s.txn == nil {
		return
	}
	if committed {
		s.committed = s.txn.number
	}
	s.txn = nil
}

func commitTransaction(r *request) (bson.D, error) {
	r.server.sessions.end(r, true)
	return bson.D{}, nil
}

// abortTransaction takes the transaction's writes back, the last first.
func abortTransaction(r *request) (bson.D, error) {
	if r.txn == nil {
		return nil, noSuchTransaction.errorf("abortTransaction must be run within a transaction")
	}
	r.server.store.Lock()
	defer r.server.store.Unlock()
	for i := len(r.txn.undo) - 1; i >= 0; i-- {
		r.txn.undo[i]()
	}
	r.server.sessions.end(r, false)
	return bson.D{}, nil
}

func startSession(*request) (bson.D, error) {
	id := make([]byte, 16)
	rand.Read(id)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return bson.D{{Key: "id", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: id}}}}, {Key: "timeoutMinutes", Value: int32(sessionMinutes)}}, nil
}

func endSessions(r *request) (bson.D, error) {
	ids, ok := r.body[0].Value.(bson.A)
	if !ok {
		return nil, typeMismatch.errorf("BSON field '%s.%s' is the wrong type '%s', expected type 'array'", r.name, r.name, typeName(r.body[0].Value))
	}
	ss := r.server.sessions
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, id := range ids {
		delete(ss.byID, key(id))
	}
	return bson.D{}, nil
}
