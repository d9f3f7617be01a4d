package h1

import "sync"

// Sizes of the buffers in the pools: a request's head nearly always fits a
// small one; bodies travel in large ones, which save system calls.
const (
	smallBuffer = 16 << 10
	largeBuffer = 64 << 10
)

// Buffers lend memory for as long as bytes are in hand. A connection that waits
// holds none.
type buffers struct{ small, large sync.Pool }

func newBuffers() *buffers {
	p := new(buffers)
	p.small.New = func() any { return new([smallBuffer]byte) }
	p.large.New = func() any { return new([largeBuffer]byte) }
	return p
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

// put takes back what get gave; any other slice is left to the collector.
func (p *buffers) put(b []byte) {
	switch cap(b) {
	case smallBuffer:
		p.small.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		p.large.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}
