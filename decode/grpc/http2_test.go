package grpc_test

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/grpc"
	"github.com/pitot-io/pitot/decode/http2"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// counter takes exchanges and keeps nothing.
type counter struct{ exchanges, notices int }

func (c *counter) Exchange(*event.Exchange) { c.exchanges++ }
func (c *counter) Notice(*event.Notice)     { c.notices++ }

// connection is the bytes of n calls on one connection, those of the client and of
// the server in turn, their fields compressed as most clients do it: a field
// that is another one in each call goes through the table like all others.
func connection(n int) (pieces [][]byte) {
	var fields [2]bytes.Buffer
	coder := [2]*hpack.Encoder{hpack.NewEncoder(&fields[0]), hpack.NewEncoder(&fields[1])}
	block := func(d int, pairs ...string) []byte {
		fields[d].Reset()
		for i := 0; i < len(pairs); i += 2 {
			_ = coder[d].WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}) // to memory
		}
		return fields[d].Bytes()
	}
	message := append([]byte{0, 0, 0, 0, 128}, make([]byte, 128)...)
	pieces = append(pieces, wire.AppendSettings([]byte(wire.Preface)), wire.AppendSettings(nil))
	for i := range n {
		id := uint32(2*i + 1)
		ask := wire.AppendHeaders(nil, id, block(0, ":method", "POST", ":scheme", "http", ":path", "/bench.Echo/Unary", ":authority", "shop.example:50051",
			"content-type", "application/grpc", "te", "trailers", "user-agent", "grpc-go/1.80.0", "grpc-timeout", "10S",
			"traceparent", fmt.Sprintf("00-4bf92f3577b34da6a3ce%012x-00f067aa0ba902b7-01", i)), false, wire.DefaultMaxFrame)
		answer := wire.AppendHeaders(nil, id, block(1, ":status", "200", "content-type", "application/grpc"), false, wire.DefaultMaxFrame)
		answer = wire.AppendData(answer, id, message, false)
		answer = wire.AppendHeaders(answer, id, block(1, "grpc-status", "0", "grpc-message", ""), true, wire.DefaultMaxFrame)
		pieces = append(pieces, wire.AppendData(ask, id, message, true), answer)
	}
	return pieces
}

// playCalls feeds pieces to a new connection.
func playCalls(pieces [][]byte, emit event.Emitter) {
	p := http2.Protocol(http2.Options{Layers: []decode.Layer{grpc.New(grpc.Options{})}})
	d := p.New(decode.Conn{Limits: decode.DefaultLimits()})
	for i, b := range pieces {
		_ = d.Feed(event.Dir(i&1), int64(i), b, emit)
	}
	d.Close(int64(len(pieces)), emit)
}

// BenchmarkCalls measures unary calls on a connection of HTTP/2, from bytes to
// exchanges: one operation is a call.
func BenchmarkCalls(b *testing.B) {
	const n = 4000
	pieces := connection(n)
	b.ReportAllocs()
	emit := new(counter)
	for b.Loop() {
		playCalls(pieces, emit)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(emit.exchanges), "ns/call")
	if emit.exchanges%n != 0 || emit.notices > 0 {
		b.Fatalf("%d exchanges, %d notices", emit.exchanges, emit.notices)
	}
}
