package h1

import (
	"bytes"
	"context"
	"net/netip"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/tap"
)

// conn is a client's connection. One goroutine serves it, and so does the
// upstream side of its exchanges; a second runs only while a request's body
// streams or a tunnel is open.
type conn struct {
	watch
	srv    *Server
	ctx    context.Context // ends with the proxy; what upstream hosts are dialled with
	net    socket.Conn
	raw    syscall.RawConn
	out    event.Emitter
	info   Info
	peer   string                // name of the client's service, where it has one
	passed tap.Passed            // what was shown of it
	onRead func(fd uintptr) bool // bound once
	done   func()                // to be called when the connection is over

	in      window
	e       *exchange // nil while the connection waits for a request
	inside  bool      // within onRead, where nobody else can wait for the socket
	pending bool      // e is to be carried out outside of onRead
	partial bool      // a head has come in part
	over    bool      // no request will be read any more
	rests   bool      // it has waited for so long that another goroutine is to go on
	abort   bool      // and the client has to be reset
	linger  bool      // and the client may still send
	err     error     // what ended reading
	started int64     // first byte of the request
	served  bool      // there was a request before
	handed  bool      // the client speaks HTTP/2
}

func newConn(s *Server, ctx context.Context, nc socket.Conn, info Info) (*conn, error) {
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &conn{srv: s, ctx: ctx, net: nc, raw: raw, info: info, out: s.o.Publish(info.ID)}
	c.shard = &s.watch.shards[uint64(info.ID)%uint64(len(s.watch.shards))]
	c.onRead = c.readable
	c.peer = s.lookup(info.Client)
	return c, nil
}

func (s *Server) lookup(a netip.AddrPort) string {
	if s.o.Names == nil || !a.IsValid() {
		return ""
	}
	return s.o.Names.Lookup(a)
}

func (c *conn) begin(first []byte) {
	c.enter(fresh, c.info.Accepted)
	c.showOpen()
	c.take(first)
}

