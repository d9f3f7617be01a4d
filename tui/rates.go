package tui

import (
	"time"

	"github.com/pitot-io/pitot/internal/status"
)

// rates makes rates of counters that are told now and then.
type rates struct {
	at    int64
	was   map[string]counters
	since map[string]counters // as told before
	secs  float64
}

// counters are the ones that rates are made of.
type counters struct{ total, failed uint64 }

// failures are the counters of exchanges that went wrong at an endpoint.
var failures = [...]string{"upstream_rq_5xx", "upstream_rq_timeout", "upstream_rq_rx_reset", "upstream_cx_connect_fail", "upstream_cx_protocol_error"}

func count(stats map[string]uint64) (c counters) {
	c.total = stats["upstream_rq_total"]
	for _, name := range failures {
		c.failed += stats[name]
	}
	return c
}

// take takes in what is told next.
func (r *rates) take(all *status.Clusters) {
	next := map[string]counters{}
	for i := range all.Clusters {
		c := &all.Clusters[i]
		next[c.Name] = count(c.Stats)
		for j := range c.Hosts {
			next[c.Name+"\x00"+c.Hosts[j].Address] = count(c.Hosts[j].Stats)
		}
	}
	r.secs = time.Duration(all.Time - r.at).Seconds()
	r.at, r.since, r.was = all.Time, r.was, next
}

// of is the rate per second and the share of failures under key since the time
// before; 0 where nothing is known of that.
func (r *rates) of(key string) (rate, errors float64) {
	old, known := r.since[key]
	now := r.was[key]
	if !known || r.secs <= 0 || now.total < old.total {
		return 0, 0
	}
	n, failed := float64(now.total-old.total), float64(now.failed-min(old.failed, now.failed))
	if n > 0 {
		errors = min(1, failed/n)
	} else if failed > 0 {
		errors = 1
	}
	return n / r.secs, errors
}

func (r *rates) host(c *status.Cluster, h *status.Host) (m measured) {
	m.rate, m.errors = r.of(c.Name + "\x00" + h.Address)
	m.active, m.conns = h.Stats["upstream_rq_active"], h.Stats["upstream_cx_active"]
	m.retries, m.refused = h.Stats["upstream_rq_retry"], h.Stats["upstream_cx_overflow"]
	m.ejections = h.Stats["outlier_detection.ejections"]
	m.p50, m.p99 = time.Duration(h.Latency.P50), time.Duration(h.Latency.P99)
	return m
}

func (r *rates) cluster(c *status.Cluster) (m measured) {
	m.rate, m.errors = r.of(c.Name)
	m.active, m.conns, m.retries = c.Stats["upstream_rq_active"], c.Stats["upstream_cx_active"], c.Stats["upstream_rq_retry"]
	m.refused = c.Stats["upstream_rq_pending_overflow"] + c.Stats["upstream_cx_overflow"]
	m.ejections = c.Stats["outlier_detection.ejections_active"]
	for i := range c.Hosts {
		m.p50, m.p99 = max(m.p50, time.Duration(c.Hosts[i].Latency.P50)), max(m.p99, time.Duration(c.Hosts[i].Latency.P99))
	}
	return m
}
