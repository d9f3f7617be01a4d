package relay

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/pitot-io/pitot/proxy/hop"
)

// cut says why an exchange was ended from outside.
type cut uint32

const (
	notCut     cut = iota
	cutRequest     // the whole request took too long
	cutRoute       // the answer took too long
	cutCall        // the call of gRPC took longer than its client waits
	cutStill       // nothing moved
	cutGone        // the client has gone
	cutStop        // the proxy ends
)

// watching is what others than its goroutines know of an exchange.
type watching struct {
	watched Watched
	onGone  func()                           // bound once
	wait    func() (context.Context, func()) // waiting, bound once
	since   int64                            // when it began
	timeout int64                            // of the route: from the end of the request to the head of the answer

	why        atomic.Uint32 // a cut, the first
	complete   atomic.Bool   // the request has been read to its end
	streaming  atomic.Bool   // the final answer's head has come
	tunnelled  atomic.Bool   // bytes of another protocol pass
	answering  atomic.Bool   // a call is answered here
	deadline   atomic.Int64  // for the answer's head; 0 for none
	limit      atomic.Int64  // for all of the call of gRPC; 0 for none
	requestEnd atomic.Int64  // when the request's last byte was there; 0 for never
	still      atomic.Int64  // how long nothing may move, ns; 0 and less for any time
	moved      atomic.Int64  // when bytes of a body last moved

	mu   sync.Mutex // guards what follows; taken inside of the watch's and the client codec's locks
	up   Upstream   // that may be cancelled
	stop func()     // ends a wait before there is one; nil without
}

func (w *watching) reset() {
	w.since, w.timeout = 0, 0
	w.why.Store(0)
	w.complete.Store(false)
	w.streaming.Store(false)
	w.tunnelled.Store(false)
	w.answering.Store(false)
	w.deadline.Store(0)
	w.limit.Store(0)
	w.requestEnd.Store(0)
	w.moved.Store(0)
}

// watchOver begins to watch the exchange and its client.
func (e *exchange) watchOver() {
	e.since = e.now
	e.g.watch.Add(&e.watched, e.conn.ID)
	e.c.OnGone(e.onGone)
}

// requestEnded notes that the request has been read to its end.
func (e *exchange) requestEnded(now int64) {
	if e.timeout > 0 {
		e.deadline.Store(now + e.timeout)
	}
	e.complete.Store(true)
	e.requestEnd.Store(now)
}

// look is Watched.Look.
func (e *exchange) look(now int64) {
	o := &e.g.o
	limit, deadline := e.limit.Load(), e.deadline.Load()
	switch {
	case e.cutBy() == cutStop:
	case e.g.closed.Load():
		e.end(cutStop)
	case e.cutBy() != notCut, e.tunnelled.Load():
	case e.answering.Load() && e.g.draining.Load():
		e.cancel(Cancelled) // nothing is cut: the call ends
	case limit != 0 && now > limit:
		e.end(cutCall)
	case deadline != 0 && now > deadline && !e.streaming.Load():
		e.end(cutRoute)
	case !e.complete.Load() && over(now, e.since, int64(o.Request)):
		e.end(cutRequest)
	case over(now, max(e.since, e.moved.Load()), e.still.Load()):
		e.end(cutStill)
	}
}

func over(now, since, limit int64) bool { return limit > 0 && now-since > limit }

// end cuts the exchange: its waits end.
func (e *exchange) end(why cut) {
	if why == cutStop {
		e.why.Store(uint32(why))
	} else if !e.why.CompareAndSwap(uint32(notCut), uint32(why)) {
		return
	}
	all := why == cutStop || why == cutStill && e.streaming.Load()
	if all || !e.complete.Load() {
		e.c.Interrupt(all)
	}
	e.cancel(Cancelled)
}

// clientGone is what Client.OnGone is given. A client that has ended its side of a
// tunnel may want to hear the other; that it has left altogether is seen by who
// reads from it or writes to it.
func (e *exchange) clientGone() {
	if e.tunnelled.Load() {
		return
	}
	if e.why.CompareAndSwap(uint32(notCut), uint32(cutGone)) {
		e.cancel(Cancelled)
	}
}

func (e *exchange) cutBy() cut { return cut(e.why.Load()) }

// attach puts an attempt within the reach of cuts; false when one came before.
func (e *exchange) attach(up Upstream) bool {
	e.mu.Lock()
	e.up = up
	e.mu.Unlock()
	return e.cutBy() == notCut
}

// detach takes it out of their reach, and says what came before that.
func (e *exchange) detach() cut {
	e.mu.Lock()
	e.up = nil
	e.mu.Unlock()
	return e.cutBy()
}

// cancel gives the attempt under way up.
func (e *exchange) cancel(r Reason) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.up != nil {
		e.up.Cancel(r)
	}
	if e.stop != nil {
		e.stop()
	}
}

// waiting gives a context that ends with the exchange, be it that its client
// goes; done ends its use. One that began before goes on meanwhile, and ends
// after it.
func (e *exchange) waiting() (ctx context.Context, done func()) {
	e.keepGoroutine()
	ctx, stop := context.WithCancel(e.ctx)
	e.mu.Lock()
	before := e.stop
	e.stop = stop
	if before != nil {
		e.stop = func() { stop(); before() }
	}
	e.mu.Unlock()
	if e.cutBy() != notCut {
		stop()
	}
	return ctx, func() {
		e.mu.Lock()
		e.stop = before
		e.mu.Unlock()
		stop()
	}
}

func (e *exchange) cutCause(why cut) *hop.Failure {
	switch why {
	case cutRoute, cutCall:
		return hop.AnswerTimeout
	case cutRequest:
		return hop.RequestTimeout
	case cutGone:
		return hop.ClientGone
	case cutStop:
		return hop.ProxyEnds
	}
	if e.read.Load() {
		return hop.AnswerStill
	}
	return hop.RequestStill
}
