package h2

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/socket"
)

// side is what the server's and the client's side of a connection do
// differently. All are called by the reading goroutine; those marked so with
// the connection's lock.
type side interface {
	// section takes a field section that came on a stream; large says that it
	// was over a limit, and is cut.
	section(id uint32, end bool, x *wire.Section, large bool) *wire.Error
	// goAway takes the peer's GOAWAY (locked).
	goAway(last uint32, c wire.Code)
	// idle reports whether a stream has never been used (locked).
	idle(id uint32) bool
	// begin starts the exchanges that the bytes read have begun.
	begin()
	// spare is called when the last stream has gone, or one (locked).
	spare()
	// deadline is when the side wants look to be called next, 0 for never (locked).
	deadline() int64
	// look does what is due (locked).
	look(now int64)
	// ponged takes the answer to a PING (locked).
	ponged(data [8]byte)
	// idled ends a connection that has had no stream for long (locked).
	idled()
}

// conn is a connection, in what both sides have in common.
type conn struct {
	o      *Limits
	mem    *memory
	side   side
	server bool // this side is
	nc     *socket.Stream
	raw    syscall.RawConn
	watch  func(d event.Dir, at int64, b []byte)

	// The reading goroutine's own.
	reader
	onRead func(fd uintptr) bool // bound once

	mu sync.Mutex // guards all below
	output

	streams table
	open    int // streams that count against limits of how many there may be
	past    past
	touched []*stream // in the bytes in hand
	held    []*stream // that wait for the output or the connection's window

	recvWindow int // bytes that the peer may still send
	credit     int // bytes taken and not given back to it yet
	sendWindow int
	peer       peerSettings

	guards    guards
	alive     keepalive
	acked     bool // our SETTINGS are known to the peer
	began     int64
	quiet     int64 // since when there has been no stream; 0 while there is one
	resting   bool  // a wait is ended only for the goroutine to change
	rested    bool  // it was, since quiet
	going     goingAway
	goAwayAt  int64       // when the second GOAWAY of a drain is due
	readAt    int64       // when something was read last
	lastSeen  uint32      // highest stream that the peer opened and we took
	wrong     *wire.Error // for which we ended it
	fate      error       // why the connection can serve no stream any more
	closing   bool        // it ends as soon as its output is written
	timer     *time.Timer
	armed     int64
	watchEnds bool
	done      chan struct{} // closed when reading has ended

	helpers sync.WaitGroup // goroutines that write
}

// goingAway is how far a drain has come.
type goingAway uint8

const (
	staying   goingAway = iota
	announced           // GOAWAY with the highest id: the peer is to open no more streams
	decided             // GOAWAY with the last stream that is served
)

// peerSettings are what the peer has said, or the defaults.
type peerSettings struct {
	maxFrame   int
	window     int // of new streams
	maxStreams uint32
	connect    bool // extended CONNECT (RFC 8441)
	known      bool // its first SETTINGS has come
}

// errNoLink says that TLS cannot be read without waiting inside of it.
var errNoLink = errors.New("h2: TLS was not made over a socket.Link")

func (c *conn) init(o *Limits, mem *memory, nc *socket.Stream) {
	c.o, c.mem, c.nc = o, mem, nc
	c.began = time.Now().UnixNano()
	c.now, c.quiet = c.began, c.began
	c.done = make(chan struct{})
	c.dec.Begin(wire.Strict, wire.Limits{List: o.HeaderList, Fields: o.Headers})
	c.enc = wire.NewEncoder(o.Table)
	c.peer = peerSettings{maxFrame: wire.DefaultMaxFrame, window: wire.DefaultWindow, maxStreams: DefaultUpstreamStreams}
	c.sendWindow, c.recvWindow = wire.DefaultWindow, o.ConnWindow
	c.guards.init(o, c.began)
	c.alive = keepalive{o: o, heard: c.began}
	if c.raw, c.ended = nc.Socket.SyscallConn(); c.ended == nil && nc.TLS != nil && nc.Link() == nil {
		c.ended = errNoLink
	}
	c.onRead, c.onWrite = c.readable, c.writable
	c.ceased.L = &c.mu
}

// greet sends SETTINGS and makes the connection's window what it is to be.
func (c *conn) greet(first string, settings []wire.Setting) {
	c.mu.Lock()
	c.room(len(first) + 128)
	c.out = append(c.out, first...)
	c.out = wire.AppendSettings(c.out, settings...)
	if more := c.o.ConnWindow - wire.DefaultWindow; more > 0 {
		c.out = wire.AppendWindowUpdate(c.out, 0, uint32(more))
	}
	c.arm(c.began + int64(c.o.Settings))
	if at := c.side.deadline(); at != 0 {
		c.arm(at)
	}
	c.mu.Unlock()
}

