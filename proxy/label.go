package proxy

import (
	"sync/atomic"

	"github.com/pitot-io/pitot/internal/event"
)

// label adds what only the proxy knows to what a decoder tells, and counts the
// decoders that got lost.
type label struct {
	out      event.Emitter
	flags    atomic.Uint32
	mark     func(*event.Exchange) // adds to single exchanges; may be nil
	failures *Counter
}

func (l *label) flag(f event.ResponseFlags) { l.flags.Or(uint32(f)) }

func (l *label) Exchange(x *event.Exchange) {
	x.Flags |= event.ResponseFlags(l.flags.Load())
	if l.mark != nil {
		l.mark(x)
	}
	l.out.Exchange(x)
}

func (l *label) Notice(n *event.Notice) {
	if n.Name == event.EventDecodeFailure {
		l.failures.Add(1)
	}
	l.out.Notice(n)
}
