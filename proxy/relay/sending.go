package relay

import (
	"sync"
	"sync/atomic"
	"time"
)

// sending is a request's body on its way to one host.
type sending struct {
	reading
	up   Upstream // that a goroutine sends it to
	over atomic.Bool
	done sync.WaitGroup
	err  error
	sent int64
}

func (s *sending) reset() {
	s.reading = reading{kept: s.kept}
	s.up, s.err, s.sent = nil, nil, 0
	s.over.Store(false)
}

// inline is how long a body may be that is sent before the answer is read, in
// bytes: what buffers on the way take even when nobody reads it.
const inline = 32 << 10

// send sends the request's head and lets its body follow.
func (t *oneTry) send() {
	s := &t.sending
	body, whole := t.p.body.whole()
	end := whole && len(body) == 0 && len(t.p.body.trailers) == 0
	if err := t.via.Send(&t.out, end); err != nil || end {
		s.err = flushed(t.via, err)
		s.over.Store(true)
		return
	}
	if whole && len(body) <= inline {
		t.sendBody(t.via)
		return
	}
	s.up = t.via // which may become what is read ahead of it
	s.done.Add(1)
	go t.sends()
}

func (t *oneTry) sendBesides() {
	defer t.sending.done.Done()
	t.sendBody(t.sending.up)
}

func (t *oneTry) sendBody(up Upstream) {
	s := &t.sending
	defer s.over.Store(true)
	for {
		b, ok := s.next(func() bool {
			s.err = up.Flush()
			return s.err == nil
		})
		if !ok {
			return
		}
		if b == nil {
			s.err = flushed(up, up.Finish(s.trailers))
			return
		}
		if s.err = t.p.e.push(up, b); s.err != nil {
			return
		}
		s.sent += int64(len(b))
		t.moved.Store(time.Now().UnixNano())
	}
}
