package relay

import (
	"math"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/retry"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// pause is how long is waited before a retry after t, in ns.
func (p *persistence) pause(t *oneTry, now int64) int64 {
	if t.outcome.Kind == retry.Answered {
		if d := retry.Asked(&t.resp, now, p.plan.Limited); d > 0 {
			p.limited = true
			return int64(retry.Limited(d, draw))
		}
	}
	p.limited = false
	return int64(p.plan.BackOff.Wait(p.made, draw))
}

// Why there is a try beside another.
const (
	hedgeDelay = "hedge: delay"
	hedgeLate  = "hedge: per-try timeout"
)

// Why there is no retry that a condition asked for.
const (
	noneLeft = "not retried: no retries left"
	noBudget = "not retried: the cluster has as many retries under way as it may"
	tooLarge = "not retried: body too large to replay"
	tooLate  = "not retried: the wait is longer than the timeout"
)

// leave plans a retry after a pause, where there may be one.
func (p *persistence) leave(now, pause int64) bool {
	stats := p.e.rules.Cluster.Retries()
	switch {
	case p.plan.Left == 0: // nobody wants any
		return false
	case p.made >= p.plan.Left:
		stats.LimitExceeded.Add(1)
		p.refuse(noneLeft, event.FlagURX)
		return false
	case !p.body.replayable():
		stats.Abandoned.Add(1)
		p.refuse(tooLarge, 0)
		return false
	case p.past(now + pause):
		p.refuse(tooLate, 0)
		return false
	}
	if p.e.rules.Cluster.BeginRetry(p.e.rules.Want.High) != nil {
		p.refuse(noBudget, event.FlagUO)
		return false
	}
	p.granted = true
	p.made++
	stats.Total.Add(1)
	p.due = now + pause
	return true
}

// refuse notes why there is no retry.
func (p *persistence) refuse(why string, flags event.ResponseFlags) {
	p.e.x.Retried = why
	p.flags |= flags
}

// release tells the budget that t is no retry under way any more.
func (p *persistence) release(t *oneTry) {
	if t.granted {
		t.granted = false
		p.e.rules.Cluster.EndRetry(p.e.rules.Want.High)
	}
}

// ungrant is release for a retry that was not made.
func (p *persistence) ungrant() {
	if p.granted {
		p.granted = false
		p.e.rules.Cluster.EndRetry(p.e.rules.Want.High)
	}
}

// past reports whether the exchange will have been given up at that time.
func (p *persistence) past(at int64) bool {
	deadline, limit := p.e.deadline.Load(), p.e.limit.Load()
	return deadline != 0 && at >= deadline || limit != 0 && at >= limit
}

// next is how long nothing is to be done, in ns.
func (p *persistence) next(now int64) int64 {
	at := int64(math.MaxInt64)
	if p.due != 0 {
		at = p.due
	}
	for _, t := range p.tries {
		if !t.settled {
			at = min(at, p.until(t))
		}
	}
	at = min(at, p.hedgeAt())
	return max(0, at-now)
}

// never is a time that does not come.
const never = math.MaxInt64

// until is when something is to be done about a try that is under way.
func (p *persistence) until(t *oneTry) int64 {
	if t.held != 0 {
		return t.held + int64(heldFor)
	}
	return min(p.lateAt(t), p.stillAt(t))
}

// lateAt is when the per-try timeout of t passes.
func (p *persistence) lateAt(t *oneTry) int64 {
	whole := p.e.requestEnd.Load()
	if p.plan.PerTry <= 0 || t.soft || whole == 0 {
		return never
	}
	return max(whole, t.begun) + int64(p.plan.PerTry)
}

func (p *persistence) stillAt(t *oneTry) int64 {
	if p.plan.PerTryIdle <= 0 {
		return never
	}
	return t.moved.Load() + int64(p.plan.PerTryIdle)
}

// hedgeAt is when there is to be a try beside the one that is under way.
func (p *persistence) hedgeAt() int64 {
	whole := p.e.requestEnd.Load()
	if p.active == 0 || p.due != 0 || p.delay <= 0 || whole == 0 || p.made >= p.plan.Left {
		return never
	}
	t := p.tries[len(p.tries)-1]
	if t.settled || t.held != 0 {
		return never
	}
	return max(whole, t.begun) + p.delay
}

// look does what is to be done now.
func (p *persistence) look(now int64) {
	if p.due != 0 && p.due <= now {
		p.retry()
		return
	}
	for _, t := range p.tries {
		switch {
		case t.settled || p.until(t) > now:
		case t.held != 0:
			p.win(t)
			return
		case p.stillAt(t) <= now:
			p.e.rules.Cluster.Retries().PerTryIdle.Add(1)
			p.expire(t, retry.Still, hop.TryStill)
			return
		default:
			p.e.rules.Cluster.Retries().PerTryTimeout.Add(1)
			p.tooSlow(t, now)
			return
		}
	}
	if p.hedgeAt() <= now && !p.hedge(now, hedgeDelay) {
		p.delay = 0 // what speaks against it may be over soon, but then it is late
	}
}

// tooSlow is for a try whose per-try timeout has passed.
func (p *persistence) tooSlow(t *oneTry, now int64) {
	if !p.plan.OnTime {
		p.expire(t, retry.Late, hop.TryTimeout)
		return
	}
	t.soft, p.late = true, true
	if p.due == 0 {
		p.hedge(now, hedgeLate)
	}
}

// expire ends a try for lack of an answer.
func (p *persistence) expire(t *oneTry, k retry.Kind, f *hop.Failure) {
	t.stop(Cancelled)
	sent := t.via != nil && t.via.Wire().Sent > 0
	t.failure, t.outcome, t.stale = f, retry.Outcome{Kind: k, Status: -1, Sent: sent}, false
	p.judge(t)
}

// hedge makes a try beside those that are under way, where there may be one.
func (p *persistence) hedge(now int64, reason string) bool {
	flags, why := p.flags, p.e.x.Retried
	if !p.leave(now, 0) {
		p.flags, p.e.x.Retried = flags, why // nothing has failed
		return false
	}
	p.reason = reason
	p.e.rules.Cluster.Retries().Hedged.Add(1)
	p.retry()
	return true
}

// retry makes the try that is due.
func (p *persistence) retry() {
	p.due = 0
	host, f := p.pick()
	if f != nil {
		p.failure = f
		p.ungrant()
		return
	}
	p.launch(host, p.reason, How{Again: p.e.repeatable(), Now: p.e.now})
	p.tries[len(p.tries)-1].granted, p.granted = true, false
}

// pick chooses the host of a retry.
func (p *persistence) pick() (*upstream.Host, *hop.Failure) {
	w := &p.e.rules.Want
	w.Forgive()
	w.Attempt = len(p.tries)
	for _, t := range p.tries {
		if p.plan.PreviousHosts || t.outcome.Kind == retry.NoConnection {
			w.Avoid(t.host)
		}
	}
	p.shun()
	some := w.Shuns() > 0
	host, f := p.wanted()
	if some && w.Shuns() == 0 { // no other was left
		p.shunned = len(p.tries)
	}
	return host, f
}

// wanted picks until there is a host that the policy wants.
func (p *persistence) wanted() (*upstream.Host, *hop.Failure) {
	w := &p.e.rules.Want
	for i := 1; ; i++ {
		host, f := p.e.rules.Pick(p.context())
		if f == hop.NoHost && w.Tried() > 0 { // better one of those than none
			w.Forgive()
			return p.e.rules.Pick(p.context())
		}
		if f != nil || i >= p.plan.HostAttempts || !p.plan.Omits(host.Endpoint().Metadata) {
			return host, f
		}
		p.e.rules.Done(host)
		w.Avoid(host)
	}
}

// shun leaves the priorities of the tries so far out, each time that there have
// been as many of them as the policy says.
func (p *persistence) shun() {
	since := p.tries[p.shunned:]
	if !p.plan.PreviousPriorities || len(since) == 0 || len(since)%p.plan.PriorityEvery != 0 {
		return
	}
	for _, t := range since {
		p.e.rules.Want.Shun(t.host)
	}
}

// unreached chooses another host than those that could not be reached.
func (p *persistence) unreached() (*upstream.Host, *hop.Failure) {
	w := &p.e.rules.Want
	w.Forgive()
	for _, t := range p.tries {
		if p.plan.PreviousHosts || t.outcome.Kind == retry.NoConnection || !t.settled {
			w.Avoid(t.host)
		}
	}
	return p.e.rules.Pick(p.context())
}

// learn takes in how long a try took.
func (p *persistence) learn(t *oneTry, now int64) {
	if p.plan.Hedge.Percentile > 0 {
		p.plan.Latency.Observe(now, time.Duration(now-t.begun))
	}
}

// succeed notes that the client gets the answer of t.
func (p *persistence) succeed(t *oneTry) {
	p.release(t)
	p.learn(t, max(t.a.X.FirstByte, t.begun))
	if t.number == 0 {
		return
	}
	stats := p.e.rules.Cluster.Retries()
	if p.flags == 0 && p.made > 0 {
		stats.Success.Add(1)
	}
	if t.a.Retried == hedgeDelay || t.a.Retried == hedgeLate {
		stats.HedgeWon.Add(1)
	}
}
