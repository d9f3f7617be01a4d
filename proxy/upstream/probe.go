package upstream

import (
	"context"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/proxy/socket"
)

// Probe opens a connection to h that is nobody's: it comes from no pool, counts
// nowhere, and is the caller's to close. port stands for the host's own where it
// is not 0. ctx bounds it.
func (h *Host) Probe(ctx context.Context, port uint16) (*socket.Stream, error) {
	network, address := "tcp", h.address
	if h.unix != "" {
		network, address = "unix", h.unix
	} else if port != 0 {
		address = withPort(address, port)
	}
	c, err := h.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return h.secured(ctx, c.(socket.Conn))
}

// withPort is address with another port.
func withPort(address string, port uint16) string {
	host, _, _ := net.SplitHostPort(address) // it was dialled before, or fails like this, too
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// Checked reports whether active health checks say who of c's hosts is healthy.
func (c *Cluster) Checked() bool { return c.options.Checked }

// Checked is that of h's cluster.
func (h *Host) Checked() bool { return h.cluster.options.Checked }

// Used reports whether a connection for traffic was ever opened to h.
func (h *Host) Used() bool { return h.stats.cxTotal.Load() > 0 }

// Lag notes how far h is behind the others of its replica set, negative where
// that is not known.
func (h *Host) Lag(d time.Duration) { h.lag.Store(int64(d)) }

// Lagging is what Lag noted last.
func (h *Host) Lagging() (d time.Duration, known bool) {
	d = time.Duration(h.lag.Load())
	return max(0, d), d >= 0
}

// Tags are what health checks found out about h. They are not to be changed.
func (h *Host) Tags() map[string]string {
	if t := h.tags.Load(); t != nil {
		return *t
	}
	return nil
}

// Tag notes what health checks found out about h, in the place of what they
// found before.
func (h *Host) Tag(tags map[string]string) {
	if !maps.Equal(tags, h.Tags()) {
		h.tags.Store(&tags)
	}
}
