package mongo

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
)

// Gate makes Conns for a listener, all of which ask the guards that it has at
// the time.
type Gate struct {
	looks  func() *mongo.Looks // made for the first connection
	guards atomic.Pointer[[]Guard]

	cursors, transactions places // of connections whose commands are routed
}

// NewGate makes a gate without guards. Commands are read as o says.
func NewGate(o mongo.Options) *Gate {
	g := &Gate{looks: sync.OnceValue(func() *mongo.Looks { return mongo.NewLooks(o) })}
	g.Use(nil)
	return g
}

// Use has all connections ask these guards from now on.
func (g *Gate) Use(guards []Guard) { g.guards.Store(&guards) }

// Side is the connection that a Conn decides about. Its methods are called by
// who calls the Conn's.
type Side interface {
	// Show shows bytes to whoever watches, before they go on, or in the place of
	// that. Of direction ToClient they may be of the proxy's own making.
	Show(d event.Dir, at int64, b []byte)
	// Write passes bytes on in direction d.
	Write(d event.Dir, b []byte) error
	// Wait lets so much time pass; false when the connection ends before.
	Wait(d time.Duration) bool
	// Await calls f with a context that ends when the client goes; false when the
	// connection has ended.
	Await(f func(context.Context)) bool
	// Context ends with the connection.
	Context() context.Context
	// Abort resets the connection.
	Abort()
}

// Conn decides about one connection. Pass and End are called by two goroutines,
// one for each direction.
type Conn struct {
	gate    *Gate
	side    Side
	client  netip.Addr
	cluster string
	looker  *mongo.Looker
	up      up
	down    down
	blind   atomic.Bool // what is said is not understood: all passes
	routed  *routed     // nil where all goes to one server

	turn    sync.Mutex // guards what follows: whose turn it is to write to the client
	within  bool       // a message of the server is on its way
	pending []byte     // answers of our own that wait for its end
	waiting []int32    // the requests that they answer

	lots lots
}

// New makes a Conn.
func (g *Gate) New(s Side, client netip.Addr, cluster string) *Conn {
	return &Conn{gate: g, side: s, client: client, cluster: cluster, looker: g.looks().New(), lots: lots{all: map[int32]*lot{}}}
}

// errOver is what Pass fails with when it has ended the connection.
var errOver = errors.New("the connection is over")

// Pass takes the next bytes in direction d, which came at that time, and passes
// them on as is decided.
func (c *Conn) Pass(d event.Dir, at int64, b []byte) error {
	if d == event.ToServer {
		return c.requests(at, b)
	}
	return c.answers(&c.down, at, b)
}

// End is called at the end of the stream in direction d: what was held back as
// it is no message goes on.
func (c *Conn) End(d event.Dir, at int64) error {
	if d == event.ToServer {
		return c.send(d, at, c.up.take())
	}
	return c.send(d, at, c.down.take())
}

// refused are the flags of what is not answered by a server.
const (
	refused = event.FlagFI | event.FlagRL | event.FlagRLSE | absent
	absent  = event.FlagUH | event.FlagUF | event.FlagUO // of what no server could be had for
)

// Label gives an exchange what is known of its lot: flags, and the server that
// it went to. It is called while bytes are shown.
func (c *Conn) Label(x *event.Exchange) {
	if x.Mongo == nil {
		return
	}
	f, to := c.lots.told(x.Mongo.RequestID)
	if x.Flags |= f; f&refused != 0 && x.Status != event.Error {
		x.Status, x.ErrorType = event.Error, (f & refused).String()
	}
	if c.routed == nil {
		return
	}
	switch x.Picked = to.Why; {
	case to.Host != "":
		x.Endpoint = to.Host
	case f&absent != 0:
		x.Endpoint = ""
	}
	c.learn(x)
}

// Close ends the use of c, after the last call of its other methods.
func (c *Conn) Close() {
	c.lots.close()
	c.looker.Close()
}

// send shows bytes and passes them on.
func (c *Conn) send(d event.Dir, at int64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	c.side.Show(d, at, b)
	if d == event.ToServer && c.up.way != nil {
		return c.up.way.write(b)
	}
	return c.side.Write(d, b)
}

// paced is send for a message that is held back as l says.
func (c *Conn) paced(l *lot, d event.Dir, at int64, b []byte) error {
	if l == nil || l.pacer == nil {
		return c.send(d, at, b)
	}
	for len(b) > 0 {
		n, f := l.pacer.Pace(c.side.Context(), d, len(b))
		if f != nil {
			c.lots.flag(l, f.Flags)
			c.side.Abort()
			return errOver
		}
		if d == event.ToClient {
			at = time.Now().UnixNano()
		}
		if err := c.send(d, at, b[:n]); err != nil {
			return err
		}
		b, at = b[n:], time.Now().UnixNano()
	}
	return nil
}
