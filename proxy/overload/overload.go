// Package overload watches over the proxy itself: how much of its memory, file
// descriptors, goroutines and connections are in use, and what is to be done
// about it before they run out.
package overload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Action is something that is done about overload.
type Action uint8

const (
	StopRequests      Action = iota // are answered 503, flag OM
	DisableKeepalive                // connections of HTTP end after what is under way
	StopConnections                 // wait in the kernel's queue
	RejectConnections               // are closed as they come
	Shrink                          // give memory back to the system
	numActions
)

var actions = [numActions]string{
	config.StopRequests, config.DisableKeepalive, config.StopConnections, config.RejectConnections, config.ShrinkMemory,
}

// resources are what is measured, in the order of a Sample.
var resources = [...]string{config.Memory, config.Descriptors, config.Goroutines, config.Connections}

// Sample is what of each resource is in use, as a share of what there is; 0
// where that is not known.
type Sample [len(resources)]float64

// Interval is the time between two looks.
const Interval = time.Second

// Manager decides once in each Interval; who asks it reads one number.
type Manager struct {
	state  atomic.Uint64 // of each action, in thousandths, ten bits
	counts [numActions]atomic.Uint64

	mu       sync.Mutex // guards what follows
	triggers []config.OverloadAction
	last     Sample
	on       [numActions]int64 // since when, ns; 0 for not
	shrunk   int64
	tell     func(*event.Notice)
}

// New makes a Manager that does nothing about anything, until it is given
// triggers.
func New(tell func(*event.Notice)) *Manager { return &Manager{tell: tell} }

// Use has the Manager go by these triggers.
func (m *Manager) Use(triggers []config.OverloadAction) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.triggers = triggers
}

// Active reports whether a is to be taken now; where it is scaled, for a share
// of those who ask. A nil Manager takes none.
func (m *Manager) Active(a Action) bool {
	if m == nil {
		return false
	}
	s := m.state.Load()
	if s == 0 {
		return false
	}
	of := s >> (10 * a) & 1023
	if of == 0 || of < 1000 && rand.Uint64N(1000) >= of {
		return false
	}
	m.counts[a].Add(1)
	return true
}

// Full is Active, but for what is taken for all who ask.
func (m *Manager) Full(a Action) bool { return m != nil && m.state.Load()>>(10*a)&1023 >= 1000 }

// Taken is how often an action was taken.
func (m *Manager) Taken(a Action) uint64 { return m.counts[a].Load() }

// Run looks at what sample gives until ctx is done.
func (m *Manager) Run(ctx context.Context, sample func() Sample) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if m.Look(now.UnixNano(), sample()) {
				debug.FreeOSMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// shrinkEvery bounds how often memory is given back, which costs a collection.
const shrinkEvery = 10 * time.Second

// Look takes a sample in at now, ns since the Unix epoch, and reports whether
// memory is to be given back.
func (m *Manager) Look(now int64, s Sample) (shrink bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = s
	var shares [numActions]float64
	var why [numActions]string
	for _, t := range m.triggers {
		for a, name := range actions {
			for r, resource := range resources {
				if share := scale(t, s[r]); name == t.Action && resource == t.Resource && share > shares[a] {
					shares[a], why[a] = share, fmt.Sprintf("%s is at %.0f %%", resource, 100*s[r])
				}
			}
		}
	}
	state := uint64(0)
	for a, share := range shares {
		state |= uint64(1000*share) << (10 * a)
		m.note(now, Action(a), share > 0, why[a])
	}
	m.state.Store(state)
	if shares[Shrink] > 0 && now-m.shrunk >= int64(shrinkEvery) {
		m.shrunk = now
		m.counts[Shrink].Add(1)
		return true
	}
	return false
}

// scale is in how far t's action is to be taken at a pressure, from 0 to 1.
func scale(t config.OverloadAction, pressure float64) float64 {
	at, from := float64(t.At)/100, float64(t.From)/100
	switch {
	case pressure >= at:
		return 1
	case t.From == 0 || pressure <= from:
		return 0
	}
	return (pressure - from) / (at - from)
}

// note tells when an action begins and ends. The caller has the lock.
func (m *Manager) note(now int64, a Action, on bool, why string) {
	since := m.on[a]
	if on == (since != 0) {
		return
	}
	n := event.Notice{Time: now, Name: event.EventShed, Attributes: []event.KeyValue{{Key: event.AttrShedBy, Value: "overload"}, {Key: event.AttrShedAction, Value: actions[a]}}}
	if on {
		m.on[a], n.Severity = now, event.Warn
		n.Body = fmt.Sprintf("overload: %s, as %s", actions[a], why)
		n.Attributes = append(n.Attributes, event.KeyValue{Key: event.AttrPhase, Value: event.PhaseBegin})
	} else {
		m.on[a] = 0
		n.Body = fmt.Sprintf("overload: %s no more, after %v", actions[a], time.Duration(now-since).Round(time.Second))
		n.Attributes = append(n.Attributes, event.KeyValue{Key: event.AttrPhase, Value: event.PhaseEnd},
			event.KeyValue{Key: event.AttrRefused, Value: strconv.FormatUint(m.counts[a].Load(), 10)})
	}
	m.tell(&n)
}

// Stats are the numbers, always in the same order.
func (m *Manager) Stats() (all []upstream.Stat) {
	m.mu.Lock()
	last := m.last
	m.mu.Unlock()
	for r, name := range resources {
		all = append(all, upstream.Stat{Name: name + ".pressure", Value: uint64(100 * last[r]), Gauge: true})
	}
	state := m.state.Load()
	for a, name := range actions {
		all = append(all, upstream.Stat{Name: name + ".scale_percent", Value: state >> (10 * a) & 1023 / 10, Gauge: true},
			upstream.Stat{Name: name + ".taken", Value: m.Taken(Action(a))})
	}
	return all
}
