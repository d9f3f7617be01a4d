// Package health asks the hosts of a cluster whether they are well, over
// connections of its own, and marks those that are not. When a host is asked
// next, and what its answers make of it, is decided by a state machine that
// time is passed to; thresholds, intervals and their names are Envoy's.
package health

import (
	"context"
	"time"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// Options say how hosts are asked. New fills in what stands for others.
type Options struct {
	Check   Check         // what is asked
	Timeout time.Duration // for one check, the connection included
	Port    uint16        // in the place of the hosts' own; 0 for that
	Reuse   bool          // keep connections from one check to the next

	Interval      time.Duration
	NoTraffic     time.Duration // while no connection for traffic was ever opened; Interval where 0
	Unhealthy     time.Duration // of hosts that are out; Interval where 0
	UnhealthyEdge time.Duration // after a failure that does not suffice yet; Unhealthy where 0
	HealthyEdge   time.Duration // after a success that does not suffice yet; Interval where 0
	Jitter        time.Duration // up to so much is added to intervals
	JitterPercent int           // and up to so much of them
	InitialJitter time.Duration // up to so much passes before the first check

	UnhealthyThreshold int // failures in a row that take a host out
	HealthyThreshold   int // successes in a row that bring it back; the first ever is enough

	LogFailures bool // tell each, not changes only
	LogSuccess  bool
	Concurrency int // checks under way at once; DefaultConcurrency where 0

	Passed func(h *upstream.Host, now int64) // is told of each success; may be nil
}

// DefaultConcurrency bounds the checks of one cluster that are under way at
// once, each with a goroutine.
const DefaultConcurrency = 256

func (o Options) withDefaults() Options {
	for _, d := range []struct{ of, by *time.Duration }{
		{&o.NoTraffic, &o.Interval}, {&o.Unhealthy, &o.Interval}, {&o.UnhealthyEdge, &o.Unhealthy}, {&o.HealthyEdge, &o.Interval},
	} {
		if *d.of == 0 {
			*d.of = *d.by
		}
	}
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency
	}
	return o
}

// Check is one way to ask.
type Check interface {
	Name() string // http, tcp and so on
	// Ask asks over l, until ctx ends.
	Ask(ctx context.Context, l *Line) Answer
}

// Answer is what came of asking a host.
type Answer struct {
	Outcome  Outcome
	Degraded bool              // it is well, and says that it is degraded
	Excluded bool              // it says that it is not to be counted on at all
	Wrong    bool              // who answered is not who was asked
	Verified bool              // it was looked whether who answered is who was asked
	Why      string            // in words that name no secret
	Tags     map[string]string // what was found out about it; nil leaves what was known
	Lag      time.Duration     // behind the others of its replica set; -1 where not known
}

// Outcome is what an answer counts as.
type Outcome uint8

const (
	Success Outcome = iota
	Failure         // enough by itself: the host said that it is not well
	Weak            // a failure that counts towards the threshold
	Network         // likewise: no answer, or not one of the protocol
)
