package health

import (
	"fmt"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// The states that events tell.
const (
	healthy   = "healthy"
	unhealthy = "unhealthy"
	degraded  = "degraded"
)

func (s *state) String() string {
	switch {
	case !s.healthy:
		return unhealthy
	case s.degraded:
		return degraded
	}
	return healthy
}

// tell tells what a check changed, or what it found where each is to be told.
// Of a host of which nothing was known, a failure changes nothing and is told.
func (k *Checker) tell(r *outcome, c change, now int64) {
	success := r.Outcome == Success
	changed := c.health || c.degraded && r.healthy || c.first && !success
	switch {
	case changed:
	case success && k.o.LogSuccess, !success && k.o.LogFailures:
	default:
		return
	}
	n := &event.Notice{Time: now, Name: event.EventHostHealth, Body: r.sentence(changed)}
	if !success {
		n.Severity = event.Warn
	}
	n.Attributes = []event.KeyValue{
		{Key: event.AttrHealthState, Value: r.state.String()},
		{Key: event.AttrHealthChanged, Value: strconv.FormatBool(changed)},
		{Key: event.AttrHealthCheck, Value: k.o.Check.Name()},
		{Key: event.AttrHealthReason, Value: r.Why},
		{Key: event.AttrHealthLatency, Value: strconv.FormatInt(int64(r.took), 10)},
	}
	n.Attributes = append(n.Attributes, r.found()...)
	k.cluster.Tell(r.line.Host, n)
}

// sentence is what a check found, in words.
func (r *outcome) sentence(changed bool) string {
	at, took := r.line.Host.Address(), r.took.Round(10*time.Microsecond)
	switch {
	case changed:
		return fmt.Sprintf("%s is %s: %s, after %s", at, &r.state, r.Why, took)
	case r.Outcome == Success:
		return fmt.Sprintf("a health check of %s passed: %s, after %s", at, r.Why, took)
	}
	return fmt.Sprintf("a health check of %s failed: %s, after %s", at, r.Why, took)
}

// found is what a check found out about the host.
func (r *outcome) found() (all []event.KeyValue) {
	for _, key := range []string{TagRole, TagSet} {
		if v := r.Tags[key]; v != "" {
			all = append(all, event.KeyValue{Key: "pitot." + key, Value: v})
		}
	}
	if r.Lag >= 0 {
		all = append(all, event.KeyValue{Key: event.AttrHealthLag, Value: strconv.FormatInt(int64(r.Lag), 10)})
	}
	return all
}

// tellPassive tells that a host said that it fails.
func (k *Checker) tellPassive(t *target, changed bool, now int64) {
	if !changed {
		return
	}
	k.cluster.Tell(t.line.Host, &event.Notice{
		Time: now, Name: event.EventHostHealth, Severity: event.Warn,
		Body: t.line.Host.Address() + " is unhealthy: it said so in an answer (x-envoy-immediate-health-check-fail)",
		Attributes: []event.KeyValue{
			{Key: event.AttrHealthState, Value: unhealthy}, {Key: event.AttrHealthChanged, Value: "true"}, {Key: event.AttrHealthCheck, Value: "passive"},
			{Key: event.AttrHealthReason, Value: "it said so in an answer"},
		},
	})
}
