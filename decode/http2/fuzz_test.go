package http2

import (
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// narrow are limits that the fuzzer meets.
func narrow(mid bool) decode.Conn {
	c := plainConn()
	c.MidStream = mid
	c.Limits.Streams, c.Limits.Continuations, c.Limits.Head, c.Limits.HeaderList, c.Limits.Table = 4, 2, 200, 600, 300
	return c
}

// FuzzDecode: no panic, no spin, sound exchanges, the same ones however the
// bytes are cut, and no more memory than the limits allow.
func FuzzDecode(f *testing.F) {
	for i, c := range conversations {
		var in [2][]byte
		for _, p := range c.talk.pieces {
			in[p.Dir] = append(in[p.Dir], p.Bytes...)
		}
		f.Add(in[0], in[1], uint8(i), i%3 == 0, uint16(i*7), uint16(i%5))
	}
	f.Fuzz(func(t *testing.T, client, server []byte, chunk uint8, mid bool, at, n uint16) {
		cut := min(int(at), len(client))
		play := func(chunk int) *testkit.Recorder {
			d := newConn(narrow(mid), Options{})
			r := testkit.Play(&gapped{d, cut, int64(n)}, chunk, testkit.Piece{Dir: 0, Bytes: client[:cut]}, testkit.Piece{Dir: 1, Bytes: server}, testkit.Piece{Dir: 0, Bytes: client[cut:]})
			bounded(t, d)
			return r
		}
		whole := play(0)
		for i := range whole.Exchanges {
			x := &whole.Exchanges[i]
			if x.Start == 0 || x.End < x.Start || x.HTTP.RequestBody > x.RequestBytes || x.HTTP.ResponseBody > x.ResponseBytes || x.HTTP2 == nil {
				t.Fatalf("%+v %+v", *x, *x.HTTP)
			}
		}
		if got, want := play(int(chunk)+1).JSON(), whole.JSON(); got != want {
			t.Fatalf("in pieces of %d:\n%swhole:\n%s", int(chunk)+1, got, want)
		}
	})
}

// gapped is a decoder that misses n bytes of the client after the first at.
type gapped struct {
	*conn
	at int
	n  int64
}

func (g *gapped) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	if d == event.ToServer && g.at >= 0 && g.n > 0 {
		if g.at < len(b) || g.at == 0 {
			_ = g.conn.Feed(d, at, b[:g.at], emit)
			b, g.at = b[g.at:], -1
			g.conn.Gap(d, at, g.n, emit)
		} else {
			g.at -= len(b)
		}
	}
	return g.conn.Feed(d, at, b, emit)
}

func bounded(t *testing.T, d *conn) {
	l := d.c.Limits
	for i := range d.half {
		h := &d.half[i]
		if len(h.block.buf) > l.Head || len(h.search.buf) > 1<<20 {
			t.Fatalf("block of %d bytes, search of %d", len(h.block.buf), len(h.search.buf))
		}
	}
	if len(d.set.open) != 0 || len(d.set.free) > maxFree || len(d.gone) > maxLinger+1 {
		t.Fatalf("%d streams open after the end, %d kept, %d linger", len(d.set.open), len(d.set.free), len(d.gone))
	}
}
