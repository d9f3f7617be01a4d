package mongo

import (
	"time"

	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
)

// startLen is how much of an answer is looked at: its header and its flags.
const startLen = mongo.HeaderLen + 4

// down is the direction of answers.
type down struct {
	head []byte // the beginning of an answer that is not all here yet
	rest int    // bytes of an answer that are still to come
	to   int32  // the request that it answers
	last bool   // none after it does
	lot  *lot   // of that request; nil for none
	way  *Way   // that it comes on; nil for the client's home

	begun bool   // it may be written
	said  []byte // of the answer to the client's greeting
}

// take gives what is held back.
func (d *down) take() []byte {
	b := d.head
	d.head = nil
	return b
}

// answers takes bytes of the server.
func (c *Conn) answers(d *down, at int64, b []byte) error {
	for len(b) > 0 {
		n := len(b)
		switch {
		case d.rest > 0:
			n = min(d.rest, n)
			if err := c.carry(d, at, b[:n]); err != nil {
				return err
			}
		case c.blind.Load():
			if err := c.alone(); err != nil {
				return err
			}
			if err := c.send(event.ToClient, at, d.take()); err != nil {
				return err
			}
			return c.send(event.ToClient, at, b)
		case len(d.head) == 0 && c.opens(d, b): // mostly it needs no copy
			n = 0
		default:
			n = min(startLen-len(d.head), n)
			if err := c.gather(d, at, b[:n]); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

// gather takes bytes of the beginning of an answer.
func (c *Conn) gather(d *down, at int64, b []byte) error {
	d.head = append(d.head, b...)
	if c.opens(d, d.head) {
		return c.carry(d, at, d.take())
	}
	if c.blind.Load() {
		if err := c.alone(); err != nil {
			return err
		}
		return c.send(event.ToClient, at, d.take())
	}
	return nil
}

// opens begins the answer that begins with b, when enough of it is there.
func (c *Conn) opens(d *down, b []byte) bool {
	if len(b) < startLen {
		return false
	}
	length := mongo.Length(event.ToClient, b)
	if length < startLen {
		c.blind.Store(true)
		return false
	}
	id, to, more := mongo.ReplyTo(b)
	d.rest, d.to, d.last, d.lot, d.begun = length, to, !more, c.lots.of(to), false
	if d.lot != nil && more {
		c.lots.follow(d.lot, id)
	}
	return true
}

// claim has an answer be written to its end before another one is.
func (c *Conn) claim(d *down) error {
	if c.routed != nil && !c.routed.speak(c) {
		return errOver
	}
	d.begun = true
	c.turn.Lock()
	c.within = true
	c.turn.Unlock()
	return nil
}

// carry passes bytes of an answer on.
func (c *Conn) carry(d *down, at int64, b []byte) error {
	if !d.begun {
		if err := c.claim(d); err != nil {
			return err
		}
		if c.routed != nil { // it may have waited
			at = time.Now().UnixNano()
		}
	}
	if d.lot != nil && d.lot.hello && len(d.said)+d.rest <= mostWelcome {
		c.welcomed(d, b)
	}
	if err := c.paced(d.lot, event.ToClient, at, b); err != nil {
		return err
	}
	if d.rest -= len(b); d.rest > 0 {
		return nil
	}
	if d.last {
		c.lots.drop(d.to)
		if d.way != nil {
			d.way.done()
		}
	}
	return c.yield()
}

// welcomed takes bytes of the home's answer to the client's greeting.
func (c *Conn) welcomed(d *down, b []byte) {
	if d.said = append(d.said, b...); d.rest > len(b) {
		return
	}
	if w, ok := readWelcome(d.said); ok && w.ok {
		c.routed.home.Store(&w)
	}
	d.said = nil
}

// yield lets our own answers go that have waited for the end of the server's.
func (c *Conn) yield() error {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.within = false
	err := c.send(event.ToClient, time.Now().UnixNano(), c.pending)
	c.pending = c.pending[:0]
	for _, id := range c.waiting {
		c.lots.drop(id)
	}
	c.waiting = c.waiting[:0]
	if c.routed != nil {
		<-c.routed.mouth
	}
	return err
}

// mostPending bounds the answers of our own that wait, in bytes. A client that
// asks on and on while it does not read the answers is cut off.
const mostPending = 1 << 20

// inject answers a request in the server's place.
func (c *Conn) inject(id int32, b []byte) (err error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if !c.within {
		err = c.send(event.ToClient, time.Now().UnixNano(), b)
		c.lots.drop(id)
		return err
	}
	c.waiting = append(c.waiting, id)
	if c.pending = append(c.pending, b...); len(c.pending) > mostPending {
		c.side.Abort()
		return errOver
	}
	return nil
}
