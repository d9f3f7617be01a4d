package grpc

import (
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// table is fields that cost nothing to look up.
type table map[string]string

func (t table) Field(name string) (v string, ok bool) {
	v, ok = t[name]
	return v, ok
}

var (
	benchRequest = table{":method": "POST", ":path": "/shop.Cart/Get", "content-type": "application/grpc", "te": "trailers", "x-tenant": "acme", "grpc-timeout": "1S"}
	benchAnswer  = table{":status": "200", "content-type": "application/grpc"}
	benchTrailer = table{"grpc-status": "0", "grpc-message": ""}
)

// unary is one call as HTTP's decoder shows it: a message each way, in two
// pieces.
func unary(l *Layer, x *event.Exchange, in, out []byte) {
	k := l.Open(benchConn, benchRequest, nil)
	k.Data(event.ToServer, 1, in[:7])
	k.Data(event.ToServer, 1, in[7:])
	k.Answer(benchAnswer)
	k.Data(event.ToClient, 1, out[:3])
	k.Data(event.ToClient, 1, out[3:])
	k.Trailers(event.ToClient, benchTrailer)
	k.Finish(x)
	k.Told()
}

var benchConn = conn()

func TestCallsCostNoAllocation(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	l, h := layer(), event.HTTP{Path: "/shop.Cart/Get"}
	in, out := []byte(msg("a request of a usual length")), []byte(msg("an answer"))
	x := event.Exchange{HTTP: &h}
	for range 10 {
		unary(l, &x, in, out)
	}
	if n := testing.AllocsPerRun(200, func() { unary(l, &x, in, out) }); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}

// BenchmarkUnary measures what gRPC adds to a stream of HTTP/2: one call with
// a message each way.
func BenchmarkUnary(b *testing.B) {
	l, h := layer(), event.HTTP{Path: "/shop.Cart/Get"}
	in, out := []byte(msg("a request of a usual length")), []byte(msg("an answer"))
	x := event.Exchange{HTTP: &h}
	b.ReportAllocs()
	for b.Loop() {
		unary(l, &x, in, out)
	}
}

// BenchmarkMessages measures a stream: messages of 100 bytes in pieces of
// 16 KiB, as frames have them.
func BenchmarkMessages(b *testing.B) {
	l := layer()
	var piece []byte
	for len(piece) < 16<<10 {
		piece = append(piece, msg(string(make([]byte, 100)))...)
	}
	k := l.Open(benchConn, benchRequest, nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(piece)))
	for b.Loop() {
		k.Data(event.ToServer, 1, piece)
	}
}
