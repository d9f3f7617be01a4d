package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/mongo"
	"github.com/pitot-io/pitot/proxy/socket"
)

// half moves bytes in one direction of a pair. It holds no buffer while it
// waits: the read function that the runtime's poller calls takes one when
// bytes may be there, and gives it back when there are none.
type half struct {
	p     *pair
	dir   event.Dir
	src   *socket.Stream
	dst   *socket.Stream
	raw   syscall.RawConn // of src
	ready func(fd uintptr) bool

	buf   *buffer // what a read has taken; nil in between
	n     int
	err   error
	full  int   // reads in a row that filled their buffer
	moved int64 // bytes so far
	rests bool  // nothing has come for so long that the goroutine was changed

	way *mongo.Way // that src is; nil for what the client's connection is joined to
}

func (h *half) init(p *pair, d event.Dir, src, dst *socket.Stream) (err error) {
	h.p, h.dir, h.src, h.dst = p, d, src, dst
	h.ready = h.read
	if l := dst.Link(); l != nil {
		l.Late = h.stalled
	}
	h.raw, err = src.Socket.SyscallConn()
	return err
}

// restAfter is how long a direction that is decoded must be quiet before it
// changes to a new goroutine.
const restAfter = socket.RestAfter

// errRest asks for the new goroutine.
var errRest = errors.New("nothing has come for a while")

// run forwards first, and then until the source ends (io.EOF), something
// breaks, or another goroutine should go on (errRest).
func (h *half) run(first []byte) error {
	now := time.Now()
	if h.p.idle > 0 {
		_ = h.dst.SetWriteDeadline(now.Add(h.p.idle)) // fails only when closed, and then so does the write
	}
	h.watch(now)
	if err := h.forward(first); err != nil {
		return err
	}
	for {
		if err := h.wait(); err != nil {
			return err
		}
		if h.rests {
			h.rests = false
			h.watch(time.Now())
		}
		err := h.forward(h.buf[:h.n])
		h.release()
		if err != nil {
			return err
		}
		if h.p.tally != nil && h.full >= bulkAfter && h.splices() && !h.p.t.Hub.Plain.On() {
			if err := h.bulk(); err != nil {
				return err
			}
		}
	}
}

func (h *half) release() {
	h.p.t.buffers.put(h.buf)
	h.buf = nil
}

// wait fills h.buf with bytes of src. It holds none when it fails.
func (h *half) wait() error {
	for {
		err := h.raw.Read(h.ready)
		if err == nil {
			return h.taken()
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err := h.late(time.Now()); err != nil {
			return err
		}
	}
}

// watch sets the time until which a read may wait.
func (h *half) watch(now time.Time) {
	var deadline time.Time
	if h.p.idle > 0 {
		deadline = now.Add(h.p.left(now))
	}
	if h.restless() {
		if rest := now.Add(restAfter - h.p.quietFor(now)); deadline.IsZero() || rest.Before(deadline) {
			deadline = rest
		}
	}
	_ = h.src.SetReadDeadline(deadline) // fails only when closed, and then so does the read
}

// restless reports whether quiet would be a reason to change the goroutine.
func (h *half) restless() bool { return h.p.tally == nil && !h.rests }

// late handles a read that has waited until its time. Mostly bytes have moved
// meanwhile, in this direction or the other, and it may wait on.
func (h *half) late(now time.Time) error {
	switch {
	case h.p.idle > 0 && h.p.left(now) <= 0:
		return errIdle
	case h.restless() && h.p.quietFor(now) >= restAfter:
		h.rests = true
		return errRest
	}
	h.watch(now)
	return nil
}

// read is one try to read, without waiting.
func (h *half) read(fd uintptr) bool {
	b := h.p.t.buffers.get()
	n, err := h.src.TryRead(fd, b[:])
	if err == socket.ErrAgain {
		h.p.t.buffers.put(b)
		return false
	}
	h.buf, h.n, h.err = b, n, err
	return true
}

// taken makes what a read has given an error where it is one.
func (h *half) taken() error {
	switch {
	case h.err == io.EOF:
		h.release()
		return io.EOF
	case h.err != nil:
		h.release()
		return fmt.Errorf("read: %w", h.err)
	case h.n == bufferSize:
		h.full++
	default:
		h.full = 0
	}
	return nil
}

// forward shows b to the decoder and passes it on, in this order: showing it
// later would lose the pairing of fast answers.
func (h *half) forward(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	at := time.Now().UnixNano()
	h.p.touch(h.dir, at)
	h.moved += int64(len(b))
	if h.p.gate != nil {
		return h.p.gate.pass(h, at, b)
	}
	h.show(at, b)
	return h.write(b)
}

// show shows b to whoever watches.
func (h *half) show(at int64, b []byte) {
	if plain := &h.p.t.Hub.Plain; plain.On() {
		plain.Passed(h.p.inline, &h.p.passed, h.dir, at, b)
	}
	if h.p.tally != nil {
		h.p.tally.saw(h.dir, at, int64(len(b)))
	} else {
		h.p.flow.Feed(h.dir, at, b)
	}
}

// write writes all of b. A receiver that takes nothing runs into the idle
// timeout.
func (h *half) write(b []byte) error {
	for {
		n, err := h.dst.Write(b)
		if err == nil {
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return errWrite
		}
		until, on := h.stalled(n)
		if !on || h.dst.TLS != nil { // a session has asked already, and is lost
			return errIdle
		}
		b = b[n:]
		_ = h.dst.SetWriteDeadline(until)
	}
}

// stalled handles a write that is late after n bytes: it may go on until then
// while something moves.
func (h *half) stalled(n int) (until time.Time, on bool) {
	now := time.Now()
	if n > 0 {
		h.p.last.Store(now.UnixNano())
	}
	left := h.p.left(now)
	return now.Add(left), left > 0 && !h.p.closing.Load()
}
