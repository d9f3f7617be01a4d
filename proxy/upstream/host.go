package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/proxy/socket"
)

// Host is one endpoint of a cluster, with its connections and its counters. It
// holds what a pick looks at and what an exchange counts when it begins: one cache
// line, which it shares with no other host. So those of a large cluster lie side
// by side in few pages of memory, and a pick waits for that line alone.
type Host struct {
	flags  atomic.Uint32 // of type Flag
	weight atomic.Uint32
	ewma   ewma
	since  atomic.Int64 // when it began to be warmed up, ns since the Unix epoch; 0 for never
	active atomic.Int64 // exchanges under way
	total  Counter      // exchanges

	cluster *Cluster
	*body
}

// body is what there is to a host beside what a pick looks at.
type body struct {
	stats   hostStats
	address string
	unix    string // path, where the endpoint is a Unix socket
	dialer  net.Dialer
	limit   time.Duration // of a dial

	told      atomic.Pointer[Endpoint]
	fixed     atomic.Bool // its weight, by an operator: load has no say
	steered   atomic.Bool // its weight, by load
	load      atomic.Pointer[report]
	counted   atomic.Uint64 // exchanges, when the load was looked at last
	forgotten atomic.Bool
	asked     atomic.Bool // and it has answered a health check, or failed to
	known     atomic.Pointer[netip.AddrPort]
	tags      atomic.Pointer[map[string]string]
	lag       atomic.Int64 // ns; negative where it is not known

	pool    pool
	conns   atomic.Int64 // that are open or being made, as breakers count them
	away    away
	latency latency

	ejection ejection
}

func newHost(c *Cluster, address string, o Options) *Host {
	h := &Host{cluster: c, body: &body{address: address, limit: o.ConnectTimeout}}
	h.dialer.SetMultipathTCP(false)
	h.lag.Store(-1)
	if path, ok := socket.UnixPath(address); ok {
		h.unix = path
	}
	h.pool.init(o)
	if a, err := netip.ParseAddrPort(address); err == nil {
		h.known.Store(&a)
	}
	return h
}

// learn takes over what is told of h.
func (h *Host) learn(e Endpoint) {
	if old := h.told.Swap(&e); old == nil || old.Weight != e.Weight {
		h.fixed.Store(false)
		if !h.steered.Load() {
			h.weight.Store(max(1, e.Weight))
		}
	}
	set := func(f Flag, on bool) {
		if on {
			h.flags.Or(uint32(f))
		} else {
			h.flags.And(^uint32(f))
		}
	}
	set(Absent, false)
	set(FailedDiscovery, e.Standing == Unhealthy || e.Standing == Draining)
	set(DegradedDiscovery, e.Standing == Degraded)
}

// Endpoint is what was told of h last.
func (h *Host) Endpoint() Endpoint {
	if e := h.told.Load(); e != nil {
		return *e
	}
	return Endpoint{Address: h.address}
}

// Weight is h's share of exchanges among its like.
func (h *Host) Weight() uint32 { return h.weight.Load() }

// begin counts an exchange that starts.
func (h *Host) begin() *Host {
	h.total.Add(1)
	h.active.Add(1)
	if h.cluster.bounded {
		h.cluster.underWay.Add(1)
	}
	return h
}

// end ends what begin has begun.
func (h *Host) end() {
	h.active.Add(-1)
	if h.cluster.bounded {
		h.cluster.underWay.Add(-1)
	}
}

// Active is the number of exchanges under way.
func (h *Host) Active() int64 { return h.active.Load() }

// Address is the endpoint as configured, host:port or unix:/path.
func (h *Host) Address() string { return h.address }

// Unix is the path of an endpoint that is a Unix socket, else empty.
func (h *Host) Unix() string { return h.unix }

// Forgotten reports whether the cluster knows h no more, as nothing was done
// there for a while, so that what others keep for it can go, too.
func (h *Host) Forgotten() bool { return h.forgotten.Load() }

// Settings are the cluster's, of what is spoken.
func (h *Host) Settings() any { return h.cluster.options.Settings }

// Cluster is the name of the cluster that h belongs to.
func (h *Host) Cluster() string { return h.cluster.name }

