package h1

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// pump sends the rest of a request's body after its head. It is the only
// reader of the client and the only writer of the upstream until it returns.
func (e *exchange) pump(up *upstream.Conn) {
	defer e.pumps.Done()
	defer e.ended.Store(true)
	v := &e.rest
	if v.buf == nil {
		v.buf = e.conn.srv.buffers.Get(largeBuffer)
	}
	for !e.read.Load() {
		v.r, v.w = 0, 0
		n, err := e.conn.net.Read(v.buf)
		if err != nil {
			e.readingEnded(err, up)
			return
		}
		v.w = n
		e.conn.show(event.ToServer, v.buf[:n])
		if !e.pumpOn(up) {
			return
		}
	}
}

// pumpOn sends what has been read, after a look at it.
func (e *exchange) pumpOn(up *upstream.Conn) bool {
	v := &e.rest
	n, _, done, err := e.reqBody.Next(v.bytes())
	e.taken += int64(n)
	limit := e.limit()
	switch {
	case err != nil:
		return e.breakOff(hop.DownstreamFault(err), up)
	case limit > 0 && e.reqBody.Payload > limit:
		return e.breakOff(hop.BodyTooLarge, up)
	case done: // told before it is sent: the answer may be here sooner than we return
		e.requestEnd = time.Now().UnixNano()
		e.conn.completed(e.requestEnd)
		e.read.Store(true)
	}
	sent, err := up.Write(v.buf[:n])
	v.r += n
	e.pumped += int64(sent)
	if err != nil {
		e.sendErr = err // the answer, if one comes, tells why
		return false
	}
	e.conn.moved.Store(e.conn.srv.watch.Clock())
	return true
}

// readingEnded handles a client that sends no more.
func (e *exchange) readingEnded(err error, up *upstream.Conn) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded): // who set it knows why
	case err == io.EOF && e.req.Framing == http1.UntilClose:
	default:
		e.breakOff(hop.ClientGone, up)
	}
}

// breakOff ends the exchange because of what the client sent.
func (e *exchange) breakOff(f *hop.Failure, up *upstream.Conn) bool {
	e.why = f
	_ = up.SetReadDeadline(past) // wakes who waits for the answer
	return false
}

// lastWrite is how long the last piece of a body may take to be sent when the
// answer to it is already here.
const lastWrite = 100 * time.Millisecond

// stopPump waits for the pump, which has no reason to go on.
func (e *exchange) stopPump(up *upstream.Conn) {
	if !e.begun {
		return
	}
	if !e.ended.Load() {
		limit := past
		if e.read.Load() && e.done {
			limit = time.Now().Add(lastWrite)
		} else {
			e.keep = false
			_ = e.conn.net.SetReadDeadline(past)
		}
		_ = up.SetWriteDeadline(limit)
	}
	e.pumps.Wait()
	_ = up.SetWriteDeadline(time.Time{})
	e.a.X.RequestBytes += e.pumped
}
