// Package shed turns requests away where more of them would do harm: when too few
// are answered well (admission control), or when answers become slow (adaptive
// concurrency). Both decide by what they are told, with the time passed in.
package shed

import (
	"math"
	"sync"
	"time"
)

// Admission is admission control of one route: the less of its requests are
// answered well, the more are turned away before they go on, by chance.
type Admission struct {
	o AdmissionOptions

	mu      sync.Mutex // guards what follows; held for a few instructions
	buckets []bucket   // one a second, by second modulo their number
	sum     bucket     // of those within the window
	second  int64      // that was looked at last
}

// AdmissionOptions make an Admission.
type AdmissionOptions struct {
	Window     time.Duration // that is looked back on, in whole seconds
	Threshold  float64       // share of the requests that must be answered well, in (0, 1]
	Aggression float64       // from 1 on: how fast more are turned away
	Most       float64       // share of the requests that may be turned away, in [0, 1]
	RPS        float64       // requests a second below which none is turned away
}

// bucket counts requests that were let in and have ended.
type bucket struct{ n, good int64 }

// NewAdmission makes one that has seen nothing.
func NewAdmission(o AdmissionOptions) *Admission {
	return &Admission{o: o, buckets: make([]bucket, max(1, int(o.Window/time.Second)))}
}

// forget empties the buckets that are older than the window at now. The caller
// has the lock.
func (a *Admission) forget(now int64) {
	second, n := now/int64(time.Second), int64(len(a.buckets))
	for s := max(a.second+1, second-n+1); s <= second; s++ {
		b := &a.buckets[s%n]
		a.sum.n -= b.n
		a.sum.good -= b.good
		*b = bucket{}
	}
	a.second = max(a.second, second)
}

// Record takes in how a request ended at now, ns since the Unix epoch.
func (a *Admission) Record(now int64, good bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now)
	for _, b := range []*bucket{&a.buckets[a.second%int64(len(a.buckets))], &a.sum} {
		if b.n++; good {
			b.good++
		}
	}
}

// Probability is with which a request that comes at now is turned away.
func (a *Admission) Probability(now int64) float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now)
	if float64(a.sum.n) < a.o.RPS*float64(len(a.buckets)) {
		return 0
	}
	return a.o.probability(float64(a.sum.n), float64(a.sum.good))
}

// probability is that of Envoy's admission control, after "Handling Overload" of
// Google's book on site reliability.
func (o *AdmissionOptions) probability(n, good float64) float64 {
	p := max(0, (n-good/o.Threshold)/(n+1))
	return min(math.Pow(p, 1/o.Aggression), o.Most)
}
