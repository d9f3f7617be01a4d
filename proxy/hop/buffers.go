package hop

import "sync"

// Sizes of the memory that Buffers lend. A request's head nearly always fits a
// small one; bodies travel in large ones, which save system calls.
const (
	SmallBuffer = 16 << 10
	LargeBuffer = 64 << 10
)

// Buffers lend memory for as long as bytes are in hand: a connection that waits
// holds none. They may be used from many goroutines.
type Buffers struct{ small, large sync.Pool }

// Init makes them ready.
func (p *Buffers) Init() {
	p.small.New = func() any { return new([SmallBuffer]byte) }
	p.large.New = func() any { return new([LargeBuffer]byte) }
}

// Get lends at least size bytes.
func (p *Buffers) Get(size int) []byte {
	switch {
	case size <= SmallBuffer:
		return p.small.Get().(*[SmallBuffer]byte)[:]
	case size <= LargeBuffer:
		return p.large.Get().(*[LargeBuffer]byte)[:]
	}
	return make([]byte, size)
}

// Put takes back what Get gave; any other slice is left to the collector.
func (p *Buffers) Put(b []byte) {
	switch cap(b) {
	case SmallBuffer:
		p.small.Put((*[SmallBuffer]byte)(b[:SmallBuffer]))
	case LargeBuffer:
		p.large.Put((*[LargeBuffer]byte)(b[:LargeBuffer]))
	}
}
