package h1

import "github.com/pitot-io/pitot/proxy/hop"

// Sizes of buffers.
const (
	smallBuffer = hop.SmallBuffer
	largeBuffer = hop.LargeBuffer
)

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
func (v *window) room(p *hop.Buffers) {
	switch {
	case v.buf == nil:
		v.buf = p.Get(smallBuffer)
	case v.empty():
		v.r, v.w = 0, 0
	case v.w < len(v.buf):
	case v.r > 0:
		v.w = copy(v.buf, v.bytes())
		v.r = 0
	default:
		larger := p.Get(2 * len(v.buf))
		copy(larger, v.buf)
		p.Put(v.buf)
		v.buf = larger
	}
}

// release gives the buffer back; what was unread is lost.
func (v *window) release(p *hop.Buffers) {
	if v.buf != nil {
		p.Put(v.buf)
	}
	*v = window{}
}
