//go:build !race

package tls

import "testing"

// The race detector makes pools forget at random, so this is not for it.
func TestNoAllocationPerRecord(t *testing.T) {
	for _, id := range []uint16{0x1301, 0x1303, 0x1304, 0xc02f, 0xcca8} {
		for _, cut := range []int{0, 1000} {
			recordLoop(t, id, 221, cut, func(f func()) {
				for range 20 {
					f()
				}
				// The pools may be emptied by a collection, hence not 0.
				if n := testing.AllocsPerRun(200, f); n >= 1 {
					t.Errorf("%s, cut at %d: %v allocations a record", suiteName(id), cut, n)
				}
			})
		}
	}
}
