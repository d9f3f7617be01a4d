package relay

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/overload"
)

// Engine carries out the exchanges of one listener. Its methods may be called
// from many goroutines.
type Engine struct {
	o         Options
	watch     Watch
	mirrors   mirrors
	exchanges sync.Pool // of *exchange
	draining  atomic.Bool
	ending    atomic.Bool
	closed    atomic.Bool
}

// New makes an engine. It has a goroutine of its own while it has connections.
func New(o Options) *Engine {
	g := &Engine{o: o.withDefaults()}
	g.mirrors.init(g.o.Publish(0))
	g.exchanges.New = func() any { return g.newExchange() }
	g.watch.Init(g.o.Request, g.o.StreamIdle)
	return g
}

// Watch looks over the engine's exchanges; codecs have it look over their
// connections, too.
func (g *Engine) Watch() *Watch { return &g.watch }

// Listener is the listener's name.
func (g *Engine) Listener() string { return g.o.Listener }

// Closed reports whether Close was called.
func (g *Engine) Closed() bool { return g.closed.Load() }

// Stats are the listener's.
func (g *Engine) Stats() hop.Stats { return g.o.Stats }

// Enter is called when a client's connection begins. Leave ends it.
func (g *Engine) Enter(info hop.Info, secure bool) *Info {
	g.watch.Join()
	i := &Info{Info: info, Secure: secure, out: g.o.Publish(info.ID), peer: g.lookup(info.Client)}
	i.riding = decode.Conn{Client: info.Client, Server: info.Server, Stream: info.ID, Secure: secure, Limits: decode.DefaultLimits()}
	i.riding.Limits.Text = g.o.Limits.Text
	return i
}

// Leave is called when a client's connection is over and none of its exchanges
// is under way any more.
func (g *Engine) Leave(*Info) { g.watch.Leave() }

func (g *Engine) lookup(a netip.AddrPort) string {
	if g.o.Names == nil || !a.IsValid() {
		return ""
	}
	return g.o.Names.Lookup(a)
}

// Carry carries out one exchange in the caller's goroutine, up to the end of
// the answer. ctx is what upstream hosts are dialled with. Where c is Sharing it
// reports false when the exchange is not over but goes on by Resume; the caller
// has nothing to do with it any more.
func (g *Engine) Carry(ctx context.Context, c Client) (over bool) {
	e := g.exchanges.Get().(*exchange)
	e.sharing, _ = c.(Sharing)
	if g.o.Wrap != nil {
		wrapped := g.o.Wrap(c)
		if wrapped != c {
			e.keepGoroutine()
		}
		c = wrapped
	}
	e.begin(ctx, c)
	if !e.run() {
		return false
	}
	e.dispose()
	return true
}

// Refuse answers a request whose head cannot be read, or did not come, for the
// reason f: c.Request() has nothing.
func (g *Engine) Refuse(c Client, f *hop.Failure) {
	e := g.exchanges.Get().(*exchange)
	e.start(context.Background(), c)
	e.unreadable()
	e.reply(f)
	e.dispose()
}

// Malformed is Refuse for a head that breaks the protocol as err says.
func (g *Engine) Malformed(c Client, err error) {
	g.o.Stats.ProtocolError()
	g.Refuse(c, hop.DownstreamFault(err))
}

// Drain says that connections end after the exchange under way.
func (g *Engine) Drain() {
	g.draining.Store(true)
	g.ending.Store(true)
}

// Retire is Drain but for connections that wait for their first request: it
// may be on its way, and its client would not ask again.
func (g *Engine) Retire() { g.draining.Store(true) }

// Ending reports whether connections are to end that wait for their first
// request, too.
func (g *Engine) Ending() bool { return g.ending.Load() }

// Draining reports whether all connections are to end after the exchange under
// way.
func (g *Engine) Draining() bool {
	return g.draining.Load() || g.o.Overload.Full(overload.DisableKeepalive)
}

// Parting reports whether the connection of an answer that begins now is to end
// after it: what Draining says, and for a share of those who ask where the proxy
// is on its way there. It is asked once an answer.
func (g *Engine) Parting() bool {
	return g.draining.Load() || g.o.Overload.Active(overload.DisableKeepalive)
}

// Close breaks off what is still under way, tunnels included. Calls of Carry
// return soon after.
func (g *Engine) Close() {
	g.Drain()
	g.closed.Store(true)
	g.watch.Each(func(x *Watched) { x.Look(time.Now().UnixNano()) })
	g.mirrors.close()
}

// Head is a message's head, whatever the version of HTTP.
type Head = http1.Head
