package retry

import (
	"fmt"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
)

// Matcher is a condition on a head's fields.
type Matcher interface{ Header(*http1.Head) bool }

// Policy says when requests of a route are sent again. It does not change once
// it is made, but for what it learns of latency.
type Policy struct {
	On         Condition
	Most       int           // tries after the first
	PerTry     time.Duration // until the head of a try's answer, from the end of the request; 0 for no limit
	PerTryIdle time.Duration // in which nothing comes of a try; 0 for no limit
	BackOff    BackOff
	Limited    time.Duration // the longest that an answer may ask to wait; 0 believes none
	Body       int           // bytes of a request's body that are kept

	PreviousHosts      bool // no host that was tried
	PreviousPriorities bool // priorities that were tried are left out
	PriorityEvery      int  // after as many tries each time, 1 or more
	HostAttempts       int  // for such a host
	Omit               []Pair

	Hedge Hedge

	TellAttempt, TellTimeout bool // x-envoy-attempt-count, x-envoy-is-timeout-retry

	// Latency is of the route's tries, where Hedge wants to know.
	Latency Latency

	statuses []int
	answers  []Matcher
	requests []Matcher
}

// Pair is a piece of a host's metadata.
type Pair struct{ Key, Value string }

// Hedge says when there is a try beside one that is not answered yet.
type Hedge struct {
	OnPerTryTimeout bool
	Delay           time.Duration // 0 for never
	Percentile      int           // of the latency of late, in the place of Delay where that is known; 0 for none
}

// After is how long the first try is waited for; 0 for as long as it takes.
func (p *Policy) After(now int64) time.Duration {
	if p.Hedge.Percentile > 0 {
		if d := p.Latency.Quantile(now, float64(p.Hedge.Percentile)/100); d > 0 {
			return d
		}
	}
	return p.Hedge.Delay
}

// New compiles a policy that has been checked; nil where c is. match compiles
// conditions on fields.
func New(c *config.Retry, match func(*config.FieldMatch) (Matcher, error)) (*Policy, error) {
	if c == nil {
		return nil, nil
	}
	p := &Policy{
		Most: c.Most, PerTry: c.PerTry, PerTryIdle: c.PerTryIdle, BackOff: BackOff{c.BackOff.Base, c.BackOff.Max},
		Limited: c.RateLimited.Max, Body: int(c.BodyLimit), HostAttempts: max(1, c.HostAttempts), PreviousPriorities: c.PreviousPriorities, PriorityEvery: max(1, c.PriorityEvery),
		Hedge:       Hedge{c.Hedge.OnPerTryTimeout, c.Hedge.Delay, c.Hedge.DelayPercentile},
		TellAttempt: c.AttemptCount, TellTimeout: c.TimeoutRetry, statuses: c.StatusCodes,
	}
	for _, name := range c.On {
		one := parse([]byte(name))
		if one == 0 {
			return nil, fmt.Errorf("retry_on %q is unknown", name)
		}
		p.On |= one
	}
	p.predicates(c)
	var err error
	if p.answers, err = matchers(c.Headers, match); err != nil {
		return nil, err
	}
	p.requests, err = matchers(c.RequestHeaders, match)
	return p, err
}

// predicates takes over which hosts are not wanted.
func (p *Policy) predicates(c *config.Retry) {
	for _, name := range c.HostPredicates {
		switch name {
		case config.PreviousHosts:
			p.PreviousHosts = true
		case config.OmitCanaryHosts:
			p.Omit = append(p.Omit, Pair{"canary", "true"})
		}
	}
	for _, m := range c.OmitHostMetadata {
		p.Omit = append(p.Omit, Pair{m.Name, m.Value})
	}
}

func matchers(list []config.FieldMatch, match func(*config.FieldMatch) (Matcher, error)) (all []Matcher, err error) {
	for i := range list {
		m, err := match(&list[i])
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Omits reports whether a host with that metadata is not wanted for a retry.
func (p *Policy) Omits(metadata map[string]string) bool {
	for _, m := range p.Omit {
		if v, ok := metadata[m.Key]; ok && v == m.Value {
			return true
		}
	}
	return false
}
