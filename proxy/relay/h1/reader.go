package h1

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
)

// idleBuffer is what a connection holds while it waits for its next message.
const idleBuffer = 1 << 10

// reader reads the messages of one side of a connection: their heads, and
// their bodies as pieces without framing.
type reader struct {
	from   io.Reader
	pool   *hop.Buffers
	limits decode.Limits
	show   func([]byte) // is shown what is read; may be nil
	eager  bool         // a large buffer from the start: somebody waits for the message

	idle [idleBuffer]byte
	buf  []byte // buf[r:w] is unread
	r, w int
	held []byte // of the head that is in use, where buf is another

	framing  http1.Framing
	body     http1.Body
	piece    []byte // of payload, to be lent next
	fault    error  // that comes after it
	tail     http1.Head
	trailers []http1.Field
	ended    atomic.Bool // all of it has been read
	received int64       // bytes of the message, head and framing included
	began    int64       // when its first byte was there
}

func (r *reader) empty() bool { return r.r == r.w }

// next begins a new message.
func (r *reader) next() {
	if !r.holding() {
		r.pool.Put(r.held)
	}
	r.ended.Store(false)
	r.held, r.piece, r.fault, r.trailers, r.received, r.began = nil, nil, nil, nil, 0, 0
	r.framing, r.body = http1.NoBody, http1.Body{}
	if r.empty() {
		r.release()
	} else {
		r.began = time.Now().UnixNano()
	}
}

// release gives the buffer back; what was unread is lost.
func (r *reader) release() {
	r.pool.Put(r.buf)
	r.buf, r.r, r.w = nil, 0, 0
}

// room makes space to read into. Slices into the old place are void, unless
// they are held.
func (r *reader) room() {
	switch {
	case r.buf == nil && r.eager:
		r.buf = r.pool.Get(largeBuffer)
	case r.buf == nil:
		r.buf = r.idle[:]
	case r.empty():
		r.r, r.w = 0, 0
		if r.framing != http1.NoBody && cap(r.buf) < largeBuffer {
			r.swap(largeBuffer)
		}
	case r.w < len(r.buf):
	case r.r > 0:
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	default:
		r.swap(max(2*len(r.buf), smallBuffer))
	}
}

// swap goes on in a buffer of at least size bytes.
func (r *reader) swap(size int) {
	next := r.pool.Get(size)
	n := copy(next, r.buf[r.r:r.w])
	r.pool.Put(r.buf)
	r.buf, r.r, r.w = next, 0, n
}

// hold keeps the bytes of a head that has been read, up to next. The body goes
// on in another buffer once this one is used up.
func (r *reader) hold() { r.held = r.buf }

// holding reports whether the buffer is the one that is held.
func (r *reader) holding() bool { return len(r.held) > 0 && len(r.buf) > 0 && &r.held[0] == &r.buf[0] }

// fill reads more.
func (r *reader) fill() error {
	if r.holding() {
		unread := r.buf[r.r:r.w]
		r.buf = r.pool.Get(largeBuffer)
		r.r, r.w = 0, copy(r.buf, unread)
	}
	r.room()
	n, err := r.from.Read(r.buf[r.w:])
	if n == 0 && err != nil {
		return r.failed(err)
	}
	if r.show != nil {
		r.show(r.buf[r.w : r.w+n])
	}
	if r.began == 0 {
		r.began = time.Now().UnixNano()
	}
	r.w += n
	return nil
}

func (r *reader) failed(err error) error {
	if err == io.EOF && r.framing == http1.UntilClose {
		return io.EOF
	}
	return fault(err)
}

// fault is a socket's error in the words of relay.
func fault(err error) error {
	switch {
	case err == nil:
		return nil
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return relay.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return relay.ErrInterrupted
	}
	return relay.ErrReset
}

// begin begins the body of a message whose head, n bytes long, has been read.
func (r *reader) begin(n int, f http1.Framing, length int64) {
	r.r += n
	r.received += int64(n)
	r.framing = f
	r.ended.Store(false)
	r.body.Reset(f, length, http1.Strict, r.limits)
	if f == http1.Chunked {
		r.body.Collect()
	}
	r.hold()
	r.advance()
}

// advance takes the payload that is in the buffer. Where there are several
// runs of it, between framing, they are moved together.
func (r *reader) advance() {
	if r.fault != nil || len(r.piece) > 0 {
		return
	}
	b, n, first, kept := r.buf[r.r:r.w], 0, 0, 0
	for n < len(b) && !r.body.Done() {
		k, data, err := r.body.Data(b[n:])
		n += k
		if len(data) > 0 && kept == 0 {
			first, kept = n-len(data), len(data)
		} else {
			kept += copy(b[first+kept:], data)
		}
		if err != nil {
			r.fault = err
			break
		}
	}
	r.r += n
	r.received += int64(n)
	r.piece = b[first : first+kept : first+kept]
	if !r.body.Done() || r.fault != nil || r.ended.Load() {
		return
	}
	if r.framing == http1.Chunked {
		r.trailers, r.fault = r.body.Trailers(&r.tail, http1.Strict, r.limits)
	}
	r.ended.Store(r.fault == nil)
}

// Ready and Next are relay.Body's.
func (r *reader) Ready() (int, bool) {
	r.advance()
	return len(r.piece), r.ended.Load()
}

// Fault is relay.Faulty's.
func (r *reader) Fault() error {
	if r.advance(); len(r.piece) > 0 {
		return nil
	}
	return r.fault
}

func (r *reader) Next() ([]byte, error) {
	for {
		r.advance()
		switch b := r.piece; {
		case len(b) > 0:
			r.piece = nil
			return b, nil
		case r.fault != nil:
			return nil, r.fault
		case r.body.Done():
			return nil, io.EOF
		}
		if r.fault = r.fill(); r.fault == io.EOF {
			r.fault = nil
			r.body = http1.Body{Payload: r.body.Payload} // it ended with the connection
		}
	}
}

// Trailers is relay.Body's.
func (r *reader) Trailers() []http1.Field { return r.trailers }
