package relay

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/retry"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// persistence carries an exchange out whose route has a policy of retries: it
// makes one try after another, or beside another, until one has an answer that
// the client is to get. Each try has a goroutine up to that; all that is decided
// is decided in the exchange's own. It is reused with the exchange, and so are its
// tries: one whose first try is answered allocates nothing.
type persistence struct {
	e     *exchange
	body  kept
	news  chan told
	woken chan struct{}
	quit  func() // giveUp, bound once
	timer *time.Timer

	tries []*oneTry
	spare []*oneTry // of exchanges before
	over  atomic.Bool

	course
}

// course is what there is to know of one exchange.
type course struct {
	plan retry.Plan
	ctx  context.Context // ends when the exchange is given up; nil until it is asked for
	done func()          // ends its use

	before func() // ends the exchange's wait from before, which goes on meanwhile; nil without

	active int // tries under way
	last   *oneTry
	won    *oneTry

	made    int          // retries
	shunned int          // tries whose priorities are forgotten, as none was left
	granted bool         // the budget counts one that is not made yet
	delay   int64        // after which there is a try beside another, in ns; 0 for never
	due     int64        // when the next one begins, ns since the Unix epoch; 0 for none
	reason  string       // of that
	late    bool         // likewise: after a timeout
	limited bool         // likewise: as long as an answer asked for
	forgave bool         // a try that nobody has seen was made anew
	failure *hop.Failure // why there is no other try, where that is not the last one's
	flags   event.ResponseFlags
}

// news is what a try has to tell.
type news uint8

const (
	tryFailed   news = iota // it has no answer
	tryInterim              // it has an interim one
	tryHeld                 // it has one, and looks whether it is the one
	tryAnswered             // it has one
)

type told struct {
	*oneTry
	what news
}

// persists reports whether the exchange goes by a policy.
func (e *exchange) persists() bool { return e.route.Retry != nil && !e.tunnels() }

// persist carries the exchange out, beginning with host.
func (e *exchange) persist(host *upstream.Host) {
	if e.retries == nil {
		e.retries = newPersistence(e)
	}
	p := e.retries
	e.anew, e.host = p, nil
	p.plan = e.route.Retry.For(e.req, e.g.o.Trust)
	p.begin()
	p.keep(p.plan.Body)
	p.delay = int64(p.plan.After(e.now))
	p.launch(host, "", How{Again: e.repeatable(), Now: e.now})
	f := p.find()
	if p.won != nil {
		p.lose(p.won)
		f = p.adopt(p.won)
	} else {
		p.lose(nil)
		p.end()
		e.stopKeeping(&p.body, nil)
		if n := len(p.tries); n > 0 {
			e.a = p.tries[n-1].a // for the log
		}
	}
	p.timer.Stop()
	p.ungrant()
	if f != nil {
		e.fail(f)
	}
}