// serve reads and carries out requests until the connection is over, in one
// goroutine at a time: a connection that rests goes on in a new one.
func (c *conn) serve() {
	for !c.over {
		if c.pending {
			c.pending = false
			c.carryOut()
			c.proceed()
			continue
		}
		if c.wait(); c.rests {
			c.rests = false
			go c.resume()
			return
		}
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
	c.in.buf = c.srv.buffers.Get(max(smallBuffer, len(first)))
	c.in.w = copy(c.in.buf, first)
	c.show(event.ToServer, first)
	c.started = time.Now().UnixNano()
	c.proceed()
}

// wait waits for bytes and handles them. All requests that can be are carried
// out inside one call of RawConn.Read. That saves a system call a request: a
// Read begins with forgetting what the poller has said, so that it must try
// first and mostly learns that nothing is there; inside of it nothing is forgotten.
func (c *conn) wait() {
	c.inside = true
	err := c.raw.Read(c.onRead)
	c.inside = false
	if err != nil && !c.over && !c.pending {
		if c.rests = c.awake(); c.rests {
			return
		}
		c.err = err
		c.interrupted()
	}
}

// readable reads and handles what is there. False waits for more.
func (c *conn) readable(fd uintptr) bool {
	for {
		c.in.room(&c.srv.buffers)
		space := c.in.space()
		n, err := readSocket(fd, space)
		if err != nil {
			c.err = err
			c.interrupted()
			return true
		}
		if n == 0 {
			c.rest()
			return false
		}
		if c.in.empty() {
			c.started = time.Now().UnixNano()
		}
		c.in.w += n
		c.show(event.ToServer, space[:n])
		c.proceed()
		switch {
		case c.over, c.pending:
			return true
		case n < len(space) && c.in.buf == nil:
			return false // all was read, so more will be announced
		}
	}
}

// rest gives the buffer back when nothing is in it.
func (c *conn) rest() {
	if c.in.buf != nil && c.in.empty() {
		c.in.release(&c.srv.buffers)
	}
}

// proceed carries out the requests that are in the buffer, as far as they are
// whole enough.
func (c *conn) proceed() {
	for !c.over && !c.pending {
		if c.in.empty() {
			c.rest()
			c.recycle()
			return
		}
		if c.e == nil {
			c.e = c.srv.exchanges.Get().(*exchange)
			c.e.conn = c
		}
		e := c.e
		n, err := e.req.ParseRequest(c.in.bytes(), http1.Strict, c.srv.o.Limits)
		switch {
		case err != nil && c.speaksHTTP2():
			c.over, c.handed = true, true
			return
		case err != nil:
			e.begin(0)
			e.refuse(err)
			c.conclude()
			return
		case n == 0:
			if !c.partial {
				c.partial = true
				c.over = !c.enter(heading, c.started)
			}
			return
		}
		e.begin(n)
		c.partial, c.served = false, true
		if c.inside && e.needsSocket() {
			c.pending = true
			return
		}
		c.carryOut()
	}
}

// speaksHTTP2 reports whether the client began the connection with HTTP/2's
// preface, and somebody serves that.
func (c *conn) speaksHTTP2() bool {
	return !c.served && c.srv.o.HTTP2 != nil && hop.Preface(c.in.bytes())
}

// handOver gives the connection to who serves HTTP/2.
func (c *conn) handOver() {
	first := bytes.Clone(c.in.bytes())
	c.in.release(&c.srv.buffers)
	c.recycle()
	if c.why() == notCut {
		go c.srv.o.HTTP2(c.ctx, c.net, first, c.info, c.passed.Clone(), c.done)
		return
	}
	_ = c.net.Close() // it ends at once
	c.done()
}

// carryOut carries out the exchange whose head has been read.
func (c *conn) carryOut() {
	e := c.e
	e.run()
	if c.conclude(); c.over {
		return
	}
	c.started = e.x.End // of a request that is in the buffer already
	if c.in.empty() && (!c.enter(resting, e.x.End) || c.srv.draining.Load()) {
		c.over = true
	}
}

// conclude tells the exchange and decides about the connection.
func (c *conn) conclude() {
	e := c.e
	e.finish()
	if e.host != nil {
		defer e.pass.Done(e.host)
	}
	switch {
	case e.tunnel != nil:
		c.over = true
		c.carryTunnel(e.tunnel)
	case !e.keep:
		c.over = true
		c.abort = e.abort
		c.linger = !e.gone && !e.abort && (!e.read.Load() || !c.in.empty())
	}
}

// recycle gives the exchange's memory back.
func (c *conn) recycle() {
	if e := c.e; e != nil {
		c.e = nil
		e.reset()
		c.srv.exchanges.Put(e)
	}
}

// interrupted handles the end of reading between two requests or within a head.
func (c *conn) interrupted() {
	c.over = true
	switch c.why() {
	case cutHead:
		c.e.begin(0)
		c.e.reply(hop.HeadTimeout)
		c.conclude()
	case cutIdle:
		c.srv.o.Stats.IdleTimeout()
	}
}

// close ends the connection: by a reset where the client has to see that the
// answer is cut, else so that it can read what was sent before.
func (c *conn) close() {
	c.shard.mu.Lock()
	c.shard.move(c, unwatched)
	c.shard.mu.Unlock()
	if c.handed {
		c.handOver()
		return
	}
	c.showClose()
	switch {
	case c.abort:
		socket.Abort(c.net)
	case c.linger:
		c.drain()
	}
	_ = c.net.Close() // what could fail has been seen by read and write
	c.in.release(&c.srv.buffers)
	c.recycle()
	c.done()
}

// drain takes what the client still sends, for a while: closing with unread
// bytes would reset the connection, and the answer with it (RFC 9112, 9.6).
func (c *conn) drain() {
	if c.net.CloseWrite() != nil || c.net.SetReadDeadline(time.Now().Add(c.srv.o.Linger)) != nil {
		return
	}
	b := c.srv.buffers.Get(smallBuffer)
	defer c.srv.buffers.Put(b)
	for {
		if _, err := c.net.Read(b); err != nil {
			return
		}
	}
}
