package h1

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// headroom is left before an answer in its buffer, so that its head, rewritten
// and mostly longer, still fits before its body: both go out in one write.
const headroom = 1 << 10

// link is what this server keeps with an upstream connection.
type link struct {
	conn   *upstream.Conn
	e      *exchange // that uses it
	sent   bool
	onRead func(fd uintptr) bool // bound once
}

func linkOf(up *upstream.Conn) *link {
	if l, ok := up.State.(*link); ok {
		return l
	}
	l := &link{conn: up}
	l.onRead = l.readable
	up.State = l
	return l
}

// try makes one attempt: nil when the answer has been passed on to its end.
func (e *exchange) try(reuse bool) *hop.Failure {
	c := e.conn
	up, f := e.connect(reuse)
	if f != nil {
		e.a.Begin(&e.x, e.host, nil, e.now)
		e.arrive(f)
		return f
	}
	e.via = up
	e.a.Begin(&e.x, e.host, up, e.now)
	e.out = e.appendRequest(e.out[:0])
	e.out = append(e.out, e.body...)
	if c.attach(up, e.now, e.whole, e.pass.Timeout(), e.still()) {
		linkOf(up).exchange(e)
	}
	f = e.settle(up)
	e.arrive(f)
	return f
}

// still is how long nothing may move in the exchange.
func (e *exchange) still() time.Duration { return cmp.Or(e.route.Idle, e.conn.srv.o.StreamIdle) }

// connect takes a kept connection or makes one.
func (e *exchange) connect(reuse bool) (*upstream.Conn, *hop.Failure) {
	if reuse {
		if up := e.kept(); up != nil {
			e.reused = true
			return up, nil
		}
	}
	c := e.conn
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	c.attach(nil, e.now, e.whole, e.pass.Timeout(), e.still())
	c.onCut(stop)
	up, reused, err := e.host.Connect(ctx, upstream.Ask{
		High: e.pass.Want.High, Fresh: !reuse, Again: e.repeatable(), Now: e.now, Timed: e.whole && e.pass.Timeout() > 0,
	})
	c.onCut(nil)
	if err == nil {
		e.reused = reused
		return up, nil
	}
	switch why := c.why(); {
	case c.ctx.Err() != nil:
		return nil, hop.ProxyEnds
	case why != notCut:
		return nil, e.cutCause(why)
	}
	return nil, hop.ConnectFault(err)
}

// kept takes a kept connection, which is looked at when the request could not
// be sent a second time.
func (e *exchange) kept() *upstream.Conn {
	if e.repeatable() {
		return e.host.GetFor(e.conn.ctx, e.now)
	}
	return e.host.GetFor(e.conn.ctx, 0)
}

// exchange sends e's request and reads the answer, inside of one Read: the
// poller forgets what it has said when Read begins, which is before the request
// goes out, so nothing of the answer is missed by waiting at once.
func (l *link) exchange(e *exchange) {
	l.e, l.sent = e, false
	err := l.conn.Raw().Read(l.onRead)
	l.e = nil
	if err != nil && e.readErr == nil {
		e.readErr = err
	}
}

// readable sends the request when it is called first, then passes on what is
// there of the answer. False waits for more.
func (l *link) readable(fd uintptr) bool {
	e := l.e
	if !l.sent {
		l.sent = true
		if e.send(l.conn) {
			return false
		} // else there may be an answer that tells why
	}
	for {
		n, err := readSocket(fd, e.space())
		if err != nil {
			e.readErr = err
			e.upstreamEnded()
			return true
		}
		if n == 0 {
			return false
		}
		if e.a.X.FirstByte == 0 {
			e.a.X.FirstByte = time.Now().UnixNano()
		}
		e.up.w += n
		e.a.X.ResponseBytes += int64(n)
		if e.received() {
			return true
		}
	}
}

// space is where to read the answer to.
func (e *exchange) space() []byte {
	p := &e.conn.srv.buffers
	v := &e.up
	switch {
	case v.buf == nil:
		v.buf = p.Get(largeBuffer)
		fallthrough
	case v.empty() && !e.answered:
		v.r, v.w = headroom, headroom
	default:
		v.room(p)
	}
	return v.space()
}

// send writes the request, or its beginning, and lets the rest follow.
func (e *exchange) send(up *upstream.Conn) bool {
	n, err := up.Write(e.out)
	e.written = int64(n)
	e.a.X.RequestBytes = e.written
	if err != nil {
		e.sendErr = err
		return false
	}
	if !e.whole {
		e.begun = true
		e.ended.Store(false)
		e.pumps.Add(1)
		go e.pump(up)
	}
	return true
}

// settle ends the use of an upstream connection.
func (e *exchange) settle(up *upstream.Conn) *hop.Failure {
	why := e.conn.detach()
	e.stopPump(up)
	switch {
	case e.tunnel != nil:
		return nil
	case e.done && e.reusable(why):
		e.host.Put(up)
		return nil
	}
	_ = up.Close() // it has told what it had to
	if e.done {
		return nil
	}
	return e.cause(why)
}

// reusable reports whether the connection is between two exchanges now.
func (e *exchange) reusable(why cut) bool {
	return why == notCut && e.sendErr == nil && e.read.Load() && !e.resp.Close && e.up.empty()
}

// cause is why an attempt came to no good end.
func (e *exchange) cause(why cut) *hop.Failure {
	switch {
	case why != notCut:
		return e.cutCause(why)
	case e.gone:
		return hop.ClientGone
	case e.broken != nil:
		return e.broken
	case e.why != nil:
		return e.why
	case errors.Is(e.readErr, net.ErrClosed), e.conn.ctx.Err() != nil:
		return hop.ProxyEnds
	}
	return e.lost()
}

func (e *exchange) cutCause(why cut) *hop.Failure {
	switch why {
	case cutRoute:
		return hop.AnswerTimeout
	case cutHead:
		return hop.HeadTimeout
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

// lost is for an upstream that went away.
func (e *exchange) lost() *hop.Failure {
	reset := errors.Is(e.readErr, syscall.ECONNRESET) || errors.Is(e.sendErr, syscall.ECONNRESET)
	switch {
	case e.answered && reset:
		return hop.UpstreamBroke
	case e.answered:
		return hop.UpstreamCut
	case reset:
		return hop.UpstreamReset
	}
	return hop.UpstreamClosed
}

// upstreamEnded handles the end of the upstream's bytes.
func (e *exchange) upstreamEnded() {
	if e.answered && e.readErr == io.EOF && e.untilClose() {
		e.done = true
	}
}
