package shed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/episode"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Denied and Reached are how requests are answered that are turned away, by
// admission control and by adaptive concurrency.
var (
	Denied  = &route.Failure{Status: 503, Detail: "denied_by_admission_control"}
	Reached = &route.Failure{Status: 503, Detail: "reached_concurrency_limit"}
)

// Set holds what limits the routes of all listeners, so that a new
// configuration goes on with what was learned where it leaves a route's limits
// as they were.
type Set struct {
	tell func(*event.Notice)
	mu   sync.Mutex // guards all
	all  map[key]*entry
}

// key says whose limit it is.
type key struct{ kind, listener, route string }

type entry struct {
	guard guard
	made  any // of what configuration
}

// guard is a route.Guard with its numbers.
type guard interface {
	route.Guard
	stats() []upstream.Stat
	close()
}

// NewSet makes an empty Set; tell gets its events.
func NewSet(tell func(*event.Notice)) *Set { return &Set{tell: tell, all: map[key]*entry{}} }

// Kinds of limits, as numbers of theirs are called.
const (
	kindAdmission   = "admission_control"
	kindConcurrency = "adaptive_concurrency"
)

// Guards are those that a route of a listener wants.
func (s *Set) Guards(listener, name string, a *config.AdmissionControl, c *config.AdaptiveConcurrency) (all []route.Guard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a != nil {
		all = append(all, s.of(key{kindAdmission, listener, name}, *a, func(e *episode.Episode) guard { return newAdmissionGuard(*a, e) }))
	}
	if c != nil {
		all = append(all, s.of(key{kindConcurrency, listener, name}, *c, func(e *episode.Episode) guard { return newGradientGuard(*c, e) }))
	}
	return all
}

func (s *Set) of(k key, made any, make func(*episode.Episode) guard) guard {
	if e := s.all[k]; e != nil && e.made == made {
		return e.guard
	} else if e != nil {
		e.guard.close()
	}
	e := &entry{made: made, guard: make(s.episode(k))}
	s.all[k] = e
	return e.guard
}

func (s *Set) episode(k key) *episode.Episode {
	told := func(now time.Time, severity event.Severity, phase, body string, more ...event.KeyValue) {
		s.tell(&event.Notice{Time: now.UnixNano(), Name: event.EventShed, Severity: severity, Body: body, Attributes: append([]event.KeyValue{
			{Key: event.AttrPhase, Value: phase}, {Key: event.AttrShedBy, Value: k.kind},
			{Key: event.AttrListener, Value: k.listener}, {Key: event.AttrRouteName, Value: k.route},
		}, more...)})
	}
	return &episode.Episode{
		Begin: func(now time.Time) {
			told(now, event.Warn, event.PhaseBegin, fmt.Sprintf("%s of listener %q, route %q turns requests away", k.kind, k.listener, k.route))
		},
		End: func(t episode.Told) {
			told(time.Now(), event.Info, event.PhaseEnd, fmt.Sprintf("%s of listener %q, route %q turns requests away no more, after %d", k.kind, k.listener, k.route, t.Count),
				event.KeyValue{Key: event.AttrRefused, Value: strconv.FormatUint(t.Count, 10)})
		},
	}
}

// Keep forgets the limits of routes that c does not have.
func (s *Set) Keep(c *config.Config) {
	wanted := map[key]bool{}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		add := func(name string, a *config.AdmissionControl, ac *config.AdaptiveConcurrency) {
			wanted[key{kindAdmission, l.Name, name}] = a != nil || wanted[key{kindAdmission, l.Name, name}]
			wanted[key{kindConcurrency, l.Name, name}] = ac != nil || wanted[key{kindConcurrency, l.Name, name}]
		}
		add("", l.Admission, l.Concurrency)
		for j := range l.Routes {
			a, ac := l.ShedOf(&l.Routes[j])
			add(l.Routes[j].Name, a, ac)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.all {
		if !wanted[k] {
			e.guard.close()
			delete(s.all, k)
		}
	}
}

// Close ends the episodes of all.
func (s *Set) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.all {
		e.guard.close()
	}
}

// Each tells the numbers of all limits; name is of listener and route.
func (s *Set) Each(f func(kind, name string, stats []upstream.Stat)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, e := range s.all {
		name := k.listener
		if k.route != "" {
			name += ":" + k.route
		}
		f(k.kind, name, e.guard.stats())
	}
}

// admissionGuard asks an Admission.
type admissionGuard struct {
	a                       *Admission
	good                    config.Statuses
	refused                 *episode.Episode
	rejected, success, fail atomic.Uint64
}

