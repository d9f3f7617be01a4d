package minimongo

import (
	"math/rand/v2"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// cursorIdle is how long a cursor lives without a getMore, as the server's default.
const cursorIdle = 10 * time.Minute

// firstBatch is how many documents a first batch holds when the client names no size.
const firstBatch = 101

// cursor is what is left of an answer.
type cursor struct {
	db, collection string
	rest           []bson.D
	used           time.Time
}

// cursors are the open ones by id.
type cursors struct {
	mu   sync.Mutex
	byID map[int64]*cursor
	max  int
}

func newCursors(max int) *cursors { return &cursors{byID: map[int64]*cursor{}, max: max} }

func (cs *cursors) open() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.byID)
}

// add keeps c and returns its id.
func (cs *cursors) add(c *cursor, now time.Time) (int64, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for id, old := range cs.byID {
		if now.Sub(old.used) > cursorIdle {
			delete(cs.byID, id)
		}
	}
	if len(cs.byID) >= cs.max {
		return 0, exceededMemory.errorf("minimongo holds %d open cursors, its limit", cs.max)
	}
	c.used = now
	for {
		id := rand.Int64()
		if _, taken := cs.byID[id]; id != 0 && !taken {
			cs.byID[id] = c
			return id, nil
		}
	}
}

// advance takes the next batch of a cursor, which is gone when it is empty: the id returned is then 0.
func (cs *cursors) advance(id int64, db, collection string, batch int64, now time.Time) (int64, []bson.Raw, error) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byID[id]
	if c == nil {
		return 0, nil, cursorNotFound.errorf("cursor id %d not found", id)
	}
	if c.db != db || c.collection != collection {
		return 0, nil, code{13, "Unauthorized"}.errorf("Requested getMore on namespace '%s.%s', but cursor belongs to a different namespace %s.%s", db, collection, c.db, c.collection)
	}
	docs, n, err := take(c.rest, batch)
	if err != nil {
		return 0, nil, err
	}
	c.rest, c.used = c.rest[n:], now
	if len(c.rest) == 0 {
		delete(cs.byID, id)
		id = 0
	}
	return id, docs, nil
}

func (cs *cursors) kill(id int64) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	_, ok := cs.byID[id]
	delete(cs.byID, id)
	return ok
}

// take encodes the documents of one batch: at most n of them (0 for no bound), and no more than a reply may hold.
func take(docs []bson.D, n int64) ([]bson.Raw, int, error) {
	out, size := []bson.Raw{}, 0
	for i, d := range docs {
		if n > 0 && int64(i) >= n {
			return out, i, nil
		}
		raw, err := bson.Marshal(d)
		if err != nil {
			return nil, 0, badValue.errorf("result document: %v", err)
		}
		if size += len(raw); i > 0 && size > maxReplyBatch {
			return out, i, nil
		}
		if len(raw) > maxDocument {
			return nil, 0, objectTooLarge.errorf("BSONObj size: %d is invalid. Size must be between 0 and %d", len(raw), maxDocument)
		}
		out = append(out, raw)
	}
	return out, len(docs), nil
}

// answer makes docs the reply of find or aggregate: a first batch, and a cursor for the rest unless single.
func (cs *cursors) answer(r *request, collection string, docs []bson.D, batch int64, single bool) (bson.D, error) {
	first, n := []bson.Raw{}, 0
	var err error
	if batch != 0 {
		if first, n, err = take(docs, batch); err != nil {
			return nil, err
		}
	}
	id := int64(0)
	if n < len(docs) && !single {
		if id, err = cs.add(&cursor{db: r.db, collection: collection, rest: docs[n:]}, time.Now()); err != nil {
			return nil, err
		}
	}
	return cursorReply("firstBatch", first, id, r.db+"."+collection), nil
}

func cursorReply(name string, batch []bson.Raw, id int64, ns string) bson.D {
	return bson.D{{Key: "cursor", Value: bson.D{{Key: name, Value: batch}, {Key: "id", Value: id}, {Key: "ns", Value: ns}}}}
}

func getMore(r *request) (bson.D, error) {
	id, ok := r.body[0].Value.(int64)
	if !ok {
		return nil, typeMismatch.errorf("BSON field 'getMore.getMore' is the wrong type '%s', expected type 'long'", typeName(r.body[0].Value))
	}
	collection, err := field[string](r, "collection")
	if err != nil {
		return nil, err
	}
	batch, err := r.natural("batchSize")
	if err != nil {
		return nil, err
	}
	id, docs, err := r.server.cursors.advance(id, r.db, collection, batch, time.Now())
	if err != nil {
		return nil, err
	}
	return cursorReply("nextBatch", docs, id, r.db+"."+collection), nil
}

func killCursors(r *request) (bson.D, error) {
	ids, err := field[bson.A](r, "cursors")
	if err != nil {
		return nil, err
	}
	killed, unknown := bson.A{}, bson.A{}
	for _, v := range ids {
		id, _ := asInt(v)
		if r.server.cursors.kill(id) {
			killed = append(killed, id)
		} else {
			unknown = append(unknown, id)
		}
	}
	return bson.D{{Key: "cursorsKilled", Value: killed}, {Key: "cursorsNotFound", Value: unknown}, {Key: "cursorsAlive", Value: bson.A{}}, {Key: "cursorsUnknown", Value: bson.A{}}}, nil
}
