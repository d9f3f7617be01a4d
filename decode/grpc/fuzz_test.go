package grpc

import (
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// FuzzLayer: no panic, the same call however its bodies are cut, and never
// more messages or payload than there were bytes for.
func FuzzLayer(f *testing.F) {
	for _, c := range calls {
		f.Add(string(c.request), string(c.answer), string(c.trailers), c.in, c.out, uint8(3), uint8(0), uint16(0))
		f.Add(string(c.request), string(c.answer), string(c.trailers), c.in, c.out, uint8(1), uint8(7), uint16(2))
	}
	l := layer()
	f.Fuzz(func(t *testing.T, request, answer, trailers, in, out string, size, hole uint8, lost uint16) {
		e := exchange{request: block(request), answer: block(answer), trailers: block(trailers), in: in, out: out}
		c := conn()
		c.Limits.Text = 64
		b := play(l, c, &e, whole)
		if g := b.Exchanges[0].GRPC; g != nil {
			sound(t, g, len(in), len(out))
		}
		want := jsonOf(b)
		if got := jsonOf(play(l, c, &e, func(int) int { return int(size) + 1 })); got != want {
			t.Fatalf("in pieces of %d:\n%swhole:\n%s", size+1, got, want)
		}
		if k := l.Open(c, e.request, nil); k != nil {
			at := min(int(hole), len(in))
			k.Data(event.ToServer, 1, []byte(in[:at]))
			k.Lost(event.ToServer, 1, int64(lost))
			k.Data(event.ToServer, 1, []byte(in[at:]))
			x := event.Exchange{HTTP: new(event.HTTP)}
			k.Finish(&x)
			if x.GRPC != nil {
				sound(t, x.GRPC, len(in)+int(lost), 0)
			}
			k.Told()
		}
	})
}

func sound(t *testing.T, g *event.RPC, in, out int) {
	t.Helper()
	if g.RequestPayload+prefix*g.RequestMessages > int64(in) || g.ResponsePayload+prefix*g.ResponseMessages > int64(out) ||
		g.RequestCompressed > g.RequestMessages || g.ResponseCompressed > g.ResponseMessages || g.Status < -1 ||
		len(g.Message) > 64 || len(g.Method) > 64 || len(g.Metadata) > 12 || g.Timeout < 0 {
		t.Fatalf("%+v", g)
	}
}

// FuzzPayload: whatever a message holds, JSON of it is bounded and nothing that
// is marked gets out.
func FuzzPayload(f *testing.F) {
	files := schemaOf(f)
	for _, json := range []string{
		`{"user":"ann","items":[{"id":"7","card":"4111"}],"at":"2026-01-02T03:04:05Z"}`, `{"byName":{"x":{"card":"4111"}},"more":{"more":{}}}`,
		`{"any":{"@type":"type.googleapis.com/shop.Req","any":{"@type":"type.googleapis.com/shop.Item","card":"4111"}}}`,
	} {
		b := encoded(f, files, "Req", json)
		f.Add([]byte(b), false)
		f.Add([]byte(zip(f, b)), true)
	}
	l := New(Options{Descriptors: files, Message: 4096, Payload: 200})
	f.Fuzz(func(t *testing.T, payload []byte, compressed bool) {
		flags := byte(0)
		if compressed {
			flags = flagCompressed
		}
		e := &exchange{request: post + "grpc-encoding: gzip\n", in: flagged(flags, string(payload)), answer: ok, trailers: fine}
		x := play(l, conn(), e, whole).Exchanges[0]
		got := x.GRPC.RequestJSON
		// A key of the map may be card, but no Item has one with a value.
		if len(got) > 200+len("...") || strings.Contains(got, `"card":"`) {
			t.Fatalf("%q", got)
		}
		if x.GRPC.RequestMessages != 1 {
			t.Fatalf("%+v", x.GRPC)
		}
	})
}
