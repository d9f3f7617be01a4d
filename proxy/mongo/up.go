package mongo

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
)

// How much of a request is looked at, in bytes: the command is at its beginning.
// What follows goes on as it comes.
const (
	keep = 64 << 10

	// Of a command whose own document is longer, as where what it writes stands in
	// it, the document is looked at as a whole, up to these sizes. Where commands
	// are routed, none is so long that it goes to the wrong server: a document has
	// at most so many (BSONObjMaxInternalSize).
	mostGuarded = 1 << 20
	mostRouted  = 16<<20 + 16<<10
)

// up is the direction of requests.
type up struct {
	buf  []byte // the beginning of a request that is not here up to keep yet
	rest int    // bytes of a request that was decided about which are still to come
	lot  *lot   // what was decided; nil for nothing
	id   int32  // of that request
	wait bool   // it is to be answered by the server
	gone bool   // it does not go on
	drop []byte // and gets this answer
	way  *Way   // it goes this way; nil for the client's home
}

// take gives what is held back.
func (u *up) take() []byte {
	b := u.buf
	u.buf = nil
	return b
}

// requests takes bytes of the client.
func (c *Conn) requests(at int64, b []byte) error {
	u := &c.up
	for len(b) > 0 {
		switch {
		case u.rest > 0:
			n := min(u.rest, len(b))
			if err := c.rest(at, b[:n]); err != nil {
				return err
			}
			b = b[n:]
		case c.blind.Load():
			if err := c.send(event.ToServer, at, u.take()); err != nil {
				return err
			}
			return c.send(event.ToServer, at, b)
		default:
			n, err := c.begin(at, b)
			if err != nil {
				return err
			}
			b = b[n:]
		}
	}
	return nil
}

// begin takes n bytes of a request whose beginning is not all here yet. It is
// decided about as soon as that is.
func (c *Conn) begin(at int64, b []byte) (n int, err error) {
	u := &c.up
	if len(u.buf) == 0 { // mostly it is all here, and needs no copy
		if want, length := c.wanted(b); len(b) >= want {
			if length == 0 {
				return 0, c.lose()
			}
			return want, c.decide(at, b[:want], length)
		}
	}
	want, _ := c.wanted(u.buf)
	n = min(want-len(u.buf), len(b))
	u.buf = append(u.buf, b[:n]...)
	want, length := c.wanted(u.buf)
	switch {
	case len(u.buf) < want:
		return n, nil
	case length == 0:
		if err := c.lose(); err != nil {
			return n, err
		}
		return n, c.send(event.ToServer, at, u.take())
	}
	begun := u.buf
	err = c.decide(at, begun, length)
	if u.buf = begun[:0]; cap(begun) > keep {
		u.buf = nil
	}
	return n, err
}

// wanted is how many bytes of the request that begins with b are looked at, and
// its length: 0 where that is no request.
func (c *Conn) wanted(b []byte) (want, length int) {
	if len(b) < mongo.HeaderLen {
		return mongo.HeaderLen, 0
	}
	if length = mongo.Length(event.ToServer, b); length <= keep || len(b) < keep {
		return min(length, keep), length
	}
	want, most := keep, mostGuarded
	if c.routed != nil {
		most = mostRouted
	}
	switch op := binary.LittleEndian.Uint32(b[12:]); {
	case op == opMsg && b[20] == 0:
		want = max(keep, 21+bson.Length(b[21:]))
	case op == opCompressed && c.routed != nil: // what is within is not known yet
		want = length
	}
	return min(want, most, length), length
}

// decide asks the guards about the request that begins with b.
func (c *Conn) decide(at int64, b []byte, length int) error {
	u := &c.up
	*u = up{buf: u.buf, rest: length - len(b), wait: true}
	cmd, r, err := c.ask(b)
	if err != nil {
		c.side.Show(event.ToServer, at, b)
		return err
	}
	if cmd == nil {
		return c.unread(at, b)
	}
	u.id, u.wait = cmd.RequestID, cmd.Wait
	flags := cmd.Flags
	if r != nil {
		flags |= r.Flags
	}
	if flags != 0 || cmd.Pacer != nil || c.routed != nil {
		u.lot = &lot{flags: flags, pacer: cmd.Pacer, hello: c.routed != nil && !c.routed.met && mongo.Greeting(cmd.Operation)}
		c.lots.put(u.id, u.lot)
	}
	if cmd.Delay > 0 && !c.side.Wait(cmd.Delay) {
		c.side.Show(event.ToServer, at, b)
		return errOver
	}
	if r == nil && c.routed != nil {
		var err error
		if r, err = c.away(&cmd.Request, b); err != nil {
			return err
		}
	}
	if r == nil {
		return c.ended(at, c.paced(u.lot, event.ToServer, at, b))
	}
	if !r.Reset {
		u.drop = r.answer(&cmd.Request)
	}
	c.side.Show(event.ToServer, at, b)
	if r.Reset {
		c.side.Abort()
		return errOver
	}
	u.gone = true
	return c.ended(at, nil)
}

// unread passes a request on about which nothing was decided.
func (c *Conn) unread(at int64, b []byte) error {
	if c.routed != nil {
		id, _, _ := mongo.ReplyTo(b)
		c.lots.put(id, &lot{to: Taken{Why: whyUnread}})
	}
	return c.send(event.ToServer, at, b)
}

// away sends the request that begins with b the way that is its own.
func (c *Conn) away(q *mongo.Request, b []byte) (*Refusal, error) {
	for {
		to, r := c.route(q, b)
		if r != nil {
			c.lots.flag(c.up.lot, r.Flags)
			return r, nil
		}
		if err := c.alone(); err != nil {
			return nil, err
		}
		if to.Way == nil || to.Way.begin() {
			c.lots.route(c.up.lot, to)
			c.up.way = to.Way
			return nil, nil
		}
	}
}

// ask asks the guards; the command is nil where nobody is to be asked. It fails
// when the connection ends meanwhile.
func (c *Conn) ask(b []byte) (*Command, *Refusal, error) {
	guards := *c.gate.guards.Load()
	if len(guards) == 0 && c.routed == nil {
		return nil, nil, nil
	}
	q, ok := c.looker.Look(b)
	if !ok {
		return nil, nil, nil
	}
	cmd := &Command{Request: q, Handshake: mongo.Handshake(q.Operation), Client: c.client, Cluster: c.cluster, Now: time.Now().UnixNano()}
	for _, g := range guards {
		r := g.Admit(cmd)
		if ask := cmd.Ask; ask != nil {
			cmd.Ask = nil
			if r == nil && !c.side.Await(func(ctx context.Context) { r = ask(ctx) }) {
				return nil, nil, errOver
			}
		}
		if r != nil {
			return cmd, r, nil
		}
	}
	return cmd, nil, nil
}

// rest takes bytes of a request that was decided about.
func (c *Conn) rest(at int64, b []byte) (err error) {
	u := &c.up
	u.rest -= len(b)
	if u.gone {
		c.side.Show(event.ToServer, at, b)
	} else {
		err = c.paced(u.lot, event.ToServer, at, b)
	}
	return c.ended(at, err)
}

// ended answers a request that has come to its end, where that is for us to do.
func (c *Conn) ended(at int64, err error) error {
	u := &c.up
	if err != nil || u.rest > 0 {
		return err
	}
	way := u.way
	if u.way = nil; way != nil && !u.wait {
		way.done()
	}
	switch {
	case !u.wait:
		c.lots.drop(u.id)
	case u.gone:
		return c.inject(u.id, u.drop)
	}
	return nil
}
