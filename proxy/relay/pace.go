package relay

import (
	"context"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/route"
)

// pace is what holds the bodies of an exchange back; mostly nothing.
type pace struct {
	pacer route.Pacer // nil for nothing
	ctx   context.Context
	over  func()

	pushing sync.Mutex // of tries beside each other one at a time, a part of a piece each
}

// beginPace has bodies be held back as a guard wants, if any does.
func (e *exchange) beginPace() {
	if e.pace.pacer = e.rules.Pacer(); e.pace.pacer != nil {
		e.pace.ctx, e.pace.over = e.waiting()
	}
}

// endPace ends it.
func (e *exchange) endPace() {
	if e.pace.pacer != nil {
		e.pace.over()
		e.pace.pacer.Done()
	}
	e.pace.pacer, e.pace.ctx, e.pace.over = nil, nil, nil
}

// push sends a piece of the request's body to up.
func (e *exchange) push(up Upstream, b []byte) error {
	if e.pace.pacer == nil {
		return up.Write(b)
	}
	e.deadline.Store(0) // the upstream's time begins when it has all
	_, err := e.paced(event.ToServer, b, func(b []byte) error { return flushed(up, up.Write(b)) })
	if e.timeout > 0 && e.complete.Load() {
		e.deadline.Store(time.Now().UnixNano() + e.timeout)
	}
	return err
}

// deliver passes a piece of the answer's body on; false when nothing more is to
// follow.
func (e *exchange) deliver(b []byte) bool {
	if e.pace.pacer == nil {
		return e.write(e.c.Write(b))
	}
	f, err := e.paced(event.ToClient, b, func(b []byte) error { return flushed(e.c, e.c.Write(b)) })
	e.broken = f
	return e.write(err) && f == nil
}

// paced writes b as its direction's pace lets it.
func (e *exchange) paced(d event.Dir, b []byte, write func([]byte) error) (*hop.Failure, error) {
	for len(b) > 0 {
		n, f := e.turn(d, len(b))
		if f != nil {
			return f, nil
		}
		if err := write(b[:n]); err != nil {
			return nil, err
		}
		b = b[n:]
		e.moved.Store(time.Now().UnixNano())
	}
	return nil, nil
}

// turn waits until some of n bytes may pass, and gives how many.
func (e *exchange) turn(d event.Dir, n int) (int, *hop.Failure) {
	if d == event.ToServer {
		e.pace.pushing.Lock()
		defer e.pace.pushing.Unlock()
	}
	return e.pace.pacer.Pace(e.pace.ctx, d, n)
}
