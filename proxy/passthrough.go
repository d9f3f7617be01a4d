package proxy

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/mongo"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// maxConnects is how many hosts are tried for one connection.
const maxConnects = 3

// quietAfter is how long nothing has to move on a connection, after bytes of the
// server, before a drain takes it for idle.
const quietAfter = 250 * time.Millisecond

// passthrough forwards connections as they are, and shows their bytes to a
// decoder on the way.
type passthrough struct {
	Setup
	cluster *upstream.Cluster
	decoder func(decode.Conn) decode.Decoder // nil: bytes are only counted
	gate    *mongo.Gate                      // decides about messages; nil for nobody
	routing *mongo.Routing                   // sends them to several hosts; nil for one

	mu     sync.Mutex
	open   map[*pair]struct{}
	closed bool
}

// newPassthrough forwards to the listener's cluster. Without a decoder bytes
// are only counted, and large flows never leave the kernel.
func newPassthrough(s Setup, decoder func(decode.Conn) decode.Decoder) *passthrough {
	return newPassthroughTo(s, s.Listener.Cluster, decoder)
}

func newPassthroughTo(s Setup, cluster string, decoder func(decode.Conn) decode.Decoder) *passthrough {
	return &passthrough{Setup: s, cluster: s.Clusters[cluster], decoder: decoder, open: map[*pair]struct{}{}}
}

func (t *passthrough) Serve(ctx context.Context, c *socket.Stream, first []byte, info ConnInfo, done func()) {
	host, up, err := t.connect(ctx, info)
	if err != nil {
		t.refuse(c, info, host, err)
		done()
		return
	}
	t.join(c, up, first, info, done)
}

// join forwards between c and up, in goroutines of its own, until both sides
// are done, and closes them.
func (t *passthrough) join(c *socket.Stream, up *upstream.Conn, first []byte, info ConnInfo, done func()) {
	t.joinBoth(c, up, first, nil, info, done)
}

// joinBoth is join when something was read of both sides.
func (t *passthrough) joinBoth(c *socket.Stream, up *upstream.Conn, first, said []byte, info ConnInfo, done func()) {
	p := newPair(t, c, up, info, done)
	if !t.add(p) {
		p.close()
	}
	p.start(first, said)
}

// add notes p as open; it reports false after Close.
func (t *passthrough) add(p *pair) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[p] = struct{}{}
	return !t.closed
}

func (t *passthrough) remove(p *pair) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, p)
}

// connect picks a host and dials it, and the next ones when that fails. The
// host that an error comes with was tried last; it is nil when there is none.
func (t *passthrough) connect(ctx context.Context, info ConnInfo) (*upstream.Host, *upstream.Conn, error) {
	w := upstream.Want{Now: time.Now().UnixNano(), Whole: true}
	w.Hash, w.Hashed = upstream.HashOfAddr(info.Client.Addr())
	h, err := t.cluster.Pick(ctx, &w)
	if err != nil {
		return nil, nil, err
	}
	for tries := 1; ; tries++ {
		began := time.Now()
		c, err := h.DialNow(ctx, w.High)
		if !errors.Is(err, upstream.ErrOverflow) { // else the host was not asked
			r := connected(began, err)
			h.Report(&r)
		}
		if err == nil {
			return h, c, nil
		}
		t.over(h)
		if tries == maxConnects || ctx.Err() != nil || errors.Is(err, upstream.ErrOverflow) {
			return h, nil, err
		}
		w.Avoid(h)
		other, no := t.cluster.Pick(ctx, &w)
		if no != nil {
			return h, nil, err
		}
		h = other
	}
}

// over ends a connection's being active at h.
func (t *passthrough) over(h *upstream.Host) {
	w := upstream.Want{Whole: true}
	w.Done(h)
}

// connected is what a cluster is told of an attempt to connect that began then: the
// time that it took is all that the policy peak_ewma gets to know of such hosts.
func connected(began time.Time, err error) upstream.Result {
	now := time.Now()
	r := upstream.Result{Now: now.UnixNano(), Took: now.Sub(began)}
	var d *upstream.DialError
	switch {
	case err == nil:
	case errors.As(err, &d) && d.Timeout:
		r.Failure = upstream.ConnectTimeout
	default:
		r.Failure = upstream.ConnectFailed
	}
	return r
}

// refuse resets a connection that cannot be forwarded, and tells why.
func (t *passthrough) refuse(c *socket.Stream, info ConnInfo, h *upstream.Host, err error) {
	c.Abort() // so that the close is a reset: a client must not take it for an empty answer
	l := &label{out: t.Hub.Publisher(info.ID), failures: t.Failures}
	dec := &tally{conn: decodeConn(info), begun: info.Accepted, failed: endedConnect, why: err.Error()}
	l.flag(event.FlagUF)
	switch {
	case errors.Is(err, upstream.ErrNoHost):
		l.flags.Store(uint32(event.FlagUH))
		dec.failed = endedNoHost
	case errors.Is(err, upstream.ErrOverflow):
		l.flags.Store(uint32(event.FlagUO))
		dec.failed = "overflow"
	case t.cluster.Choices() > 1:
		l.flag(event.FlagURX)
	}
	tap.NewFlow(dec, dec.conn, t.meta(t.cluster.Name(), h, info), l).Close(time.Now().UnixNano())
	t.connLog(info).over(&ending{cluster: t.cluster.Name(), host: h, flags: event.ResponseFlags(l.flags.Load()), why: dec.failed})
}

func decodeConn(info ConnInfo) decode.Conn {
	return decode.Conn{Client: info.Client, Server: info.Server, Stream: info.ID, Limits: decode.DefaultLimits()}
}

// Drain closes the connections on which nobody seems to wait for an answer.
func (t *passthrough) Drain() {
	for _, p := range t.pairs() {
		if p.quiet(time.Now()) {
			t.Stats.CxDrainClose.Add(1)
			p.drained.Store(true)
			p.close()
		}
	}
}

// Close closes every connection, and those that come after it.
func (t *passthrough) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	for _, p := range t.pairs() {
		t.Stats.CxDrainClose.Add(1)
		p.drained.Store(true)
		p.close()
	}
}

func (t *passthrough) pairs() (all []*pair) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range t.open {
		all = append(all, p)
	}
	return all
}
