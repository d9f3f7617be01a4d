package h2

import (
	"errors"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/socket"
)

// output is what is to be written on a connection. All of it is guarded by the
// connection's lock, but for what is being written, which writing protects.
type output struct {
	out     []byte // appended to by everybody
	enc     *wire.Encoder
	lower   []byte  // for names in lower case
	control int     // frames in out that answer the peer's
	tail    *stream // whose DATA frame is the last in out
	tailAt  int     // where it begins

	writing  bool                  // somebody writes
	ceased   sync.Cond             // writing has become false
	slow     bool                  // and waits for the peer
	onWrite  func(fd uintptr) bool // bound once
	sending  []byte                // what is being written
	gone     int                   // bytes of it that were
	controls int                   // frames in it that answer the peer's
	failed   error                 // what the socket said; who writes alone knows it
	writeErr error                 // why nothing more is written

	written int64 // bytes written so far, or lost with the connection
}

const flushAt = 64 << 10 // bytes that are worth a write of their own

// room makes room for n more bytes in the output. Locked.
func (c *conn) room(n int) { c.out = c.mem.grow(c.out, n) }

// free is how many more bytes of exchanges the output takes. Locked.
func (c *conn) free() int { return c.o.Output - len(c.out) - len(c.sending) }

// answered counts a frame that answers one of the peer's. Locked.
func (c *conn) answered() *wire.Error {
	c.control++
	if c.control+c.controls > c.o.Control {
		return &wire.Error{Code: wire.EnhanceYourCalm, Reason: "answers to frames are asked for and not taken"}
	}
	return nil
}

// flush has the output written. Whoever comes first writes for all: he lets the
// others run once, so that they append theirs. It does not wait for the peer.
func (c *conn) flush() {
	if c.begins() {
		runtime.Gosched()
		c.pump()
	}
}

// send is flush for who has let the others run already.
func (c *conn) send() {
	if c.begins() {
		c.pump()
	}
}

// begins reports whether the caller is to write: nobody does, there is something,
// and writing does not wait.
func (c *conn) begins() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing || len(c.out) == 0 || c.writeErr != nil {
		return false
	}
	c.writing = true
	if c.nc.TLS != nil {
		c.help()
		return false
	}
	return true
}

// kick is flush for who has the lock.
func (c *conn) kick() {
	if !c.writing && len(c.out) > 0 && c.writeErr == nil {
		c.writing = true
		c.help()
	}
}

// help has another goroutine write. Locked.
func (c *conn) help() {
	c.helpers.Add(1)
	go c.helper()
}

func (c *conn) helper() {
	defer c.helpers.Done()
	if !c.slow {
		runtime.Gosched()
	}
	c.pump()
}

// pump writes until nothing is left, or the peer takes nothing.
func (c *conn) pump() {
	for c.take() {
		if !c.write() {
			return
		}
	}
}

// take moves what was appended to where it is written from.
func (c *conn) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slow {
		return true // the rest of what was taken before
	}
	if len(c.sending) > 0 {
		c.written += int64(len(c.sending))
		c.mem.put(c.sending)
		c.sending, c.gone, c.controls = nil, 0, 0
		c.passOn()
	}
	if len(c.out) == 0 || c.writeErr != nil {
		c.writing = false
		c.ceased.Signal()
		if c.closing {
			c.hangUp()
		}
		return false
	}
	c.sending, c.controls, c.gone = c.out, c.control, 0
	c.out, c.control, c.tail = nil, 0, nil
	return true
}

// write writes what was taken; false when somebody else has to go on.
func (c *conn) write() bool {
	if c.watch != nil && c.gone == 0 {
		c.watch(event.ToClient, time.Now().UnixNano(), c.sending)
	}
	var err error
	switch {
	case c.slow:
		err = c.writeSlowly()
	case c.nc.TLS != nil:
		_ = c.nc.SetWriteDeadline(time.Now().Add(c.patience()))
		c.gone, err = c.nc.Write(c.sending)
	default:
		if e := c.raw.Write(c.onWrite); e != nil {
			err = e
		} else {
			err = c.failed
		}
	}
	if err != nil {
		c.broken(err)
		return true
	}
	if c.gone < len(c.sending) {
		c.mu.Lock()
		c.slow = true
		c.help()
		c.mu.Unlock()
		return false
	}
	return true
}

// writable writes to the socket what it takes, and waits for it only when slow.
func (c *conn) writable(fd uintptr) bool {
	for c.gone < len(c.sending) {
		n, err := socket.WriteNow(fd, c.sending[c.gone:])
		switch {
		case n > 0:
			c.gone += n
			if c.slow {
				_ = c.nc.SetWriteDeadline(time.Now().Add(c.patience()))
			}
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return !c.slow
		default:
			c.failed = err
			return true
		}
	}
	return true
}

func (c *conn) writeSlowly() error {
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.patience()))
	err := c.raw.Write(c.onWrite)
	_ = c.nc.SetWriteDeadline(time.Time{})
	if err == nil {
		err = c.failed
	}
	c.mu.Lock()
	c.slow = false
	c.mu.Unlock()
	return err
}

// patience is how long the peer may take nothing.
func (c *conn) patience() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return min(c.o.Stall, c.o.Linger)
	}
	return c.o.Stall
}

// place is where the next byte of the output stands among all. Locked.
func (c *conn) place() int64 { return c.written + int64(len(c.sending)+len(c.out)) }

// broken notes that nothing more can be written, and has reading end.
func (c *conn) broken(err error) {
	c.mu.Lock()
	c.writeErr = err
	if c.fate == nil {
		c.fate = cause(err)
		c.end(c.fate)
	}
	c.slow = false
	c.mu.Unlock()
	c.hangUp()
}

// dropOutput drops what will not be written; what is being written, its writer
// drops. Locked.
func (c *conn) dropOutput() {
	if c.out != nil {
		c.mem.put(c.out)
		c.out, c.tail = nil, nil
	}
	if c.writeErr == nil {
		c.writeErr = relay.ErrClosed
	}
}

// passOn wakes the first of those that wait for what all streams share, when
// there is some of it; he wakes the next. Locked.
func (c *conn) passOn() {
	if len(c.held) == 0 || c.free() <= 0 {
		return
	}
	for i, s := range c.held {
		if c.sendWindow > 0 || s.headOnly {
			c.held = append(c.held[:i], c.held[i+1:]...)
			s.held = false
			s.w.Signal()
			return
		}
	}
}

// unhold takes a stream that has given up off the list. Locked.
func (c *conn) unhold(s *stream) {
	for i, x := range c.held {
		if x == s {
			c.held = append(c.held[:i], c.held[i+1:]...)
			break
		}
	}
	s.held = false
}