// AddrPort is the endpoint's address; for one configured by name, that of the
// connection dialled last, and invalid before the first.
func (h *Host) AddrPort() netip.AddrPort {
	if a := h.known.Load(); a != nil {
		return *a
	}
	return netip.AddrPort{}
}

// DialError says that no connection came about (response flag UF).
type DialError struct {
	Cluster, Endpoint string
	Timeout           bool   // not answered in time, as against refused or unreachable
	Reason            string // why TLS did not come about, in words that tell no address: as "certificate has expired"
	Err               error
}

func (e *DialError) Error() string {
	if e.Timeout {
		return fmt.Sprintf("cluster %q: connect to %s: no answer in time: %v", e.Cluster, e.Endpoint, e.Err)
	}
	return fmt.Sprintf("cluster %q: connect to %s: %v", e.Cluster, e.Endpoint, e.Err)
}

func (e *DialError) Unwrap() error { return e.Err }

// Dial opens a connection to h, within the cluster's connect timeout. Its
// errors are of type *DialError. It is for who must have a connection: one that
// is over the limits is counted, and not refused. See Connect and DialNow.
func (h *Host) Dial(ctx context.Context) (*Conn, error) {
	h.conns.Add(1)
	h.cluster.breaker(false).connections.n.Add(1)
	return h.dialReserved(ctx, false)
}

// dialReserved opens a connection that is counted already.
func (h *Host) dialReserved(ctx context.Context, high bool) (*Conn, error) {
	c, err := h.dial(ctx, high)
	if err != nil {
		h.release(high)
		err = h.dialFailed(ctx, err)
		return nil, err
	}
	h.reached()
	return c, nil
}

func (h *Host) dial(ctx context.Context, high bool) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.limit)
	defer cancel()
	began := time.Now()
	network, address := "tcp", h.address
	if where := h.cluster.options.Where; where != nil {
		address = where(address)
	}
	if h.unix != "" {
		network, address = "unix", h.unix
	}
	c, err := h.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	h.stats.connect.observe(time.Since(began))
	stream, err := h.secured(ctx, c.(socket.Conn))
	if err != nil {
		return nil, err
	}
	var source Source
	if h.PerClient() {
		source = sourceOf(ctx)
	}
	return newConn(h, stream, source, high)
}

// noDeadline takes a deadline back.
var noDeadline time.Time

// secured is the stream over a new socket, which it closes when there is none.
func (h *Host) secured(ctx context.Context, c socket.Conn) (*socket.Stream, error) {
	if err := h.greeting(ctx, c); err != nil {
		_ = c.Close() // the first error tells more
		return nil, err
	}
	if h.cluster.tls == nil {
		return socket.Plain(c), nil
	}
	s, err := h.cluster.tls.Secure(ctx, c, h.named())
	if err != nil {
		_ = c.Close() // the first error tells more
	}
	return s, err
}

// named is the endpoint by the name that its certificate is for.
func (h *Host) named() string {
	name := h.Endpoint().Hostname
	_, port, err := net.SplitHostPort(h.address)
	if name == "" || err != nil {
		return h.address
	}
	return net.JoinHostPort(name, port)
}

// dialFailed tells what came of a dial in ctx, and notes that h is away where it
// is h's doing.
func (h *Host) dialFailed(ctx context.Context, err error) error {
	if deadline, ok := ctx.Deadline(); ctx.Err() == nil && !(ok && time.Now().After(deadline)) && !ours(err) {
		h.missed(time.Now().UnixNano())
	}
	var ne net.Error
	e := &DialError{Cluster: h.cluster.name, Endpoint: h.address, Err: err}
	e.Timeout = errors.As(err, &ne) && ne.Timeout() || errors.Is(err, context.DeadlineExceeded)
	if t, ok := errors.AsType[reasoned](err); ok {
		e.Reason = t.Reason()
	}
	h.stats.cxTotal.Add(1)
	h.stats.cxConnectFail.Add(1)
	if e.Timeout {
		h.stats.cxConnectTimeout.Add(1)
	}
	return e
}

// reasoned is an error of TLS.
type reasoned interface {
	error
	Reason() string
}
