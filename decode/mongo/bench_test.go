package mongo

import (
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// discard counts what it is told.
type discard struct{ n int }

func (c *discard) Exchange(*event.Exchange) { c.n++ }
func (c *discard) Notice(*event.Notice)     {}

var typical = struct{ ask, answer string }{
	msg(7, 0, 0, d{e("find", "orders"), e("filter", d{e("user", "bob"), e("state", d{e("$in", a{"new", "old"})})}), e("limit", 5),
		e("comment", "app/cart.go:90"), e("lsid", d{e("id", 1)}), e("$db", "shop")}),
	msg(1, 7, 0, batch(0, "firstBatch", 3)),
}

func exchangeLoop(b testing.TB, ask, answer string, loop func(func())) {
	p := Protocol(Options{})
	dec, count := p.New(testConn()), new(discard)
	out := p.Stage(count)
	q, r := []byte(ask), []byte(answer)
	at := int64(0)
	loop(func() {
		at++
		if dec.Feed(event.ToServer, at, q, out) != nil || dec.Feed(event.ToClient, at, r, out) != nil {
			b.Fatal("lost")
		}
	})
	if count.n != int(at) {
		b.Fatalf("%d exchanges of %d", count.n, at)
	}
}

// BenchmarkExchange measures a find with its comment and its answer, each in
// one piece.
func BenchmarkExchange(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(typical.ask) + len(typical.answer)))
	exchangeLoop(b, typical.ask, typical.answer, func(f func()) {
		for b.Loop() {
			f()
		}
	})
}

// BenchmarkCompressed measures the same in OP_COMPRESSED.
func BenchmarkCompressed(b *testing.B) {
	for id := 1; id <= 3; id++ {
		b.Run(compressors[id], func(b *testing.B) {
			b.ReportAllocs()
			exchangeLoop(b, packed(id, typical.ask), packed(id, typical.answer), func(f func()) {
				for b.Loop() {
					f()
				}
			})
		})
	}
}
