package h1

import (
	"bytes"
	"context"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/tap"
)

// conn is a client's connection, and the one request that is under way on it.
// One goroutine serves it and carries out its exchanges.
type conn struct {
	srv  *Server
	ctx  context.Context // what upstream hosts are dialled with
	done func()          // to be called when the connection is over
	net  *socket.Stream
	raw  syscall.RawConn
	info *relay.Info
	in   reader
	out  writer
	req  http1.Head

	passed tap.Passed // what was shown

	served bool // there was a request before
	handed bool // the client speaks HTTP/2
	keep   bool // the connection may be used again
	tunnel bool // it has become opaque
	headed bool // the answer's head has been written
	abort  bool // it has to be reset, so that the client sees that the answer is cut
	over   bool // no request will be read any more
	linger bool // and the client may still send
	rests  bool // it has waited for so long that another goroutine is to go on

	watching
}

// phase is what a connection is at.
type phase uint8

const (
	idle    phase = iota // waits for a request
	heading              // has part of a request's head
	busy                 // has an exchange under way
)

// cut says why a phase was ended.
type cut uint8

const (
	notCut   cut = iota
	cutRest      // nothing is: only the goroutine is to change
	cutIdle      // nothing came for long
	cutDrain     // no further request is wanted
	cutHead      // the head took too long
	cutStop      // the proxy ends
)

// watching is what the watch knows of a connection.
type watching struct {
	watched relay.Watched
	mu      sync.Mutex // guards what follows
	phase   phase
	again   bool // there was a request before
	quiet   bool // the wait for the next has been long, and has changed goroutines
	cut     cut
	since   int64
	gone    func() // of the exchange
	probe   func(fd uintptr)
	left    bool // what the probe found
}

func newConn(v *Server, s *socket.Stream, info hop.Info) (*conn, error) {
	raw, err := s.Socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{srv: v, net: s, raw: raw, info: v.engine.Enter(info, s.TLS != nil)}
	c.in = reader{from: s, pool: v.pool, limits: v.o.Limits}
	c.out = writer{to: s, pool: v.pool}
	c.in.show = func(b []byte) { c.show(event.ToServer, b) }
	c.out.show = func(b []byte) { c.show(event.ToClient, b) }
	c.watched.Look = c.look
	c.probe = func(fd uintptr) { c.left = ended(fd, s.TLS != nil) }
	return c, nil
}

func (c *conn) begin(first []byte) {
	c.enter(idle, c.info.Accepted)
	c.srv.engine.Watch().Add(&c.watched, c.info.ID)
	c.showOpen()
	c.take(first)
}

// serve reads and carries out requests until the connection is over, in one
// goroutine at a time: a connection that rests goes on in a new one.
func (c *conn) serve() {
	for !c.over && c.readHead() {
		c.srv.engine.Carry(c.ctx, c)
		c.conclude()
	}
	if c.rests {
		c.rests = false
		go c.resume()
		return
	}
	c.close()
}

// resume is serve in a new goroutine, whose stack is as small as they come
// until there is something to do.
func (c *conn) resume() {
	_ = socket.Await(c.raw) // the read that follows fails as well
	c.serve()
}

// take handles bytes that were read by somebody else.
func (c *conn) take(first []byte) {
	if len(first) == 0 {
		return
	}
	c.in.buf = c.srv.pool.Get(max(smallBuffer, len(first)))
	c.in.w = copy(c.in.buf, first)
	c.in.began = time.Now().UnixNano()
	c.show(event.ToServer, first)
}

// readHead waits for a request's head: false when there will be none.
func (c *conn) readHead() bool {
	for {
		if !c.in.empty() {
			n, err := c.req.ParseRequest(c.in.buf[c.in.r:c.in.w], http1.Strict, c.srv.o.Limits)
			switch {
			case err != nil && c.speaksHTTP2():
				c.handed = true
				return false
			case err != nil:
				c.refuse(func() { c.srv.engine.Malformed(c, err) })
				return false
			case n > 0:
				c.accept(n)
				return true
			}
			c.enterHeading()
		}
		if err := c.in.fill(); err != nil {
			if c.rests = c.awake(); !c.rests {
				c.interrupted()
			}
			return false
		}
	}
}

// speaksHTTP2 reports whether the client began the connection with HTTP/2's
// preface, and somebody serves that.
func (c *conn) speaksHTTP2() bool {
	return !c.served && c.srv.o.HTTP2 != nil && hop.Preface(c.in.buf[c.in.r:c.in.w])
}

// handOver gives the connection to who serves HTTP/2.
func (c *conn) handOver() {
	first := bytes.Clone(c.in.buf[c.in.r:c.in.w])
	c.in.release()
	c.awake() // it may just have been put to rest
	if c.why() == notCut {
		go c.srv.o.HTTP2(c.ctx, c.net, first, c.info.Info, c.passed.Clone(), c.done)
		return
	}
	_ = c.net.Close() // it ends at once
	c.done()
}

// accept begins the exchange of the request whose head, n bytes long, was read.
func (c *conn) accept(n int) {
	c.served = true
	c.enter(busy, c.in.began)
	c.keep, c.headed = !c.req.Close, false
	c.in.begin(n, c.req.Framing, c.req.Length)
}

// refuse has a head answered that cannot be read.
func (c *conn) refuse(answer func()) {
	c.enter(busy, c.in.began)
	c.keep, c.headed = false, false
	c.req.Method, c.req.Minor = nil, 1
	c.in.received = int64(c.in.w - c.in.r)
	answer()
	c.conclude()
}

// interrupted handles the end of reading between two requests or within a head.
func (c *conn) interrupted() {
	c.over = true
	switch c.why() {
	case cutHead:
		c.refuse(func() { c.srv.engine.Refuse(c, hop.HeadTimeout) })
	case cutIdle:
		c.srv.engine.Stats().IdleTimeout()
	}
}

// conclude decides about the connection after an exchange.
func (c *conn) conclude() {
	if c.tunnel || !c.keep || c.out.err != nil || !c.in.ended.Load() {
		c.over = true
		c.linger = !c.abort && c.out.err == nil && !c.tunnel && (!c.in.ended.Load() || !c.in.empty())
		return
	}
	c.out.release()
	c.out.next()
	c.in.next()
	c.req.Reset()
	if now := time.Now().UnixNano(); c.in.empty() && (!c.enter(idle, now) || c.srv.engine.Draining()) {
		c.over = true
	}
}

// close ends the connection: by a reset where the client has to see that the
// answer is cut, else so that it can read what was sent before.
func (c *conn) close() {
	c.srv.engine.Watch().Remove(&c.watched)
	if c.handed {
		c.handOver()
		return
	}
	c.showClose()
	switch {
	case c.abort:
		c.net.Abort()
		_ = c.net.Socket.Close() // under TLS, without a close_notify: it would tell of an end in order
	case c.linger:
		c.drain()
	}
	_ = c.net.Close() // what could fail has been seen by read and write
	c.in.ended.Store(false)
	c.in.next()
	c.in.release()
	c.out.release()
	c.done()
}

// drain takes what the client still sends, for a while: closing with unread
// bytes would reset the connection, and the answer with it (RFC 9112, 9.6).
func (c *conn) drain() {
	if c.net.CloseWrite() != nil || c.net.SetReadDeadline(time.Now().Add(c.srv.o.Linger)) != nil {
		return
	}
	b := c.srv.pool.Get(smallBuffer)
	defer c.srv.pool.Put(b)
	var from io.Reader = c.net.Socket // what is under TLS matters to nobody any more
	for {
		if _, err := from.Read(b); err != nil {
			return
		}
	}
}
