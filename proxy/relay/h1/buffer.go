package h1

import "github.com/pitot-io/pitot/proxy/hop"

// Sizes of buffers.
const (
	smallBuffer = hop.SmallBuffer
	largeBuffer = hop.LargeBuffer
)

func newBuffers() *hop.Buffers {
	p := new(hop.Buffers)
	p.Init()
	return p
}
