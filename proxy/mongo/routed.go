package mongo

import (
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
)

// routed is what a Conn needs to send its client's commands to several servers.
type routed struct {
	*Routing
	ways  Ways
	mouth chan struct{} // holds one thing while a server's message is on its way to the client
	open  atomic.Int32  // ways that are not over

	hello hello // the client's first; of the goroutine that takes requests, as what follows
	met   bool  // a greeting has come
	stays string

	home atomic.Pointer[welcome] // what the client's home has answered
}

// Why a command goes home.
const (
	whyHome          = "home"                // it is about the connection, or the server
	whyAuthenticated = "home, authenticated" // who has proved who he is to one server has not to another
	whyNotGreeted    = "home, not greeted"   // the home has not answered the greeting yet, or not as servers do
	whyNoHash        = "home, no hash"       // it has nothing to hash
	whyUnread        = "home, not understood"
)

// Route has the client's commands go to several servers, as r says. It is called
// before anything passes.
func (c *Conn) Route(r *Routing, w Ways) {
	c.routed = &routed{Routing: r, ways: w, mouth: make(chan struct{}, 1)}
}

// route finds the way of a command whose message begins with b, or refuses it.
func (c *Conn) route(q *mongo.Request, b []byte) (Taken, *Refusal) {
	t, now := c.routed, time.Now().UnixNano()
	if why := t.atHome(q, b); why != "" {
		return Taken{Why: why}, nil
	}
	a, own := Aim{Now: now}, transaction(q.Mongo)
	switch {
	case own != 0:
		a.Place = c.gate.transactions.find(own, now)
		a.Hash, _ = bySession(q, c.client)
	case q.Operation == "getMore" || q.Operation == "killCursors":
		a.Place = c.gate.cursors.find(uint64(q.Cursor), now)
		fallthrough
	default:
		hash, ok := t.hash(q, c.client)
		if !ok && a.Place == "" {
			return Taken{Why: whyNoHash}, nil
		}
		a.Hash = hash
	}
	to, none := t.ways.Way(&a)
	if none != nil {
		return Taken{}, none.refuse(q.Mongo)
	}
	switch {
	case own != 0:
		c.gate.transactions.keep(own, to.Host, now)
		to.Why = whyTransaction
	case a.Place != "" && a.Place == to.Host:
		to.Why = whyCursor
	}
	return to, nil
}

// Why a command goes to a server that its hash has no say in.
const (
	whyTransaction = "transaction"
	whyCursor      = "cursor"
)

// atHome says why a command goes home; empty for one that does not.
func (t *routed) atHome(q *mongo.Request, b []byte) string {
	switch op := q.Operation; {
	case mongo.Handshake(op):
		t.meet(op, b)
	case t.stays != "":
	case q.Chatter || op == "logout":
		return whyHome
	case t.met && t.home.Load() == nil:
		return whyNotGreeted
	default:
		return ""
	}
	if t.stays != "" {
		return t.stays
	}
	return whyHome
}

// meet takes in a command by which the client greets, or authenticates.
func (t *routed) meet(op string, b []byte) {
	if !mongo.Greeting(op) {
		t.stays = whyAuthenticated
		return
	}
	h := readHello(b)
	switch {
	case h.authenticates:
		t.stays = whyAuthenticated
	case h.watches && t.stays == "":
		t.stays = whyHome
	case !t.met && h.again == nil && t.stays == "":
		t.stays = whyNotGreeted
	}
	if !t.met {
		t.met, t.hello = true, h
	}
}

// learn remembers at which server a cursor is, before the client knows of it.
func (c *Conn) learn(x *event.Exchange) {
	switch m := x.Mongo; {
	case m.Cursor == 0:
	case m.CursorDone:
		c.gate.cursors.forget(uint64(m.Cursor))
	case x.Status != event.Error && m.Replies > 0:
		c.gate.cursors.keep(uint64(m.Cursor), x.Endpoint, x.End)
	}
}

// speak waits until a server may begin a message to the client.
func (t *routed) speak(c *Conn) bool {
	select {
	case t.mouth <- struct{}{}:
		return true
	default:
	}
	select {
	case t.mouth <- struct{}{}:
		return true
	case <-c.side.Context().Done():
		return false
	}
}

// lose has what follows pass as it is, which can be only where one server speaks
// to the client.
func (c *Conn) lose() error {
	c.blind.Store(true)
	return c.alone()
}

// alone fails, and ends the connection, where what is said is not understood and
// several servers may speak.
func (c *Conn) alone() error {
	if c.blind.Load() && c.routed != nil && c.routed.open.Load() > 0 {
		c.side.Abort()
		return errOver
	}
	return nil
}
