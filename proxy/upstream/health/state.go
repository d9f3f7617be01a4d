package health

import "time"

// state is what is known of one host's health.
type state struct {
	healthy  bool
	degraded bool
	checked  bool // there was an answer
	last     bool // which was a success
	pending  bool // and the opposite of healthy, but not often enough
	passes   int  // successes in a row, while not healthy
	fails    int  // failures in a row, while healthy
}

// change is what an answer changed.
type change struct {
	health   bool // healthy or not
	degraded bool
	first    bool // nothing was known before
}

// take takes an answer in.
func (s *state) take(o *Options, a *Answer) (c change) {
	c.first = !s.checked
	if s.last = a.Outcome == Success; s.last {
		c.health = s.passed(o)
		c.degraded = s.degraded != a.Degraded
		s.degraded = a.Degraded
	} else {
		c.health = s.failed(o, a.Outcome == Failure)
	}
	s.checked = true
	s.pending = s.last != s.healthy
	return c
}

// passed is about a success. The first answer ever needs no others.
func (s *state) passed(o *Options) (changed bool) {
	if s.fails = 0; s.healthy {
		return false
	}
	if s.passes++; s.passes < o.HealthyThreshold && s.checked {
		return false
	}
	s.healthy, s.passes = true, 0
	return true
}

// failed is about a failure, which may be enough by itself.
func (s *state) failed(o *Options, enough bool) (changed bool) {
	if s.passes = 0; !s.healthy {
		return false
	}
	if s.fails++; s.fails < o.UnhealthyThreshold && !enough {
		return false
	}
	s.healthy = false
	return true
}

// interval is how long nothing is asked after the last answer; used is whether
// the cluster ever had traffic. draw gives a number from 0 to n-1.
func (s *state) interval(o *Options, used bool, draw func(n int64) int64) time.Duration {
	var base time.Duration
	switch {
	case !used:
		base = o.NoTraffic
	case s.last && s.pending:
		base = o.HealthyEdge
	case s.last:
		base = o.Interval
	case s.pending:
		base = o.UnhealthyEdge
	default:
		base = o.Unhealthy
	}
	whole := base
	if part := base / 100 * time.Duration(o.JitterPercent); part > 0 {
		whole += time.Duration(draw(int64(part)))
	}
	if o.Jitter > 0 {
		whole += time.Duration(draw(int64(o.Jitter)))
	}
	return whole
}
