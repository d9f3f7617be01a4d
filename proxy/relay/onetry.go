package relay

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/retry"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// oneTry is one of an exchange's tries at a host, of which there may be several
// at the same time. It runs in a goroutine of its own up to the head of its
// answer, and is its own until it tells that that is there.
type oneTry struct {
	p       *persistence
	runs    func()                           // run, bound once
	sends   func()                           // sendBesides, likewise
	wait    func() (context.Context, func()) // waiting, likewise
	running sync.WaitGroup                   // of the goroutine
	on      chan struct{}                    // an interim answer has been dealt with
	quit    chan struct{}                    // closed when the try is stopped

	out     Head   // as this host gets it
	text    []byte // of fields that differ from one try to the other
	resp    Head
	peeked  peeked
	sending sending
	moved   atomic.Int64 // when something came last, or was sent, ns since the Unix epoch
	mu      sync.Mutex   // guards stopped, cancel and up

	trial
}

// trial is what there is to know of one try.
type trial struct {
	number int
	host   *upstream.Host
	how    How
	begun  int64 // ns since the Unix epoch

	a   hop.Attempt
	h2  event.H2
	rpc event.RPC // of the span

	stopped bool
	cancel  context.CancelFunc // of a wait for a connection; nil without
	up      Upstream           // that may be cancelled

	via     Upstream // up, or what was read ahead of it; set before the head is told
	outcome retry.Outcome
	failure *hop.Failure // why there is no answer
	stale   bool         // because the connection was kept and its peer was closing it, or the host has surely not seen the request

	held    int64 // since when the answer is held back; the exchange's own, as all below
	soft    bool  // its per-try timeout has passed, and it goes on
	granted bool  // the budget counts it as a retry under way
	kept    bool  // another try goes on at its host
	settled bool  // it is of no more use
}

func newTry(p *persistence) *oneTry {
	t := &oneTry{p: p, on: make(chan struct{}, 1), quit: make(chan struct{})}
	t.runs, t.sends, t.wait = t.run, t.sendBesides, t.waiting
	t.peeked.rest = make(chan piece, 1)
	t.sending.kept = &p.body
	return t
}

// reset has t be used for another exchange.
func (t *oneTry) reset() {
	if t.stopped {
		t.quit = make(chan struct{})
	}
	select {
	case <-t.on:
	default:
	}
	t.out, t.text = Head{Fields: t.out.Fields[:0]}, t.text[:0]
	t.peeked.reset()
	t.sending.reset()
	t.trial = trial{}
}

// waiting is How.Wait of the try.
func (t *oneTry) waiting() (context.Context, func()) {
	ctx, cancel := context.WithCancel(t.p.e.ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel = cancel; t.stopped {
		cancel()
	}
	return ctx, cancel
}

// run makes the try and tells what it came to.
func (t *oneTry) run() {
	defer t.running.Done()
	up, err := t.p.e.g.o.Dialer(t.p.e.rules.Cluster).Open(t.p.e.ctx, t.host, t.how)
	if err != nil {
		t.unreachable(err)
		t.tell(tryFailed)
		return
	}
	t.via = up
	ax := &t.a.X
	ax.Client, ax.Server = up.Conn().Local(), up.Conn().Remote()
	if !t.attach(up) {
		t.outcome = retry.Outcome{Kind: retry.Over}
		return
	}
	t.send() // when that fails, there may be an answer that tells why
	for {
		if err := up.Answer(&t.resp); err != nil {
			t.lost(err)
			t.tell(tryFailed)
			return
		}
		t.moved.Store(time.Now().UnixNano())
		if !t.resp.Interim() {
			break
		}
		if t.tell(tryInterim); !t.proceed() {
			return
		}
	}
	ax.FirstByte = t.moved.Load()
	t.outcome = retry.Outcome{Kind: retry.Answered, Head: &t.resp, Status: -1, Sent: true}
	t.answered()
}

// proceed waits until an interim answer was dealt with.
func (t *oneTry) proceed() bool {
	select {
	case <-t.on:
		return true
	case <-t.quit:
		return false
	}
}

// answered looks into the answer as far as it takes to decide, and tells.
func (t *oneTry) answered() {
	if t.p.e.rpc.on {
		t.outcome.Status = statusOf(t.resp.Fields)
	}
	body, whole := t.p.body.whole()
	if !t.p.e.rpc.on || t.outcome.Status >= 0 || t.resp.Status != 200 || !t.p.plan.Peeks() || !whole || !unary(body) {
		t.tell(tryAnswered)
		return
	}
	k := &t.peeked
	k.Upstream, t.via = t.via, k
	t.tell(tryHeld)
	ended, err := k.read(func() { t.tell(tryHeld) })
	switch {
	case err != nil:
		t.lost(err)
		t.tell(tryFailed)
		return
	case ended:
		t.outcome.Status = statusOf(k.Trailers())
	}
	t.tell(tryAnswered)
}

// tell tells the exchange, unless it does not want to hear of the try any more.
func (t *oneTry) tell(what news) {
	select {
	case t.p.news <- told{t, what}:
	case <-t.quit:
	}
}

// attach puts up within the reach of stop; false when that came before.
func (t *oneTry) attach(up Upstream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.up = up
	return !t.stopped
}

// stop ends the try, whatever it waits for, and waits until it has.
func (t *oneTry) stop(r Reason) {
	t.hush()
	t.mu.Lock()
	if t.up != nil {
		t.up.Cancel(r)
	}
	t.mu.Unlock()
	t.sending.halt()
	t.running.Wait()
	t.sending.done.Wait()
}

// hush has the try tell nothing more, and not wait for a connection.
func (t *oneTry) hush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	t.stopped = true
	close(t.quit)
	if t.cancel != nil {
		t.cancel()
	}
}

