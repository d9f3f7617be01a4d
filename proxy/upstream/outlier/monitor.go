package outlier

import (
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// monitor is what is known of one host. Those who carry traffic touch the
// atomic counters only; the rest is guarded by the detector.
type monitor struct {
	host *upstream.Host

	run   [ConsecutiveLocal + 1]atomic.Int64 // failures in a row
	rated [2]rated                           // what hosts answered, and what the proxy met itself

	times   int64 // that it was ejected: num_ejections
	backoff int64 // what the ejection time is multiplied by
	jitter  time.Duration
	ejected bool
	since   int64 // when it was ejected or came back last; 0 for never
	told    uint8 // detectors, by bits, whose findings without effect were told in this interval
}

// rated counts for success rates.
type rated struct {
	total, failed atomic.Int64 // of the interval under way
	seen          int64        // requests of the interval before; guarded by the detector
	percent       float64      // of them that succeeded
}

// The indices of monitor.rated.
const (
	external = iota
	local
)

func (r *rated) count(ok bool) {
	r.total.Add(1)
	if !ok {
		r.failed.Add(1)
	}
}

// turn begins another interval.
func (r *rated) turn() {
	failed, total := r.failed.Swap(0), r.total.Swap(0)
	r.seen, r.percent = total, 0
	if total > 0 { // a failure of the moment of the swap may miss its request
		r.percent = float64(total-min(failed, total)) * 100 / float64(total)
	}
}

// met is what an attempt says of its host.
type met uint8

const (
	nothing  met = iota
	good         // answered, below 500
	bad          // 5xx, of those that follow here only the host can mean
	gateway      // 502, 503 or 504
	dialled      // a connection came about, and the proxy knows no more
	unlucky      // the proxy got no answer; counts as 503 or 504
	impolite     // what came was no answer in the protocol; counts as 500
)

// judge finds out what r says. What the client ended says nothing.
func judge(r *upstream.Result) met {
	switch r.Failure {
	case upstream.ConnectFailed, upstream.ConnectTimeout, upstream.Timeout, upstream.RxReset:
		return unlucky
	case upstream.ProtocolError:
		return impolite
	case upstream.NoFailure:
		if r.Status == 0 {
			return dialled
		}
	}
	switch {
	case r.Status == 0:
		return nothing
	case r.Status < 500:
		return good
	case r.Status >= 502 && r.Status <= 504:
		return gateway
	}
	return bad
}

// take counts one attempt, and returns by bits the detectors that have had
// enough with it.
func (m *monitor) take(o *Options, r *upstream.Result) (found uint8) {
	what := judge(r)
	if what == nothing {
		return 0
	}
	if !o.Split {
		return m.answered(o, what)
	}
	switch what {
	case unlucky:
		m.rated[local].count(false)
		return m.failed(o, ConsecutiveLocal)
	default:
		m.rated[local].count(true)
		m.clear(ConsecutiveLocal)
		if what == dialled {
			return 0
		}
		return m.answered(o, what)
	}
}

// answered counts an answer, or what stands for one.
func (m *monitor) answered(o *Options, what met) (found uint8) {
	ok := what == good || what == dialled
	m.rated[external].count(ok)
	if ok {
		m.clear(Consecutive5xx)
		m.clear(ConsecutiveGateway)
		return 0
	}
	found = m.failed(o, Consecutive5xx)
	if what == gateway || what == unlucky {
		return found | m.failed(o, ConsecutiveGateway)
	}
	m.clear(ConsecutiveGateway)
	return found
}

func (m *monitor) failed(o *Options, t Type) uint8 {
	if m.run[t].Add(1) == int64(o.Run[t]) {
		return 1 << t
	}
	return 0
}

// clear ends a run. Most of the time there is none, and nothing is written.
func (m *monitor) clear(t Type) {
	if m.run[t].Load() != 0 {
		m.run[t].Store(0)
	}
}

func (m *monitor) clearAll() {
	for t := range m.run {
		m.clear(Type(t))
	}
}

// length is how long an ejection lasts.
func (m *monitor) length(o *Options) time.Duration {
	longest := max(o.Base, o.Max)
	if m.backoff > int64(longest/o.Base) { // so that the product cannot overflow
		return longest + m.jitter
	}
	return min(o.Base*time.Duration(m.backoff), longest) + m.jitter
}
