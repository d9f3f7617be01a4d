package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// half moves bytes in one direction of a pair. It holds no buffer while it
// waits: the read function that the runtime's poller calls takes one when
// bytes may be there, and gives it back when there are none.
type half struct {
	p     *pair
	dir   event.Dir
	src   *net.TCPConn
	dst   *net.TCPConn
	raw   syscall.RawConn // of src
	ready func(fd uintptr) bool

	buf   *buffer // what a read has taken; nil in between
	n     int
	err   error
	full  int   // reads in a row that filled their buffer
	moved int64 // bytes so far
}

func (h *half) init(p *pair, d event.Dir, src, dst *net.TCPConn) (err error) {
	h.p, h.dir, h.src, h.dst = p, d, src, dst
	h.ready = h.read
	h.raw, err = src.SyscallConn()
	return err
}

// run forwards first, and then until the source ends (io.EOF) or something
// breaks.
func (h *half) run(first []byte) error {
	if h.p.idle > 0 {
		deadline := time.Now().Add(h.p.idle)
		_ = h.src.SetReadDeadline(deadline) // fails only when closed, and then so does the read
		_ = h.dst.SetWriteDeadline(deadline)
	}
	if err := h.forward(first); err != nil {
		return err
	}
	for {
		if err := h.wait(); err != nil {
			return err
		}
		err := h.forward(h.buf[:h.n])
		h.release()
		if err != nil {
			return err
		}
		if h.p.tally != nil && h.full >= bulkAfter {
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
		left := h.p.left(time.Now())
		if left <= 0 {
			return errIdle
		}
		// The other direction was busy meanwhile.
		_ = h.src.SetReadDeadline(time.Now().Add(left))
	}
}

// read is one try to read, without waiting.
func (h *half) read(fd uintptr) bool {
	b := h.p.t.buffers.get()
	n, err := syscall.Read(int(fd), b[:])
	if err == syscall.EAGAIN || err == syscall.EINTR && retry(int(fd), b[:], &n, &err) {
		h.p.t.buffers.put(b)
		return false
	}
	h.buf, h.n, h.err = b, n, err
	return true
}

// retry reads again after a signal; it reports true when there was nothing.
func retry(fd int, b []byte, n *int, err *error) bool {
	for *err == syscall.EINTR {
		*n, *err = syscall.Read(fd, b)
	}
	return *err == syscall.EAGAIN
}

// taken makes what a read has given an error where it is one.
func (h *half) taken() error {
	switch {
	case h.err != nil:
		h.release()
		return fmt.Errorf("read: %w", h.err)
	case h.n <= 0:
		h.release()
		return io.EOF
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
	if h.p.tally != nil {
		h.p.tally.saw(h.dir, at, int64(len(b)))
	} else {
		h.p.flow.Feed(h.dir, at, b)
	}
	return h.write(b)
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
		b = b[n:]
		if n > 0 {
			h.p.last.Store(time.Now().UnixNano())
		}
		left := h.p.left(time.Now())
		if left <= 0 {
			return errIdle
		}
		_ = h.dst.SetWriteDeadline(time.Now().Add(left))
	}
}
