// Package fault does to requests on purpose what networks and servers do by
// accident: it delays, refuses, slows down and cuts them, so that one can see
// how clients bear it. Names and semantics are those of Envoy's fault filter
// where it has them.
package fault

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

// Options say whose faults they are.
type Options struct {
	Stats *Stats // of the listener
	Trust bool   // every client may ask for faults by headers: the listener is an inner hop
	Where string // in events: the listener, or the listener and the route

	Tell func(*event.Notice) // may be nil
}

// Fault is one entry of the configuration, compiled.
type Fault struct {
	config  *config.Fault
	stats   *Stats
	report  report
	active  atomic.Int64
	delay   delay
	abort   share
	rates   [2]rate // by direction
	cut     share
	trusted []netip.Prefix
	trust   bool

	headers []route.Condition
	clients []netip.Prefix
}

// rate is how many bytes pass in a second, for some requests.
type rate struct {
	share
	limit int64
}

func newFault(i int, c *config.Fault, o Options) (*Fault, error) {
	f := &Fault{config: c, stats: o.Stats, trust: o.Trust}
	for j := range c.Match.Headers {
		h, err := route.NewCondition(&c.Match.Headers[j], true)
		if err != nil {
			return nil, err
		}
		f.headers = append(f.headers, h)
	}
	var err error
	if f.clients, err = networks(c.Match.Clients); err != nil {
		return nil, err
	}
	if f.trusted, err = networks(c.Trusted); err != nil {
		return nil, err
	}
	if f.delay, err = newDelay(&c.Delay); err != nil {
		return nil, err
	}
	if f.abort, err = newShare(c.Abort.Percent, !c.Abort.None()); err != nil {
		return nil, err
	}
	for d, r := range map[event.Dir]config.FaultRate{event.ToServer: c.RequestRate, event.ToClient: c.ResponseRate} {
		f.rates[d].limit = int64(r.Limit)
		if f.rates[d].share, err = newShare(r.Percent, r.Limit > 0); err != nil {
			return nil, err
		}
	}
	if f.cut, err = newShare(c.Cut.Percent, c.Cut.After > 0); err != nil {
		return nil, err
	}
	f.report.init(cmp.Or(c.Name, strconv.Itoa(i)), o)
	return f, nil
}

func networks(list []string) (all []netip.Prefix, err error) {
	for _, s := range list {
		p, err := config.ParseNetwork(s)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func contains(all []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap()
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
}

// goes reports whether requests of a client to a cluster fit.
func (f *Fault) goes(client netip.Addr, cluster string) bool {
	m := &f.config.Match
	if len(f.clients) > 0 && !contains(f.clients, client) {
		return false
	}
	return len(m.Clusters) == 0 || slices.Contains(m.Clusters, cluster)
}

// enter counts a request that a fault is active on, while there may be more of
// them. leave ends it.
func (f *Fault) enter() bool {
	if n := f.active.Add(1); f.config.MaxActive > 0 && n > int64(f.config.MaxActive) {
		f.active.Add(-1)
		f.stats.Overflow.Add(1)
		return false
	}
	f.stats.Active.Add(1)
	return true
}

func (f *Fault) leave() {
	f.active.Add(-1)
	f.stats.Active.Add(-1)
}

// wait lets so much time pass; false when ctx ends before.
func (f *Fault) wait(ctx context.Context, d time.Duration) bool {
	f.stats.Delays.Add(1)
	f.report.hit()
	return sleep(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
