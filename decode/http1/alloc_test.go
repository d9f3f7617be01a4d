package http1

import (
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// nobody takes exchanges and keeps nothing.
type nobody struct{ exchanges, notices int }

func (n *nobody) Exchange(*event.Exchange) { n.exchanges++ }
func (n *nobody) Notice(*event.Notice)     { n.notices++ }

const answerOK = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 01:00:00 GMT\r\nContent-Type: application/json\r\n" +
	"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n"

func TestExchangesCostNoAllocation(t *testing.T) {
	d, emit := fresh(), new(nobody)
	in, out := []byte(get), []byte(answerOK)
	at := int64(1)
	one := func() {
		at++
		_ = d.Feed(event.ToServer, at, in[:100], emit)
		_ = d.Feed(event.ToServer, at, in[100:], emit)
		_ = d.Feed(event.ToClient, at, out[:150], emit)
		_ = d.Feed(event.ToClient, at, out[150:], emit)
	}
	for range 10 {
		one() // warm up
	}
	if n := testing.AllocsPerRun(200, one); n != 0 {
		t.Errorf("%v allocations per exchange", n)
	}
	if emit.exchanges < 200 || emit.notices != 0 {
		t.Errorf("%d exchanges, %d notices", emit.exchanges, emit.notices)
	}
}

// BenchmarkExchange measures the decoder: a request of 360 bytes with 8 fields
// and a chunked answer, each in one piece, with everything a span needs.
func BenchmarkExchange(b *testing.B) {
	d, emit := fresh(), new(nobody)
	in, out := []byte(get), []byte(answerOK)
	b.ReportAllocs()
	b.SetBytes(int64(len(in) + len(out)))
	for b.Loop() {
		_ = d.Feed(event.ToServer, 1, in, emit)
		_ = d.Feed(event.ToClient, 2, out, emit)
	}
	if emit.exchanges == 0 {
		b.Fatal("nothing decoded")
	}
}

// BenchmarkBody measures chunk framing: 64 KiB in chunks of 4 KiB.
func BenchmarkBody(b *testing.B) {
	var in []byte
	for range 16 {
		in = append(append(append(in, "1000\r\n"...), make([]byte, 4096)...), "\r\n"...)
	}
	in = append(in, "0\r\n\r\n"...)
	var body Body
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		body.Reset(Chunked, 0, Strict, decode.DefaultLimits())
		if n, _, done, err := body.Next(in); n != len(in) || !done || err != nil {
			b.Fatal(n, done, err)
		}
	}
}

// BenchmarkNew measures what a connection costs before its first byte: a replay
// may follow a million of them.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		fresh()
	}
}