func newPersistence(e *exchange) *persistence {
	p := &persistence{e: e, news: make(chan told), woken: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	p.quit = p.giveUp
	p.body.init(func() {
		defer e.pumps.Done()
		defer e.over.Store(true)
		e.takeBody(&p.body)
	})
	return p
}

// begin puts p within the reach of cuts.
func (p *persistence) begin() {
	e := p.e
	e.mu.Lock()
	p.before, e.stop = e.stop, p.quit
	e.mu.Unlock()
	if e.cutBy() != notCut {
		p.giveUp()
	}
}

// end takes it out of their reach.
func (p *persistence) end() {
	if p.done != nil {
		p.done()
	}
	p.e.mu.Lock()
	p.e.stop = p.before
	p.e.mu.Unlock()
}

// giveUp has the exchange look why it is to end.
func (p *persistence) giveUp() {
	p.over.Store(true)
	p.Wake()
	if p.before != nil {
		p.before()
	}
}

// givenUp reports whether the exchange is to end, so that no try is begun.
func (p *persistence) givenUp() bool { return p.over.Load() || p.e.ctx.Err() != nil }

// context ends when the exchange is given up.
func (p *persistence) context() context.Context {
	if p.ctx == nil {
		p.ctx, p.done = p.e.waiting()
	}
	return p.ctx
}

// mostSpare is how many tries are kept for later exchanges: one, and one beside
// it.
const mostSpare = 2

// reset gives back what the exchange borrowed. All tries have ended.
func (p *persistence) reset() {
	for _, t := range p.tries {
		if len(p.spare) < mostSpare {
			t.reset()
			p.spare = append(p.spare, t)
		}
	}
	clear(p.tries)
	p.tries, p.course = p.tries[:0], course{}
	p.body.reset()
	p.over.Store(false)
	select {
	case <-p.woken:
	default:
	}
}

// Wake has the exchange look what is to be done, as the request is whole.
func (p *persistence) Wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// find makes tries until one has won, or there is no other; then it gives the
// failure that the client is told.
func (p *persistence) find() *hop.Failure {
	e := p.e
	for p.won == nil && (p.active > 0 || p.due != 0) {
		p.timer.Reset(time.Duration(p.next(time.Now().UnixNano())))
		select {
		case n := <-p.news:
			p.hear(n)
		case <-p.timer.C:
			p.look(time.Now().UnixNano())
		case <-p.woken:
			if p.over.Load() {
				return e.outcome(e.cutBy())
			}
		case <-e.ctx.Done():
			return e.outcome(e.cutBy())
		}
		if e.gone {
			return hop.ClientGone
		}
	}
	switch {
	case p.won != nil:
		return nil
	case p.failure != nil:
		return p.failure
	}
	return p.final(p.last.failure)
}

// final is a failure with what the retries add to it.
func (p *persistence) final(f *hop.Failure) *hop.Failure {
	if p.flags == 0 {
		return f
	}
	with := *f
	with.Flags |= p.flags
	return &with
}

func (p *persistence) hear(n told) {
	t := n.oneTry
	if t.settled {
		return
	}
	switch n.what {
	case tryInterim:
		if p.active == 1 {
			p.e.interim(&t.resp)
		}
		t.on <- struct{}{}
	case tryHeld:
		t.held = time.Now().UnixNano()
	default:
		t.held = 0
		p.judge(t)
	}
}

// judge decides what becomes of a try that is over.
func (p *persistence) judge(t *oneTry) {
	now := time.Now().UnixNano()
	if p.elsewhere(t) {
		return
	}
	p.release(t)
	answered := t.outcome.Kind == retry.Answered
	want := p.plan.Wants(&t.outcome)
	switch {
	case want == 0 && answered:
		p.win(t)
		return
	case want != 0 && p.due == 0 && p.leave(now, p.pause(t, now)):
		p.planned(t, want)
	case want != 0 && answered && p.active == 1 && p.due == 0:
		p.won = t // the last answer is the answer
		return
	}
	p.settle(t)
}

// planned notes why there is to be a retry.
func (p *persistence) planned(t *oneTry, want retry.Condition) {
	p.reason, p.late = want.String(), t.outcome.Kind == retry.Late || t.outcome.Kind == retry.Still
	if stats := p.e.rules.Cluster.Retries(); p.limited {
		stats.RateLimited.Add(1)
	} else {
		stats.Exponential.Add(1)
	}
}

func (p *persistence) settle(t *oneTry) {
	t.settle()
	p.last = t
}

// win has the client get the answer of t, whatever became of others.
func (p *persistence) win(t *oneTry) {
	p.won, p.flags, p.e.x.Retried = t, 0, ""
}

// elsewhere makes another try at once in the place of one that nobody has seen,
// as for requests without a policy: at another host where none was reached, at
// the same one where a connection was of no use.
func (p *persistence) elsewhere(t *oneTry) bool {
	if !p.body.replayable() || p.givenUp() {
		return false
	}
	host, reason, how := t.host, hop.StaleConnection, How{Fresh: true, Now: p.e.now}
	switch {
	case t.stale && !p.forgave:
		p.forgave, t.kept = true, true
	case t.outcome.Kind == retry.NoConnection:
		var f *hop.Failure
		if host, f = p.unreached(); f != nil {
			return false
		}
		reason, how = hop.NoConnection, How{Again: p.e.repeatable(), Now: p.e.now}
	default:
		return false
	}
	granted := t.granted
	t.granted = false
	p.settle(t)
	p.launch(host, reason, how)
	p.tries[len(p.tries)-1].granted = granted
	return true
}

// draw is chance.
func draw(n int64) int64 { return rand.Int64N(n) }

// tell tells the spans of the tries before, in their order, and of those beside.
func (p *persistence) tell() {
	if !p.e.g.o.AttemptSpans {
		return
	}
	for _, t := range p.tries {
		if t != p.won {
			t.call()
			p.e.conn.out.Exchange(&t.a.X)
		}
	}
}

// call has the span of a try say what the exchange's does of gRPC, and its own
// status.
func (t *oneTry) call() {
	all, ax := t.p.e.x.GRPC, &t.a.X
	if all == nil {
		return
	}
	t.rpc = event.RPC{Method: all.Method, Status: int32(t.outcome.Status), Timeout: all.Timeout, Streaming: all.Streaming, Web: all.Web,
		RequestMessages: all.RequestMessages, RequestPayload: all.RequestPayload, RequestCompressed: all.RequestCompressed}
	ax.GRPC, ax.Name = &t.rpc, t.p.e.x.Name
	if ax.Protocol == event.HTTP2 {
		ax.Protocol = event.GRPC
	}
	if t.rpc.Status > 0 && ax.Flags == 0 {
		ax.Status, ax.ErrorType = event.Error, event.GRPCStatus(t.rpc.Status)
	}
}