func newAdmissionGuard(c config.AdmissionControl, e *episode.Episode) guard {
	return &admissionGuard{refused: e, good: c.Success, a: NewAdmission(AdmissionOptions{
		Window: c.Window, Threshold: float64(c.Threshold) / 100, Aggression: float64(c.Aggression),
		Most: float64(c.MaxRejection) / 100, RPS: float64(c.RPSThreshold),
	})}
}

// Admit is route.Guard's.
func (g *admissionGuard) Admit(_ context.Context, q *route.Question) *route.Failure {
	p := g.a.Probability(q.Now)
	if p == 0 || rand.Float64() >= p {
		return nil
	}
	g.rejected.Add(1)
	g.refused.Hit()
	return Denied
}

// Ended is route.Ender's. Who goes away before the answer says nothing of how
// well requests are answered.
func (g *admissionGuard) Ended(q *route.Question, now int64) {
	x := q.Exchange
	if x.Flags&event.FlagDC != 0 {
		return
	}
	good := g.answered(x)
	if good {
		g.success.Add(1)
	} else {
		g.fail.Add(1)
	}
	g.a.Record(now, good)
}

// answered reports whether x was answered well: a call of gRPC, unless its
// status says that the server or the way there failed; else by HTTP's status.
func (g *admissionGuard) answered(x *event.Exchange) bool {
	if rpc := x.GRPC; rpc != nil && rpc.Status >= 0 {
		switch rpc.Status {
		case 4, 8, 10, 13, 14, 15: // DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE, DATA_LOSS
			return false
		}
		return true
	}
	return x.HTTP != nil && x.HTTP.StatusCode >= g.good.From && x.HTTP.StatusCode <= g.good.To
}

func (g *admissionGuard) stats() []upstream.Stat {
	p := g.a.Probability(time.Now().UnixNano())
	return []upstream.Stat{
		{Name: "rq_rejected", Value: g.rejected.Load()}, {Name: "rq_success", Value: g.success.Load()}, {Name: "rq_failure", Value: g.fail.Load()},
		{Name: "rejection_percent", Value: uint64(100 * p), Gauge: true},
	}
}

func (g *admissionGuard) close() { g.refused.Close() }

// gradientGuard asks a Gradient.
type gradientGuard struct {
	g       *Gradient
	refused *episode.Episode
	blocked atomic.Uint64
}

func newGradientGuard(c config.AdaptiveConcurrency, e *episode.Episode) guard {
	return &gradientGuard{refused: e, g: NewGradient(GradientOptions{
		Percentile: float64(c.Percentile), Interval: c.Interval, Least: int64(c.Least), Most: int64(c.Most),
		MeasureEvery: c.MinRTT.Interval, Requests: int64(c.MinRTT.Requests), Jitter: float64(c.MinRTT.Jitter) / 100,
		Buffer: float64(c.MinRTT.Buffer) / 100, Minimum: c.MinRTT.Fixed, Random: rand.Float64,
	})}
}

// Admit is route.Guard's.
func (g *gradientGuard) Admit(_ context.Context, q *route.Question) *route.Failure {
	if g.g.Begin(q.Now) {
		return nil
	}
	g.blocked.Add(1)
	g.refused.Hit()
	return Reached
}

// Ended is route.Ender's. What counts is the time to the answer's head, which
// slow readers do not prolong; an answer of the proxy's own says nothing.
func (g *gradientGuard) Ended(q *route.Question, now int64) {
	took := time.Duration(-1)
	if x := q.Exchange; x.Flags == 0 && x.FirstByte >= q.Now && x.Endpoint != "" {
		took = time.Duration(x.FirstByte - q.Now)
	}
	g.g.End(q.Now, now, took)
}

func (g *gradientGuard) stats() []upstream.Stat {
	measuring := uint64(0)
	if g.g.Measuring() {
		measuring = 1
	}
	return []upstream.Stat{
		{Name: "rq_blocked", Value: g.blocked.Load()},
		{Name: "concurrency_limit", Value: uint64(g.g.Limit()), Gauge: true},
		{Name: "rq_active", Value: uint64(max(0, g.g.Active())), Gauge: true},
		{Name: "gradient_thousandths", Value: uint64(1000 * g.g.Gradient()), Gauge: true},
		{Name: "min_rtt_usecs", Value: uint64(g.g.Minimum().Microseconds()), Gauge: true},
		{Name: "sample_rtt_usecs", Value: uint64(g.g.Sampled().Microseconds()), Gauge: true},
		{Name: "min_rtt_calculation_active", Value: measuring, Gauge: true},
	}
}

func (g *gradientGuard) close() { g.refused.Close() }
