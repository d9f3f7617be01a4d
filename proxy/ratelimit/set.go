// Package ratelimit bounds how many requests go on: by token buckets of its
// own, one for each descriptor that requests have, and by asking a service that
// counts for many proxies, over Envoy's protocol for that.
package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Set is all rate limits of a proxy. Those that a new configuration leaves as
// they are go on with what they have counted.
type Set struct {
	now     func() int64 // time of a clock that is never set back, in ns
	notice  func(*event.Notice)
	service atomic.Pointer[Service] // nil without

	mu     sync.Mutex
	limits []*Limit
}

// NewSet makes a set that tells what it does to notice.
func NewSet(notice func(*event.Notice)) *Set { return &Set{now: clock(), notice: notice} }

// clock begins now, and is never set back. It tells ns.
func clock() func() int64 {
	start := time.Now()
	return func() int64 { return int64(time.Since(start)) }
}

// Guard asks those limits that are about HTTP about a route's requests: the route's own and the
// listener's. It is nil where there are none.
func (s *Set) Guard(own, listener []config.RateLimit) (*Guard, error) {
	g := &Guard{set: s}
	var global []*Limit
	for _, list := range [][]config.RateLimit{own, listener} {
		for i := range list {
			if list[i].For() == config.MongoDB {
				continue
			}
			l, err := s.limit(&list[i])
			switch {
			case err != nil:
				return nil, fmt.Errorf("rate limit %q: %w", list[i].Name, err)
			case list[i].Global:
				global = append(global, l)
			default:
				g.local = append(g.local, l)
			}
		}
	}
	if len(g.local)+len(global) == 0 {
		return nil, nil
	}
	g.stages = stagesOf(global)
	return g, nil
}

// stagesOf puts together what is asked at once, in the order of stages.
func stagesOf(global []*Limit) (all []stage) {
	slices.SortStableFunc(global, func(a, b *Limit) int { return cmp.Compare(a.config.Stage, b.config.Stage) })
	for i, l := range global {
		if i == 0 || l.config.Stage != global[i-1].config.Stage {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], l)
	}
	return all
}

// limit finds the limit of c, or makes it.
func (s *Set) limit(c *config.RateLimit) (*Limit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.limits {
		if reflect.DeepEqual(l.config, c) {
			return l, nil
		}
	}
	l, err := newLimit(c, s.now(), s.notice)
	if err == nil {
		s.limits = append(s.limits, l)
	}
	return l, err
}

// Keep forgets the limits that c does not name.
func (s *Set) Keep(c *config.Config) {
	named := map[string]*config.RateLimit{}
	for _, r := range c.Limits() {
		named[r.Name] = r
	}
	for _, l := range s.drop(func(l *Limit) bool { return !reflect.DeepEqual(l.config, named[l.name]) }) {
		l.telling.sweep(s.now(), true)
	}
}

func (s *Set) drop(is func(*Limit) bool) (dropped []*Limit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.limits[:0:0]
	for _, l := range s.limits {
		if is(l) {
			dropped = append(dropped, l)
		} else {
			kept = append(kept, l)
		}
	}
	s.limits = kept
	return dropped
}

// all are the limits in the order of their names.
func (s *Set) all() []*Limit {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.limits)
	slices.SortStableFunc(all, func(a, b *Limit) int { return cmp.Compare(a.name, b.name) })
	return all
}

// Run tells what has ended until ctx is done, and then that everything has. It
// keeps a connection to the service.
func (s *Set) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if v := s.service.Load(); v != nil {
			v.Connect()
		}
		select {
		case <-tick.C:
			s.sweep(s.now(), false)
		case <-ctx.Done():
			s.sweep(s.now(), true)
			return
		}
	}
}

func (s *Set) sweep(now int64, all bool) {
	for _, l := range s.all() {
		l.telling.sweep(now, all)
	}
}

// Stats calls f with the numbers of every limit.
func (s *Set) Stats(f func(limit string, all []upstream.Stat)) {
	for _, l := range s.all() {
		f(l.name, l.Stats())
	}
}

// ServiceStats are the numbers of the rate limit service; nil without.
func (s *Set) ServiceStats() []upstream.Stat {
	if v := s.service.Load(); v != nil {
		return v.Stats()
	}
	return nil
}

// Use has s ask v, nil for nobody, from now on. It gives back whom it asked
// before.
func (s *Set) Use(v *Service) *Service { return s.service.Swap(v) }
