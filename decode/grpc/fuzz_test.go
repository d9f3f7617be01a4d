package grpc

import (
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
