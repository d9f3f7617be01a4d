package upstream

import (
	"sync/atomic"
	"time"
)

// Counter is a number that only grows.
type Counter = atomic.Uint64

// hostStats count for one host. A cluster's numbers are the sums, made when
// somebody asks, so that its exchanges share no counter.
type hostStats struct {
	rqClass [6]Counter // by the first digit of the status
	rqTime  durations
	rqFail  [numFailures]Counter

	cxActive         atomic.Int64
	cxTotal          Counter
	cxDestroy        Counter
	cxConnectFail    Counter
	cxConnectTimeout Counter
	cxIdleTimeout    Counter
	cxRemoteIdle     Counter
	rxBytes, txBytes Counter
	connect          durations
}

// durations keep a sum and a count.
type durations struct{ n, nanos Counter }

func (d *durations) observe(t time.Duration) {
	d.n.Add(1)
	d.nanos.Add(uint64(max(0, t)))
}

// Stat is one number under the name that Envoy gives it.
type Stat struct {
	Name  string
	Value uint64
	Gauge bool // goes up and down
}

// Stats are the sums over the cluster's hosts.
func (c *Cluster) Stats() []Stat {
	all, past := c.everybody()
	sum := added(past, nil)
	for _, h := range all {
		for i, s := range h.Stats() {
			sum[i].Value += s.Value
		}
	}
	if c.tls != nil {
		sum = append(sum, c.tls.Stats()...)
	}
	sum = append(sum, c.breakerStats()...)
	sum = append(sum, c.updates.stats()...)
	if all := c.observers.Load(); all != nil {
		for _, o := range *all {
			if counts, ok := o.(interface{ Stats() []Stat }); ok {
				sum = append(sum, counts.Stats()...)
			}
		}
	}
	sum = append(sum, c.counts.stats()...)
	sum = append(sum, c.retryStats()...)
	return append(sum,
		Stat{"membership_change", c.memberships.Load(), false},
		Stat{"membership_total", uint64(len(c.Hosts())), true},
		Stat{"membership_healthy", c.with(func(f Flag) bool { return f&(Out|degradedFlags) == 0 }), true},
		Stat{"membership_degraded", c.with(func(f Flag) bool { return f&Out == 0 && f&degradedFlags != 0 }), true},
		Stat{"membership_excluded", c.with(func(f Flag) bool { return f&Excluded != 0 }), true},
		Stat{"upstream_cx_none_healthy", c.none.Load(), false})
}

// Updates count what became of asking discovery who belongs to a cluster.
type Updates struct {
	Attempt  Counter // it was asked
	Success  Counter // and answered
	Empty    Counter // with nobody at all
	Same     Counter // with what was known
	Failure  Counter // it did not answer
	Rejected Counter // with what cannot be used
}

// Updates are those of c, for who asks on its behalf.
func (c *Cluster) Updates() *Updates { return &c.updates }

func (u *Updates) stats() []Stat {
	return []Stat{
		{"update_attempt", u.Attempt.Load(), false},
		{"update_success", u.Success.Load(), false},
		{"update_empty", u.Empty.Load(), false},
		{"update_no_rebuild", u.Same.Load(), false},
		{"update_failure", u.Failure.Load(), false},
		{"update_rejected", u.Rejected.Load(), false},
	}
}

// degradedFlags are the flags of a host that takes exchanges when healthy ones cannot
// carry all.
const degradedFlags = DegradedCheck | DegradedDiscovery

// with is the number of hosts with such flags.
func (c *Cluster) with(such func(Flag) bool) (n uint64) {
	for _, h := range c.Hosts() {
		if such(h.Flags()) {
			n++
		}
	}
	return n
}

// Stats are the host's numbers, always in the same order.
func (h *Host) Stats() []Stat {
	s := &h.stats
	count := func(name string, c *Counter) Stat { return Stat{name, c.Load(), false} }
	gauge := func(name string, g *atomic.Int64) Stat { return Stat{name, uint64(max(0, g.Load())), true} }
	return []Stat{
		count("upstream_cx_total", &s.cxTotal),
		gauge("upstream_cx_active", &s.cxActive),
		{"upstream_cx_idle", uint64(h.Idle()), true},
		count("upstream_cx_connect_fail", &s.cxConnectFail),
		count("upstream_cx_connect_timeout", &s.cxConnectTimeout),
		count("upstream_cx_idle_timeout", &s.cxIdleTimeout),
		count("upstream_cx_destroy", &s.cxDestroy),
		count("upstream_cx_destroy_remote_idle", &s.cxRemoteIdle),
		count("upstream_cx_protocol_error", &s.rqFail[ProtocolError]),
		count("upstream_cx_rx_bytes_total", &s.rxBytes),
		count("upstream_cx_tx_bytes_total", &s.txBytes),
		count("upstream_cx_connect_count", &s.connect.n),
		count("upstream_cx_connect_ns_sum", &s.connect.nanos),
		count("upstream_rq_total", &h.total),
		gauge("upstream_rq_active", &h.active),
		count("upstream_rq_1xx", &s.rqClass[1]),
		count("upstream_rq_2xx", &s.rqClass[2]),
		count("upstream_rq_3xx", &s.rqClass[3]),
		count("upstream_rq_4xx", &s.rqClass[4]),
		count("upstream_rq_5xx", &s.rqClass[5]),
		count("upstream_rq_completed", &s.rqTime.n),
		count("upstream_rq_time_ns_sum", &s.rqTime.nanos),
		count("upstream_rq_timeout", &s.rqFail[Timeout]),
		count("upstream_rq_rx_reset", &s.rqFail[RxReset]),
		count("upstream_rq_tx_reset", &s.rqFail[TxReset]),
		count("upstream_rq_cancelled", &s.rqFail[Cancelled]),
	}
}

// Noted are numbers of h that those have who observe its cluster.
func (h *Host) Noted() (some []Stat) {
	if all := h.cluster.observers.Load(); all != nil {
		for _, o := range *all {
			if n, ok := o.(interface{ HostStats(*Host) []Stat }); ok {
				some = append(some, n.HostStats(h)...)
			}
		}
	}
	return some
}

// Transferred counts bytes received from and sent to h outside of attempts.
func (h *Host) Transferred(received, sent int64) {
	h.stats.rxBytes.Add(uint64(max(0, received)))
	h.stats.txBytes.Add(uint64(max(0, sent)))
}