// ends reports whether the try was stopped, or is about to be.
func (t *oneTry) ends() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped || t.p.givenUp()
}

func (t *oneTry) unreachable(err error) {
	t.failure = hop.ConnectFault(err)
	t.outcome = retry.Outcome{Kind: retry.NoConnection, Status: -1}
	if t.failure.Flags&event.FlagUO != 0 || t.ends() {
		t.outcome.Kind = retry.Over
	}
}

// lost notes how an upstream went away without an answer.
func (t *oneTry) lost(readErr error) {
	if !t.sending.over.Load() {
		t.sending.halt()
		t.via.Cancel(Broken)
	}
	t.sending.done.Wait()
	sent := t.via.Wire().Sent > 0
	t.outcome = retry.Outcome{Kind: retry.Lost, Status: -1, Sent: sent}
	switch {
	case malformed(readErr):
		t.failure = hop.UpstreamFault(readErr)
		return
	case t.ends():
		t.outcome.Kind, t.failure = retry.Over, hop.ProxyEnds
		return
	case errors.Is(readErr, ErrReset), errors.Is(t.sending.err, ErrReset):
		t.failure = hop.UpstreamReset
	default:
		t.failure = hop.UpstreamClosed
	}
	unsent := t.via.Unsent()
	if unsent && sent {
		t.outcome.Kind = retry.Refused
	}
	t.stale = unsent || t.via.Reused() && t.via.Wire().Received == 0 && hop.Idempotent(t.out.Method)
}

// settle ends a try that is of no more use: its connection, its span, and its
// being active at its host.
func (t *oneTry) settle() {
	if t.settled {
		return
	}
	t.settled = true
	t.p.active--
	if t.running.Wait(); t.failure == nil && t.sending.over.Load() {
		t.drop()
	}
	t.stop(Cancelled)
	ax, p := &t.a.X, t.p.e.p
	if ax.End = time.Now().UnixNano(); t.via != nil {
		w := t.via.Wire()
		ax.RequestBytes, ax.ResponseBytes, t.h2 = w.Sent, w.Received, event.H2{StreamID: w.Stream}
	}
	o := hop.Outcome{Failure: t.failure, RequestBody: t.sending.sent}
	if t.outcome.Kind == retry.Answered {
		o.Answered, o.Status, o.Failing = true, t.resp.Status, hop.Failing(t.host, &t.resp)
		if t.outcome.Status >= 0 {
			o.Call = hop.CallStatus([]byte{'0' + byte(t.outcome.Status/10%10), '0' + byte(t.outcome.Status%10)})
		}
		p.StatusCode = t.resp.Status
		hop.Heed(t.host, t.resp.Fields, ax.FirstByte)
	}
	t.a.End(&event.Exchange{HTTP: &p}, t.host, &o)
	t.spoken()
	if t.via != nil {
		t.via.Close()
	}
	if !t.kept {
		t.p.e.rules.Done(t.host)
	}
	t.p.release(t)
}

// leave waits for the goroutine of a try whose answer has been passed on. It may
// still be reading ahead, where that was broken off.
func (t *oneTry) leave() {
	if !t.p.e.done {
		t.p.e.cancel(Cancelled)
	}
	if t.via == &t.peeked {
		t.hush()
	}
	t.running.Wait()
}

// drop takes the rest of an answer that nobody gets, where it is here already, so
// that the connection serves others.
func (t *oneTry) drop() {
	if _, end := t.via.Ready(); !end {
		return
	}
	for {
		if _, err := t.via.Next(); err != nil {
			t.mu.Lock()
			t.up = nil // so that stop leaves it alone
			t.mu.Unlock()
			return
		}
	}
}

// spoken notes the version of HTTP that the try spoke.
func (t *oneTry) spoken() {
	ax := &t.a.X
	switch {
	case t.h2.StreamID != 0:
		t.p.e.version(ax, &t.a.P, &t.h2)
	case t.p.e.h2.StreamID != 0:
		ax.Protocol, t.a.P.Version = event.HTTP11, "1.1"
	}
}

// field adds a field to the head that the host gets.
func (t *oneTry) field(name string, value []byte) {
	at := len(t.text)
	t.text = append(append(t.text, name...), value...)
	text := t.text[at:]
	t.out.Fields = append(t.out.Fields, http1.Field{Name: text[:len(name):len(name)], Value: text[len(name):]})
}
