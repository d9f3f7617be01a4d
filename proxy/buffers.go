package proxy

import "sync"

// bufferSize is what one read takes at most. Buffers are taken when bytes are
// there and given back when they have been forwarded, so that their number
// follows the traffic and not the connections.
const bufferSize = 64 << 10

type buffer [bufferSize]byte

type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new(buffer) }}}
}

func (b *buffers) get() *buffer  { return b.pool.Get().(*buffer) }
func (b *buffers) put(x *buffer) { b.pool.Put(x) }
