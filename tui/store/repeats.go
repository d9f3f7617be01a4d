package store

import (
	"encoding/binary"
	"math/bits"

	"github.com/pitot-io/pitot/internal/event"
)

// ManyPerTrace is how many calls of one shape from one call site in one trace
// look like a query in a loop (N+1).
const ManyPerTrace = 5

// repeats counts calls by trace, shape and call site in a table of fixed size:
// a newer trace pushes out an older one that has the same place, so a count may
// be too small but not too large.
type repeats struct {
	slots [4096]struct {
		tag uint64
		n   int
	}
}

// count adds one call and gives the number so far; 0 when there is no trace.
func (r *repeats) count(t event.TraceID, shape, site uint64) int {
	if t.IsZero() {
		return 0
	}
	h := mix(binary.LittleEndian.Uint64(t[:8]))
	h = mix(h ^ binary.LittleEndian.Uint64(t[8:]))
	h = mix(h ^ shape)
	h = mix(h ^ site)
	s := &r.slots[h%uint64(len(r.slots))]
	if s.tag != h {
		s.tag, s.n = h, 0
	}
	s.n++
	return s.n
}

// mix spreads the bits of v over the whole word.
func mix(v uint64) uint64 {
	hi, lo := bits.Mul64(v^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo
}
