package h2

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
)

// stream is one exchange's part of a connection. The connection's lock guards
// all of it but what says otherwise.
type stream struct {
	c  *conn
	id uint32 // 0 before it is opened

	user user // never changes

	recvEnd bool  // the peer has sent all
	sentEnd bool  // we have
	how     how   // how it was reset, if it was; inOrder when both have sent all
	counted bool  // among the connection's open streams
	left    bool  // its user has gone
	touched bool  // is in the reader's list
	held    bool  // is in the connection's list of those that wait
	err     error // why no more comes
	sendErr error // why no more is taken
	unsent  bool  // the peer has surely not acted on it

	in         []byte // body that waits to be taken
	lent       []byte // body that was taken last
	recvWindow int    // bytes that the peer may still send
	credit     int    // bytes taken and not given back to it yet
	need       int64  // bytes that Content-Length says are still to come; -1 where it does not

	sendWindow int

	r, w     sync.Cond // for what comes; for room to write
	waits    bool      // somebody waits on r
	headOnly bool      // who waits on w needs no window
	noNext   bool      // interrupted: what comes
	noWrite  bool      // and what goes
	told     func()    // told when there is something to be taken
	headed   bool      // there is a head to be taken
	gone     func()    // told when the peer breaks off
	toldGone bool
	isGone   bool
	inGone   bool // gone runs
	noBody   bool // of what comes, whatever Content-Length says: to HEAD, 204, 304
	early    bool // for a body: the head that it belongs to has not come

	text     []byte // of fields that came
	fields   []http1.Field
	trailers []http1.Field

	beganAt        int64 // when the first of what came was there
	received, sent int64 // bytes, heads and framing included
	headAt         int64 // place in the output of what opened it
}

// user is what a stream is a part of.
type user interface {
	recycle() // takes the memory of a stream that nobody uses any more (locked)
	alone()   // is called before somebody waits for the stream (locked)
}

// open makes s one of c's streams. Locked.
func (s *stream) open(c *conn, id uint32) {
	s.c, s.id = c, id
	s.recvWindow, s.sendWindow = c.o.Window, c.peer.window
	if !c.acked {
		s.recvWindow = max(s.recvWindow, wire.DefaultWindow) // the peer may not know better
	}
	s.need = -1
	s.counted = true
	c.open++
	c.streams.put(s)
	c.quiet = 0
}

// forget makes s ready for another use. Locked.
func (s *stream) forget() {
	for _, b := range [][]byte{s.in, s.lent} {
		if b != nil {
			s.c.mem.put(b)
		}
	}
	text, fields, trailers := s.text[:0], s.fields[:0], s.trailers[:0]
	if cap(text) > large {
		text = nil
	}
	clear(fields[:cap(fields)])
	s.c, s.id = nil, 0
	s.recvEnd, s.sentEnd, s.how, s.counted, s.left, s.touched, s.held = false, false, forgotten, false, false, false, false
	s.err, s.sendErr, s.unsent, s.in, s.lent, s.credit = nil, nil, false, nil, nil, 0
	s.waits, s.headOnly, s.noNext, s.noWrite, s.noBody, s.early = false, false, false, false, false, false
	s.gone, s.toldGone, s.isGone, s.inGone, s.told, s.headed = nil, false, false, false, nil, false
	s.text, s.fields, s.trailers = text, fields, trailers
	s.beganAt, s.received, s.sent, s.headAt = 0, 0, 0, 0
}

// closed reports whether the protocol is done with s. Locked.
func (s *stream) closed() bool { return s.how != forgotten }

// hold keeps a piece of body that came. Locked.
func (s *stream) hold(data []byte, end bool) *wire.Error {
	if s.early { // RFC 9113, 8.1
		return &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: "DATA before the answer's head"}
	}
	if s.noBody && len(data) > 0 { // RFC 9110, 6.4.1
		return &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: "DATA in an answer that has no content"}
	}
	if s.need >= 0 {
		s.need -= int64(len(data))
		if s.need < 0 || end && s.need > 0 { // RFC 9113, 8.1.1
			return &wire.Error{Code: wire.ProtocolError, Stream: s.id, Reason: "the body is not as long as content-length says"}
		}
	}
	if len(data) > 0 {
		s.in = append(s.c.mem.grow(s.in, len(data)), data...)
	}
	return nil
}

// endRecv notes that the peer has sent all. Locked.
func (s *stream) endRecv() {
	s.recvEnd = true
	if s.sentEnd {
		s.close(inOrder)
	}
}

// endSent notes that we have. Locked.
func (s *stream) endSent() {
	s.sentEnd = true
	if s.recvEnd {
		s.close(inOrder)
	}
}

func (s *stream) close(h how) {
	if s.how == forgotten {
		s.how = h
	}
	if s.counted {
		s.counted = false
		s.c.open--
		s.c.side.spare()
	}
}

// reset resets s and has its calls fail with err. Locked.
func (s *stream) reset(code wire.Code, err error) {
	if s.how == forgotten && s.id != 0 {
		s.c.sendReset(s.id, code)
		s.sent += wire.HeaderSize + 4
	}
	s.close(byUs)
	s.discard()
	s.fail(err)
}