// settings are those that both sides send.
func (c *conn) settings() []wire.Setting {
	all := []wire.Setting{
		{ID: wire.SettingInitialWindowSize, Value: uint32(c.o.Window)},
		{ID: wire.SettingMaxHeaderListSize, Value: uint32(c.o.HeaderList)},
	}
	if c.o.Table != wire.DefaultTableSize {
		all = append(all, wire.Setting{ID: wire.SettingHeaderTableSize, Value: uint32(c.o.Table)})
	}
	if c.o.MaxFrame != wire.DefaultMaxFrame {
		all = append(all, wire.Setting{ID: wire.SettingMaxFrameSize, Value: uint32(c.o.MaxFrame)})
	}
	return all
}

// run reads until the connection is over, and leaves nothing behind. With
// errRest another goroutine is to go on with it.
func (c *conn) run(first []byte) error {
	err := c.read(first)
	if err == errRest {
		return err
	}
	c.mu.Lock()
	c.end(cause(err))
	for _, s := range c.streams.slots {
		if s != nil {
			c.touch(s)
		}
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	c.batched()
	c.finish(err)
	close(c.done)
	return err
}

// cause is the end of reading in the words of package relay.
func cause(err error) error {
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return relay.ErrClosed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return relay.ErrReset
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
		return relay.ErrInterrupted
	}
	return err
}

// finish closes the socket: after a fault of the peer's so that it can read why.
func (c *conn) finish(err error) {
	var fault *wire.Error
	c.flush()
	if errors.As(err, &fault) || errors.Is(err, os.ErrDeadlineExceeded) {
		c.linger()
	}
	_ = c.nc.Close() // what could fail has been seen by read and write
	c.helpers.Wait()
	c.mu.Lock()
	c.dropOutput()
	c.mu.Unlock()
	c.r = c.w
	c.relax()
}

// linger takes what the peer still sends, for a while: closing with unread bytes
// would reset the connection, and the last frames with it.
func (c *conn) linger() {
	_ = c.nc.SetDeadline(time.Now().Add(c.o.Linger))
	c.mu.Lock()
	for c.writing {
		c.ceased.Wait()
	}
	c.mu.Unlock()
	_ = c.nc.CloseWrite()
	b := c.mem.get(medium)
	for {
		if _, err := c.nc.Read(b[:cap(b)]); err != nil {
			break
		}
	}
	c.mem.put(b)
}

// end fails all streams. Locked.
func (c *conn) end(err error) {
	if c.fate == nil {
		c.fate = err
	}
	for _, s := range c.streams.slots {
		if s != nil && !s.closed() {
			s.unsent = s.headAt >= c.place()-int64(len(c.out)) // it has not left the output
			s.fail(c.fate)
		}
	}
	for _, s := range c.held {
		s.held = false
		s.w.Signal()
	}
	c.held = c.held[:0]
}

// shut breaks the connection off. It may be called from any goroutine.
func (c *conn) shut() {
	c.mu.Lock()
	if c.fate == nil {
		c.fate = relay.ErrInterrupted
	}
	c.mu.Unlock()
	_ = c.nc.Close()
}

// broke is what broke the connection, nil where it ended in order.
func (c *conn) broke() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrong != nil {
		return c.wrong
	}
	if errors.Is(c.fate, relay.ErrReset) {
		return c.fate
	}
	return nil
}

// leave removes a stream that nobody uses any more. Locked.
func (c *conn) leave(s *stream) {
	c.streams.remove(s.id)
	c.past.add(s.id, s.how)
	if c.streams.n == 0 {
		c.streams.shrink()
		c.quiet, c.rested = time.Now().UnixNano(), false
		c.armIdle()
	}
	c.side.spare()
	s.left = true
	if !s.touched {
		s.user.recycle()
	}
}

// shutWhenWritten ends the connection once its output has gone. Locked.
func (c *conn) shutWhenWritten() {
	if c.closing {
		return
	}
	c.closing = true
	if !c.writing && len(c.out) == 0 {
		c.hangUp()
		return
	}
	c.kick()
}

// hangUp ends the connection from our side, in order.
func (c *conn) hangUp() { _ = c.nc.SetReadDeadline(time.Unix(1, 0)) }
