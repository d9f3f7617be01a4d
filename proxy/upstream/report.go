package upstream

import "time"

// Failure is a way for an attempt to fail at the upstream.
type Failure uint8

const (
	NoFailure      Failure = iota
	Timeout                // upstream_rq_timeout: no answer in time
	RxReset                // upstream_rq_rx_reset: the upstream broke off
	TxReset                // upstream_rq_tx_reset: the proxy broke off
	Cancelled              // upstream_rq_cancelled: the client went away
	ProtocolError          // upstream_cx_protocol_error
	ConnectFailed          // no connection came about
	ConnectTimeout         // nor in time
	numFailures
)

// Result is what became of one attempt at a host.
type Result struct {
	Now     int64         // when it ended, ns since the Unix epoch
	Status  int           // of the answer, as HTTP's: a call of gRPC counts by what its status is in HTTP; 0 without an answer
	Failure Failure       // NoFailure when it was answered in order
	First   time.Duration // until the first byte of the answer; 0 where there was none
	Took    time.Duration // all of it

	Received, Sent int64 // bytes

	Failing bool // the answer said that the host fails its health checks (x-envoy-immediate-health-check-fail)
}

// Observer is told of every attempt at a cluster's hosts. It is called by those
// who carry traffic: it does not wait. One with a method Stats() []Stat has its
// numbers told among the cluster's.
type Observer interface{ Report(*Host, Result) }

// Observe has o told of every attempt from now on.
func (c *Cluster) Observe(o Observer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Observer
	if old := c.observers.Load(); old != nil {
		all = append(all, *old...)
	}
	all = append(all, o)
	c.observers.Store(&all)
}

// Report takes in what became of an attempt at h.
func (h *Host) Report(r *Result) {
	s := &h.stats
	h.Transferred(r.Received, r.Sent)
	if r.Status != 0 {
		h.completed(r.Status, r.Took)
		h.latency.get().Observe(int64(r.Took), r.Now)
	}
	if r.Failure != NoFailure {
		s.rqFail[r.Failure].Add(1)
	}
	if l := h.cluster.learner; l != nil {
		l.learn(h, *r)
	}
	if all := h.cluster.observers.Load(); all != nil {
		for _, o := range *all {
			o.Report(h, *r)
		}
	}
}

// learner is a policy that goes by how attempts went.
type learner interface {
	start(h *Host, now int64) // of a new host
	learn(h *Host, r Result)
}

// greetNew has a new host known to who learns of hosts, and be warmed up where
// others are there already. One whose health is checked is warmed up from its
// first good check on.
func (c *Cluster) greetNew(h *Host) {
	now := c.options.Clock()
	if c.learner != nil {
		c.learner.start(h, now)
	}
	if !c.options.Checked && len(c.now.Load().all) > 0 {
		h.since.Store(now)
	}
}

// completed counts an answer of h by its status, which took t.
func (h *Host) completed(status int, t time.Duration) {
	if class := status / 100; class >= 1 && class <= 5 {
		h.stats.rqClass[class].Add(1)
	}
	h.stats.rqTime.observe(t)
}