// brokenByPeer takes its RST_STREAM: what has come stays good, and what has
// come to its end is not touched by it. Locked.
func (s *stream) brokenByPeer(code wire.Code) {
	s.unsent = s.unsent || code == wire.RefusedStream // RFC 9113, 8.7
	s.close(byPeer)
	s.fail(resetError{code})
}

// fail has calls fail with err from now on. Locked.
func (s *stream) fail(err error) {
	if s.err == nil && !s.recvEnd {
		s.err = err
	}
	if s.sendErr == nil {
		s.sendErr = err
	}
	s.isGone = s.isGone || !s.recvEnd || !s.sentEnd
	s.r.Signal()
	s.w.Signal()
	s.tellNews()
}

// tellNews tells whoever asked that there is something to be taken. Locked.
func (s *stream) tellNews() {
	if f := s.told; f != nil && s.arrived() {
		s.told = nil
		f()
	}
}

// arrived reports whether there is more to be taken than a head. Locked.
func (s *stream) arrived() bool {
	return s.headed || len(s.in) > 0 || s.recvEnd || s.err != nil || s.noNext
}

// callGone tells whoever asked that the peer has broken off. Locked, though not
// while it calls.
func (s *stream) callGone() {
	if !s.isGone || s.gone == nil || s.toldGone {
		return
	}
	f, mu := s.gone, &s.c.mu
	s.toldGone, s.inGone = true, true
	mu.Unlock()
	f()
	mu.Lock()
	s.inGone = false
	s.w.Broadcast()
}

// discard drops body that nobody will take. Locked.
func (s *stream) discard() {
	if s.in != nil {
		s.c.takenBack(len(s.in))
		s.c.mem.put(s.in)
		s.in = nil
	}
}

// blame is what an exchange hears of a fault of its peer's.
func (s *stream) blame(err *wire.Error) error {
	status := 502
	if s.c.server {
		status = 400
	}
	return fmt.Errorf("%w (%s)", &http1.Error{Status: status, Detail: "http2.protocol_error"}, err.Reason)
}

// Next implements relay.Body.
func (s *stream) Next() ([]byte, error) {
	c := s.c
	c.mu.Lock()
	flush := s.taken()
	for len(s.in) == 0 {
		var err error
		switch {
		case s.recvEnd:
			err = io.EOF
		case s.err != nil:
			err = s.err
		case s.noNext:
			err = relay.ErrInterrupted
		}
		if err != nil {
			c.mu.Unlock()
			if flush {
				c.flush()
			}
			return nil, err
		}
		flush = false
		s.wait()
	}
	s.lent, s.in = s.in, nil
	b := s.lent
	c.mu.Unlock()
	if flush {
		c.flush()
	}
	return b, nil
}

// wait waits for something to come, when what was written is on its way. Locked.
func (s *stream) wait() {
	if s.c.settle() {
		return
	}
	s.user.alone()
	s.waits = true
	s.r.Wait()
	s.waits = false
}

// settle has the output flushed where nobody else does; it reports whether it
// had to give the lock away for that. Locked.
func (c *conn) settle() bool {
	if c.writing || len(c.out) == 0 || c.writeErr != nil {
		return false
	}
	c.mu.Unlock()
	c.flush()
	c.mu.Lock()
	return true
}

// taken gives what was lent back to the flow of the peer's bytes, and reports
// whether that is to be flushed. Locked.
func (s *stream) taken() (flush bool) {
	if s.lent == nil {
		return false
	}
	n := len(s.lent)
	s.c.mem.put(s.lent)
	s.lent = nil
	return s.takenBack(n)
}

// takenBack notes n bytes of the stream as taken, and asks for more when they
// are many. It reports whether something is to be flushed. Locked.
func (s *stream) takenBack(n int) (flush bool) {
	s.credit += n
	flush = s.c.takenBack(n)
	if 2*s.credit < s.c.o.Window || s.recvEnd || s.closed() || s.c.writeErr != nil {
		return flush
	}
	s.c.room(wire.HeaderSize + 4)
	s.c.out = wire.AppendWindowUpdate(s.c.out, s.id, uint32(s.credit))
	s.c.tail = nil
	s.recvWindow += s.credit
	s.credit = 0
	return true
}

// Ready implements relay.Body.
func (s *stream) Ready() (n int, end bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return len(s.in), s.recvEnd
}

// Trailers implements relay.Body.
func (s *stream) Trailers() []http1.Field {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.trailers
}

// Wire implements relay.Client and relay.Upstream.
func (s *stream) Wire() relay.Wire {
	if s.c == nil {
		return relay.Wire{}
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return relay.Wire{Began: s.beganAt, Received: s.received, Sent: s.sent, Stream: s.id}
}

// Flush implements relay.Client and relay.Upstream.
func (s *stream) Flush() error {
	s.c.flush()
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.sentEnd {
		return s.c.writeErr
	}
	return s.sendErr
}

// Fault implements relay.Faulty.
func (s *stream) Fault() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	var fault *http1.Error
	if errors.As(s.err, &fault) {
		return s.err
	}
	return nil
}
