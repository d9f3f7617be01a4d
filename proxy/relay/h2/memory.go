package h2

import (
	"sync"

	"github.com/pitot-io/pitot/decode/http2/wire"
)

// Sizes of lent memory.
const (
	tiny   = 1 << 10
	small  = 4 << 10
	medium = 16 << 10
	large  = 64 << 10
	huge   = 256 << 10
)

// memory lends buffers for as long as bytes are in hand: a connection or a
// stream that waits holds none.
type memory struct {
	tiny, small, medium, large, huge sync.Pool
	sections                         sync.Pool // of field sections in the reading
}

func (m *memory) init() {
	m.tiny.New = func() any { return new([tiny]byte) }
	m.small.New = func() any { return new([small]byte) }
	m.medium.New = func() any { return new([medium]byte) }
	m.large.New = func() any { return new([large]byte) }
	m.huge.New = func() any { return new([huge]byte) }
	m.sections.New = func() any { return new(wire.Section) }
}

// get lends a buffer of at least size bytes, of length 0.
func (m *memory) get(size int) []byte {
	switch {
	case size <= tiny:
		return m.tiny.Get().(*[tiny]byte)[:0]
	case size <= small:
		return m.small.Get().(*[small]byte)[:0]
	case size <= medium:
		return m.medium.Get().(*[medium]byte)[:0]
	case size <= large:
		return m.large.Get().(*[large]byte)[:0]
	case size <= huge:
		return m.huge.Get().(*[huge]byte)[:0]
	}
	return make([]byte, 0, size)
}

// put takes a buffer back.
func (m *memory) put(b []byte) {
	switch b = b[:cap(b)]; cap(b) {
	case tiny:
		m.tiny.Put((*[tiny]byte)(b))
	case small:
		m.small.Put((*[small]byte)(b))
	case medium:
		m.medium.Put((*[medium]byte)(b))
	case large:
		m.large.Put((*[large]byte)(b))
	case huge:
		m.huge.Put((*[huge]byte)(b))
	}
}

// grow makes room for n more bytes in b, which was lent or is nil.
func (m *memory) grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	if b == nil {
		return m.get(n)
	}
	larger := append(m.get(max(len(b)+n, 2*cap(b))), b...)
	m.put(b)
	return larger
}
