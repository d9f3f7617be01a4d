package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/pitot-io/pitot/proxy/overload"
)

// load is what listeners ask about the proxy's own state.
type load struct{ s *Server }

// pressure measures the proxy.
func (s *Server) pressure() overload.Sample {
	o := s.settings().Overload
	l := overload.Limits{Memory: int64(o.MaxMemory), Goroutines: int64(o.MaxGoroutines), Connections: int64(o.MaxConnections)}
	return l.WithSystem().Pressure(s.open.Load())
}

// enter counts a connection, unless there are as many as may be.
func (l *load) enter() bool {
	n, most := l.s.open.Add(1), l.s.most.Load()
	if most > 0 && n > most {
		l.s.open.Add(-1)
		return false
	}
	return true
}

func (l *load) leave() { l.s.open.Add(-1) }

// rejects reports whether connections are closed as they come.
func (l *load) rejects() bool { return l.s.overload.Active(overload.RejectConnections) }

// holdPause is how often a listener that accepts nobody looks whether it may.
const holdPause = 100 * time.Millisecond

// hold waits while no connections are to be accepted; false when the socket was
// closed meanwhile.
func (l *load) hold(ctx context.Context, socket net.Listener) bool {
	d, ok := socket.(interface{ SetDeadline(time.Time) error })
	if !ok || !l.s.overload.Active(overload.StopConnections) {
		return true
	}
	_ = d.SetDeadline(time.Unix(1, 0)) // fails only when closed, and then so does Accept
	defer d.SetDeadline(time.Time{})
	for l.s.overload.Full(overload.StopConnections) {
		if _, err := socket.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
			return false // closed: with this deadline nothing is accepted
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(holdPause):
		}
	}
	return true
}

// maxLate bounds how many connections of a listener are kept open that are one
// too many.
const maxLate = 1024

// turnAway ends a connection that is one too many: at once, or after the
// listener's delay, so that a client that tries again and again is slowed down.
func (l *listener) turnAway(ctx context.Context, end func()) {
	l.stats.CxOverflow.Add(1)
	delay := time.Duration(l.delay.Load())
	if delay == 0 || l.late.Add(1) > maxLate {
		if delay != 0 {
			l.late.Add(-1)
		}
		end()
		return
	}
	l.wg.Go(func() {
		defer l.late.Add(-1)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		}
		end()
	})
}
