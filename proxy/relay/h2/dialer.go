package h2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Dialer makes attempts at hosts that speak HTTP/2. Many share a connection.
type Dialer struct {
	o        DialerOptions
	mem      memory
	attempts sync.Pool // of *attempt
	pools    sync.Map  // *upstream.Host to *pool
	readers  sync.WaitGroup

	draining atomic.Bool
	mu       sync.Mutex
	closed   bool
}

// NewDialer makes a Dialer.
func NewDialer(o DialerOptions) *Dialer {
	d := &Dialer{o: o.withDefaults()}
	d.mem.init()
	d.attempts.New = func() any {
		a := new(attempt)
		a.user = a
		return a
	}
	return d
}

// errClosed is what Open fails with when the Dialer was closed.
var errClosed = errors.New("h2: the dialer is closed")

// young is how old a connection may be to count as a fresh one.
const young = time.Second

// pool holds the connections to a host.
type pool struct {
	host    *upstream.Host
	o       DialerOptions
	mu      sync.Mutex // taken before those of connections
	conns   []*clientConn
	dialing int

	waiting atomic.Int32
	change  sync.Mutex    // taken last
	changed chan struct{} // closed when something changes that who waits may be interested in
}

func (d *Dialer) pool(h *upstream.Host) *pool {
	if p, ok := d.pools.Load(h); ok {
		return p.(*pool)
	}
	d.pools.Range(func(h, _ any) bool { // few ever come
		if h.(*upstream.Host).Forgotten() {
			d.pools.Delete(h)
		}
		return true
	})
	made := &pool{host: h, o: d.o, changed: make(chan struct{})}
	if d.o.Of != nil {
		made.o = d.o.Of(h).withDefaults()
	}
	p, _ := d.pools.LoadOrStore(h, made)
	return p.(*pool)
}

// Open implements relay.Dialer.
func (d *Dialer) Open(ctx context.Context, host *upstream.Host, how relay.How) (relay.Upstream, error) {
	p := d.pool(host)
	c, dial, _ := p.pick(how, false)
	if c == nil {
		waiting, done := how.Waiting(ctx)
		defer done()
		var err error
		if !dial {
			c, dial, err = p.await(waiting, how)
		}
		if dial {
			c, err = d.dial(waiting, p, how.High)
		}
		if err != nil {
			return nil, err
		}
	}
	return p.attempt(ctx, c, how)
}

// Use makes an attempt on a connection that somebody has opened and that has
// agreed on HTTP/2. It becomes one of the dialer's.
func (d *Dialer) Use(ctx context.Context, up *upstream.Conn, how relay.How) (relay.Upstream, error) {
	p := d.pool(up.Host())
	c := d.adopt(up, p)
	p.mu.Lock()
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	err := d.start(c)
	p.wake()
	if err != nil {
		return nil, err
	}
	return p.attempt(ctx, c, how)
}

// attempt makes an attempt of a slot that was reserved on c.
func (p *pool) attempt(ctx context.Context, c *clientConn, how relay.How) (relay.Upstream, error) {
	a := c.attempt()
	a.blocks = how.Alone
	if how.Tunnel {
		waiting, done := how.Waiting(ctx)
		defer done()
		if err := p.known(waiting, c); err != nil {
			a.Close()
			return nil, err
		}
	}
	return a, nil
}

// pick reserves a slot on a connection, or says that one is to be dialled, which
// is counted then; neither when the caller has to wait, because of the cluster's
// limit where full says so. waits says that he is among those waiting already.
func (p *pool) pick(how relay.How, waits bool) (c *clientConn, dial, full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		if (!how.Fresh || time.Now().UnixNano()-c.began < int64(young)) && c.reserve() {
			return c, false, false
		}
	}
	ahead := int(p.waiting.Load())
	if waits {
		ahead--
	}
	if ahead < p.dialing*p.o.MaxStreams || len(p.conns)+p.dialing >= p.o.MaxConnections {
		return nil, false, false
	}
	if !p.host.Reserve(how.High) {
		return nil, false, true
	}
	p.dialing++
	return nil, true, false
}

