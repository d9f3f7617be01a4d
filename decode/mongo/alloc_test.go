//go:build !race

package mongo

import "testing"

// The race detector makes pools forget at random, so this is not for it.
func TestNoAllocationPerExchange(t *testing.T) {
	for name, c := range map[string][2]string{
		"whole":  {typical.ask, typical.answer},
		"snappy": {packed(compressSnappy, typical.ask), packed(compressSnappy, typical.answer)},
		"zstd":   {packed(compressZstd, typical.ask), packed(compressZstd, typical.answer)},
		"zlib":   {packed(compressZlib, typical.ask), packed(compressZlib, typical.answer)},
		"legacy": {query(7, "shop.orders", 0, 5, d{e("a", 1)}), opReplyMsg(1, 7, 0, 0, d{})},
		"cursor": {typical.ask, msg(1, 7, 0, batch(99, "firstBatch", 3))},
		"insert": {msg(7, 0, 0, d{e("insert", "c"), e("$db", "d")}, docs("documents", d{e("x", 1)})), msg(1, 7, 0, d{e("n", 1), e("ok", 1)})},
	} {
		t.Run(name, func(t *testing.T) {
			exchangeLoop(t, c[0], c[1], func(f func()) {
				for range 10 {
					f()
				}
				// The pools may be emptied by a collection, hence not 0.
				if n := testing.AllocsPerRun(200, f); n >= 1 {
					t.Errorf("%v allocations an exchange", n)
				}
			})
		})
	}
}
