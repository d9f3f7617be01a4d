package h1

import "sync"

// Sizes of the buffers in the pools. A request's head nearly always fits a
// small one; bodies travel in large ones, which save system calls.
const (
	smallBuffer = 16 << 10
	largeBuffer = 64 << 10
)

// buffers lends memory for as long as bytes are in hand. A connection that
// waits holds none.
type buffers struct{ small, large sync.Pool }

func (p *buffers) init() {
	p.small.New = func() any { return new([smallBuffer]byte) }
	p.large.New = func() any { return new([largeBuffer]byte) }
}

func (p *buffers) get(size int) []byte {
	switch {
	case size <= smallBuffer:
		return p.small.Get().(*[smallBuffer]byte)[:]
	case size <= largeBuffer:
		return p.large.Get().(*[largeBuffer]byte)[:]
	}
	return make([]byte, size)
}

func (p *buffers) put(b []byte) {
	switch cap(b) {
	case smallBuffer:
		p.small.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		p.large.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}

// window is a buffer with its unread bytes, buf[r:w].
type window struct {
	buf  []byte
	r, w int
}

func (v *window) bytes() []byte { return v.buf[v.r:v.w] }
func (v *window) space() []byte { return v.buf[v.w:] }
func (v *window) empty() bool   { return v.r == v.w }

// room makes space to read into, by moving what is unread to the front or into
// a buffer twice as large. Slices into the old place are void.
func (v *window) room(p *buffers) {
	switch {
	case v.buf == nil:
		v.buf = p.get(smallBuffer)
	case v.empty():
		v.r, v.w = 0, 0
	case v.w < len(v.buf):
	case v.r > 0:
		v.w = copy(v.buf, v.bytes())
		v.r = 0
	default:
		larger := p.get(2 * len(v.buf))
		copy(larger, v.buf)
		p.put(v.buf)
		v.buf = larger
	}
}

// release gives the buffer back; what was unread is lost.
func (v *window) release(p *buffers) {
	if v.buf != nil {
		p.put(v.buf)
	}
	*v = window{}
}
