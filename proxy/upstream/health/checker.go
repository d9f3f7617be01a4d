package health

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// Checker checks the hosts of one cluster while Run runs. It is an
// upstream.Observer: hosts may say in answers to traffic that they fail.
type Checker struct {
	o       Options
	cluster *upstream.Cluster
	plan    *schedule
	stats   stats
	looked  int64 // when it was looked whether there is traffic; Run's own

	wake  chan struct{} // members changed, or somebody said that it fails
	round chan struct{} // closed once everybody who was there from the start has been asked
	over  chan outcome

	saying struct {
		sync.Mutex
		hosts map[*upstream.Host]bool // said that they fail
	}
}

// outcome is what came of one check.
type outcome struct {
	*target
	Answer
	took time.Duration
}

var _ upstream.Observer = (*Checker)(nil)

// New makes a checker of c's hosts. c.Observe has to be told of it.
func New(c *upstream.Cluster, o Options) *Checker {
	o = o.withDefaults()
	k := &Checker{o: o, cluster: c, wake: make(chan struct{}, 1), round: make(chan struct{}), over: make(chan outcome)}
	k.plan = newSchedule(&k.o, rand.Int64N)
	k.saying.hosts = map[*upstream.Host]bool{}
	c.OnChange(k.look)
	return k
}

// look has Run look what has changed.
func (k *Checker) look() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Report takes in what became of an attempt at h.
func (k *Checker) Report(h *upstream.Host, r upstream.Result) {
	if !r.Failing || h.Flags()&upstream.ImmediateFail != 0 {
		return
	}
	k.saying.Lock()
	k.saying.hosts[h] = true
	k.saying.Unlock()
	k.look()
}

// Round is closed once all hosts that were there when Run began have been
// asked.
func (k *Checker) Round() <-chan struct{} { return k.round }

// Patience is how long Round may be waited for.
func (k *Checker) Patience() time.Duration { return k.o.patience(len(k.cluster.Hosts())) }

// Run checks until ctx is done, and closes its connections.
func (k *Checker) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	k.members(true)
	for running := 0; ; {
		running += k.start(ctx, running)
		timer.Reset(k.pause(time.Now().UnixNano(), running))
		select {
		case <-ctx.Done():
			k.end(running)
			return
		case r := <-k.over:
			running--
			k.done(&r)
		case <-k.wake:
			k.members(false)
			k.heed()
		case <-timer.C:
		}
		k.lookForTraffic(time.Now().UnixNano())
	}
}

// members takes over who there is.
func (k *Checker) members(start bool) {
	for _, t := range k.plan.members(k.cluster.Hosts(), time.Now().UnixNano(), start) {
		t.line.Close()
	}
	k.count()
	k.rounded()
}

// rounded tells that everybody was asked, once.
func (k *Checker) rounded() {
	if k.plan.cold == 0 {
		select {
		case <-k.round:
		default:
			close(k.round)
		}
	}
}

// lookForTraffic finds out that traffic has begun, looking once in an interval.
func (k *Checker) lookForTraffic(now int64) {
	if k.plan.used || now-k.looked < int64(k.o.Interval) {
		return
	}
	if k.looked = now; k.used() {
		k.plan.trafficBegins(now)
	}
}

// used reports whether the cluster ever had traffic.
func (k *Checker) used() bool {
	for _, h := range k.cluster.Hosts() {
		if h.Used() {
			return true
		}
	}
	return false
}

// start begins the checks that are due, as many as may be under way.
func (k *Checker) start(ctx context.Context, running int) (n int) {
	now := time.Now().UnixNano()
	for ; running+n < k.o.Concurrency; n++ {
		t := k.plan.take(now)
		if t == nil {
			break
		}
		k.stats.attempt.Add(1)
		go k.ask(ctx, t) // ends by telling Run, which waits for it
	}
	return n
}

// ask makes one check.
func (k *Checker) ask(ctx context.Context, t *target) {
	ctx, cancel := context.WithTimeout(ctx, k.o.Timeout)
	defer cancel()
	began := time.Now()
	a := k.o.Check.Ask(ctx, &t.line)
	k.over <- outcome{t, a, time.Since(began)}
}

// pause is how long there is nothing to do; with nobody to ask, or no leave to,
// something else ends it.
func (k *Checker) pause(now int64, running int) time.Duration {
	wait := time.Hour
	if due, ok := k.plan.next(); ok && running < k.o.Concurrency {
		wait = max(0, time.Duration(due-now))
	}
	if !k.plan.used { // look whether traffic has begun
		wait = min(wait, k.o.Interval)
	}
	return wait
}

// end waits for checks under way, which ctx has ended, and closes what is open.
func (k *Checker) end(running int) {
	for ; running > 0; running-- {
		r := <-k.over
		r.line.Close()
	}
	for _, t := range k.plan.all {
		t.line.Close()
	}
}

// done takes in what came of a check.
func (k *Checker) done(r *outcome) {
	now := time.Now().UnixNano()
	k.stats.take(&r.Answer)
	if r.gone {
		r.line.Close()
		return
	}
	c := k.plan.done(r.target, &r.Answer, now)
	h := r.line.Host
	if r.Tags != nil {
		h.Tag(r.Tags)
	}
	h.Lag(r.Lag)
	k.mark(r)
	h.Asked()
	k.tell(r, c, now)
	if r.Outcome == Success && k.o.Passed != nil {
		k.o.Passed(h, now)
	}
	switch {
	case c.health && r.healthy:
		k.stats.healthy.Add(1)
	case c.health:
		k.stats.healthy.Add(-1)
	}
	k.rounded()
}

// mark sets and clears the flags of a host as its state is.
func (k *Checker) mark(r *outcome) {
	h := r.line.Host
	h.Mark(upstream.DegradedCheck, r.degraded)
	if r.healthy {
		h.Mark(upstream.FailedCheck|upstream.ImmediateFail|upstream.Unchecked, false)
		return
	}
	h.Mark(upstream.FailedCheck, true)
	h.Mark(upstream.Unchecked, false)
	if r.Excluded {
		h.Mark(upstream.ImmediateFail, true)
	}
}

// heed takes out the hosts that said in answers to traffic that they fail.
func (k *Checker) heed() {
	k.saying.Lock()
	hosts := k.saying.hosts
	k.saying.hosts = map[*upstream.Host]bool{}
	k.saying.Unlock()
	for h := range hosts {
		t := k.plan.all[h]
		if t == nil || h.Flags()&upstream.ImmediateFail != 0 {
			continue
		}
		k.stats.failure.Add(1)
		k.stats.passive.Add(1)
		changed := t.healthy
		t.healthy, t.passes, t.fails = false, 0, 0
		h.Mark(upstream.FailedCheck|upstream.ImmediateFail, true)
		k.tellPassive(t, changed, time.Now().UnixNano())
		if changed {
			k.stats.healthy.Add(-1)
		}
	}
}

// count counts who is healthy.
func (k *Checker) count() {
	n := int64(0)
	for _, t := range k.plan.all {
		if t.healthy {
			n++
		}
	}
	k.stats.healthy.Store(n)
}
