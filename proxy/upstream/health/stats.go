package health

import (
	"sync/atomic"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// stats count checks.
type stats struct {
	attempt upstream.Counter
	success upstream.Counter
	failure upstream.Counter
	passive upstream.Counter // hosts said in answers to traffic that they fail
	network upstream.Counter // of failures, those without an answer
	verify  upstream.Counter // it was looked who answers
	healthy atomic.Int64     // hosts
}

func (s *stats) take(a *Answer) {
	if a.Verified {
		s.verify.Add(1)
	}
	switch a.Outcome {
	case Success:
		s.success.Add(1)
		return
	case Network:
		s.network.Add(1)
	}
	s.failure.Add(1)
}

// Stats are the numbers under Envoy's names, always in the same order.
func (k *Checker) Stats() []upstream.Stat {
	s := &k.stats
	count := func(name string, c *upstream.Counter) upstream.Stat {
		return upstream.Stat{Name: "health_check." + name, Value: c.Load()}
	}
	return []upstream.Stat{
		count("attempt", &s.attempt), count("success", &s.success), count("failure", &s.failure), count("passive_failure", &s.passive),
		count("network_failure", &s.network), count("verify_cluster", &s.verify),
		{Name: "health_check.healthy", Value: uint64(s.healthy.Load()), Gauge: true},
	}
}
