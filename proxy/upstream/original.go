package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// original is what a cluster knows whose hosts are wherever clients wanted to
// go. Hosts are made as they are asked for; those that have done nothing for a
// while are forgotten, with their counters.
type original struct {
	own    func(netip.AddrPort) bool // addresses of the proxy itself
	make   func(netip.AddrPort) *Host
	mu     sync.Mutex // guards what follows
	hosts  map[netip.AddrPort]*Host
	sweep  *time.Timer // runs while there are hosts
	closed bool
}

// forgetAfter is how often hosts that nobody uses are forgotten.
const forgetAfter = 5 * time.Second

// ErrOwnAddress says that a client wanted to go where it is already; it comes
// along with ErrNoHost.
var ErrOwnAddress = errors.New("the destination is the proxy itself")

var errNoDestination = errors.New("the connection's destination is not known")

func newOriginal(own func(netip.AddrPort) bool, make func(netip.AddrPort) *Host) *original {
	return &original{own: own, make: make, hosts: map[netip.AddrPort]*Host{}}
}

// pick finds the host that ctx's source wanted, and begins an exchange there.
func (o *original) pick(ctx context.Context) (*Host, error) {
	to := sourceOf(ctx).Server
	switch {
	case !to.IsValid():
		return nil, fmt.Errorf("%w: %w", ErrNoHost, errNoDestination)
	case o.own != nil && o.own(to):
		return nil, fmt.Errorf("%w: %s: %w", ErrNoHost, to, ErrOwnAddress)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, fmt.Errorf("%w: %w", ErrNoHost, errClosed)
	}
	h := o.hosts[to]
	if h == nil {
		h = o.make(to)
		o.hosts[to] = h
		o.arm()
	}
	return h.begin(), nil
}

// arm has the sweep run a while from now; the caller has the lock.
func (o *original) arm() {
	switch {
	case o.sweep == nil:
		o.sweep = time.AfterFunc(forgetAfter, o.forget)
	case len(o.hosts) == 1:
		o.sweep.Reset(forgetAfter)
	}
}

// forget drops the hosts at which nothing is under way or open.
func (o *original) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for to, h := range o.hosts {
		if h.Active() == 0 && h.pool.unused() {
			h.forgotten.Store(true)
			delete(o.hosts, to)
		}
	}
	if len(o.hosts) > 0 && !o.closed {
		o.sweep.Reset(forgetAfter)
	}
}

func (o *original) all() (all []*Host) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, h := range o.hosts {
		all = append(all, h)
	}
	return all
}

func (o *original) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.sweep != nil {
		o.sweep.Stop()
	}
}