// await waits for a slot, or for leave to dial.
func (p *pool) await(ctx context.Context, how relay.How) (c *clientConn, dial bool, err error) {
	if err := p.host.BeginPending(how.High); err != nil {
		return nil, false, err
	}
	defer p.host.EndPending(how.High)
	waiting := ctx
	if !how.Timed {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, p.host.ConnectTimeout())
		defer cancel()
	}
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	var place upstream.Place // in the queue for leave to dial, where the cluster's limit is in the way
	defer func() { place.Leave() }()
	for {
		changed := p.changing()
		c, dial, full := p.pick(how, true)
		if c != nil || dial {
			return c, dial, nil
		}
		if full && !place.Taken() {
			place = p.host.Queue(how.High)
		}
		select {
		case <-changed:
		case <-place.Ready():
			place = upstream.Place{}
			if p.dials() {
				return nil, true, nil
			}
			p.host.Release(how.High)
		case <-waiting.Done():
			if ctx.Err() == nil {
				return nil, false, p.host.WaitedInVain(how.High)
			}
			return nil, false, ctx.Err()
		}
	}
}

// dials counts a connection that there is leave for, unless the host has as many
// as one dialer makes.
func (p *pool) dials() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns)+p.dialing >= p.o.MaxConnections {
		return false
	}
	p.dialing++
	return true
}

func (p *pool) changing() chan struct{} {
	p.change.Lock()
	defer p.change.Unlock()
	return p.changed
}

// wake lets those look again who wait.
func (p *pool) wake() {
	if p.waiting.Load() == 0 {
		return
	}
	p.change.Lock()
	defer p.change.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

// known waits for the first SETTINGS of the host: whether it takes upgrades is
// not known before.
func (p *pool) known(ctx context.Context, c *clientConn) error {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	for {
		changed := p.changing()
		c.mu.Lock()
		known, err := c.peer.known, c.fate
		c.mu.Unlock()
		if known || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dial makes a connection, with a slot of it reserved.
func (d *Dialer) dial(ctx context.Context, p *pool, high bool) (*clientConn, error) {
	c, err := d.connect(ctx, p, high)
	p.mu.Lock()
	p.dialing--
	if err == nil {
		p.conns = append(p.conns, c)
	}
	p.mu.Unlock()
	if err == nil {
		err = d.start(c)
	}
	p.wake()
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (d *Dialer) connect(ctx context.Context, p *pool, high bool) (*clientConn, error) {
	up, err := p.host.DialReserved(ctx, high)
	if err != nil {
		return nil, err
	}
	if up.TLS != nil {
		if got := up.TLS.ConnectionState().NegotiatedProtocol; got != "h2" {
			_ = up.Close() // nothing was asked on it
			return nil, notH2(p.host, got)
		}
	}
	return d.adopt(up, p), nil
}

// adopt begins HTTP/2 on a connection, with one slot reserved.
func (d *Dialer) adopt(up *upstream.Conn, p *pool) *clientConn {
	c := &clientConn{dialer: d, pool: p, up: up, limits: p.o.heads(), scheme: view("http"), nextID: 1, slots: 1}
	if up.TLS != nil {
		c.scheme = view("https")
	}
	c.side = c
	c.prefaced = true // a server has none but its SETTINGS
	c.init(&p.o.Limits, &d.mem, &up.Stream)
	c.quiet = 0
	c.used()
	c.greet(wire.Preface, append(c.settings(), wire.Setting{ID: wire.SettingEnablePush}))
	up.OnRetire(c.retire)
	return c
}

func notH2(host *upstream.Host, got string) error {
	return &upstream.DialError{Cluster: host.Cluster(), Endpoint: host.Address(),
		Err: fmt.Errorf("the host agrees on %q by ALPN; the cluster needs one that speaks h2", got)}
}

// start has the connection read.
func (d *Dialer) start(c *clientConn) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		_ = c.up.Close()
		c.pool.remove(c)
		return errClosed
	}
	d.readers.Add(1)
	d.mu.Unlock()
	go func() {
		defer d.readers.Done()
		c.run(nil)
		c.pool.remove(c)
		_ = c.up.Close() // a second time, for the counters
	}()
	return nil
}

func (p *pool) remove(c *clientConn) {
	p.mu.Lock()
	if i := slices.Index(p.conns, c); i >= 0 {
		p.conns = slices.Delete(p.conns, i, i+1)
	}
	p.mu.Unlock()
	p.wake()
}

// each calls f with every connection.
func (d *Dialer) each(f func(*clientConn)) {
	d.pools.Range(func(_, p any) bool {
		p.(*pool).mu.Lock()
		conns := slices.Clone(p.(*pool).conns)
		p.(*pool).mu.Unlock()
		for _, c := range conns {
			f(c)
		}
		return true
	})
}

// Drain implements relay.Dialer.
func (d *Dialer) Drain() {
	d.draining.Store(true)
	d.each(func(c *clientConn) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spareSlot()
	})
}

// Close implements relay.Dialer. It waits for the connections' goroutines.
func (d *Dialer) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.each(func(c *clientConn) { c.shut() })
	d.readers.Wait()
}
