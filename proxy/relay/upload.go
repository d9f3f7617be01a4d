package relay

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
)

// upload is a request's body on its way while it is not all here.
type upload struct {
	pump  func() // bound once
	pumps sync.WaitGroup
	begun bool
	read  atomic.Bool  // the body has been read to its end
	over  atomic.Bool  // the pump has returned; the rest is readable after pumps.Wait
	bad   *hop.Failure // what is wrong with the body

	pumpErr error // what ended sending it
}

func (u *upload) reset() {
	u.begun, u.bad, u.pumpErr = false, nil, nil
	u.read.Store(false)
	u.over.Store(false)
}

// startUpload has the rest of the request's body sent beside the exchange.
func (e *exchange) startUpload() {
	e.keepGoroutine()
	e.begun = true
	e.over.Store(false)
	e.pumps.Add(1)
	go e.pump()
}

// pumpBody sends the rest of the request's body. It is the only one to read
// from the client and to write to the upstream until it returns.
func (e *exchange) pumpBody() {
	defer e.pumps.Done()
	defer e.over.Store(true)
	up, limit := e.via, e.bodyLimit()
	for {
		if n, end := e.c.Ready(); n == 0 && !end {
			if err := up.Flush(); err != nil {
				e.pumpErr = err // the answer, if one comes, tells why
				return
			}
		}
		b, err := e.next()
		switch {
		case err != nil:
			e.breakOff(e.requestFault(err))
			return
		case limit > 0 && e.asked > limit:
			e.breakOff(hop.BodyTooLarge)
			return
		case b == nil:
			e.endUpload()
			return
		}
		if n, end := e.c.Ready(); n == 0 && end {
			e.uploaded()
		}
		e.moved.Store(e.g.watch.Clock())
		if err := e.push(up, b); err != nil {
			e.pumpErr = err
			return
		}
	}
}

// uploaded notes that the request has been read to its end. That is told before
// the end is sent: the answer may be here sooner than we return.
func (e *exchange) uploaded() {
	if !e.read.Load() {
		e.requestEnded(time.Now().UnixNano())
		e.castShadows()
		e.read.Store(true)
	}
}

// endUpload ends the request.
func (e *exchange) endUpload() {
	e.uploaded()
	trailers := e.trailers(e.c, true)
	e.layer.trailers(event.ToServer, trailers)
	e.pumpErr = flushed(e.via, e.via.Finish(trailers))
	e.dropped(e.via)
}

// breakOff ends the exchange because of what the client sent.
func (e *exchange) breakOff(f *hop.Failure) {
	e.bad = f
	e.cancel(Cancelled)
}

// lastWrite is how long the last piece of a body may take to be sent when the
// answer to it is already here.
const lastWrite = 100 * time.Millisecond

// later has f called after d, unless stop comes first. f has returned when stop
// has: what it is about may be reused then.
func later(d time.Duration, f func()) (stop func()) {
	over := make(chan struct{})
	t := time.AfterFunc(d, func() {
		defer close(over)
		f()
	})
	return func() {
		if !t.Stop() {
			<-over
		}
	}
}

// stopUpload waits for the pump, which has no reason to go on.
func (e *exchange) stopUpload() {
	if !e.begun {
		return
	}
	if !e.over.Load() {
		if e.read.Load() && e.done {
			defer later(lastWrite, func() { e.cancel(Cancelled) })()
		} else {
			e.c.Interrupt(false)
			e.cancel(NotNeeded)
		}
	}
	e.pumps.Wait()
}
