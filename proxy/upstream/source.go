package upstream

import (
	"context"
	"net/netip"

	"github.com/pitot-io/pitot/proxy/socket"
)

// Source is the client's connection that something is done for at a cluster.
type Source struct {
	Client netip.AddrPort
	Server netip.AddrPort // the address that the client connected to
}

type sourceKey struct{}

// WithSource has what is done in ctx be for a client's connection. Clusters
// that tell hosts about their clients, or go where clients wanted to, need it.
func WithSource(ctx context.Context, s Source) context.Context {
	return context.WithValue(ctx, sourceKey{}, s)
}

func sourceOf(ctx context.Context) Source {
	s, _ := ctx.Value(sourceKey{}).(Source)
	return s
}

// PerClient reports whether each connection is for one client's connection and
// must not carry anything of another: the host was told whose it is.
func (c *Cluster) PerClient() bool { return c.greet != nil }

// PerClient is that of h's cluster.
func (h *Host) PerClient() bool { return h.cluster.PerClient() }

// greeting says first what a host is to know about the client.
func (h *Host) greeting(ctx context.Context, c socket.Conn) error {
	if h.cluster.greet == nil {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetWriteDeadline(deadline) // fails only when closed, and then so does the write
	}
	s := sourceOf(ctx)
	if _, err := c.Write(h.cluster.greet(make([]byte, 0, 64), s.Client, s.Server)); err != nil {
		return err
	}
	return c.SetWriteDeadline(noDeadline)
}

// GetFor is GetAgain, or Get where now is 0, for who may be given no more than
// the connections of ctx's source.
func (h *Host) GetFor(ctx context.Context, now int64) *Conn {
	if h.PerClient() {
		return h.take(now, sourceOf(ctx))
	}
	return h.take(now, Source{})
}

// Forget closes the idle connections that were made for a client's connection,
// which is over.
func (c *Cluster) Forget(s Source) {
	for _, h := range c.Hosts() {
		for conn := h.pool.pop(s); conn != nil; conn = h.pool.pop(s) {
			_ = conn.Close() // nobody is left to tell
		}
	}
}
