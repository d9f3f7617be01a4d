package http2

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2/hpack"

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
		if n := len(h.table.entries) - h.table.first; h.table.size > l.Table || n*entryOverhead > l.Table {
			t.Fatalf("table of %d bytes, %d entries", h.table.size, n)
		}
		if len(h.block.buf) > l.Head || len(h.search.buf) > 1<<20 {
			t.Fatalf("block of %d bytes, search of %d", len(h.block.buf), len(h.search.buf))
		}
	}
	if len(d.set.open) != 0 || len(d.set.free) > maxFree || len(d.gone) > maxLinger+1 {
		t.Fatalf("%d streams open after the end, %d kept, %d linger", len(d.set.open), len(d.set.free), len(d.gone))
	}
}

// FuzzHPACK: what golang.org/x/net reads, this reads alike, block after block
// on one table; a table joined late says the same or that it does not know.
func FuzzHPACK(f *testing.F) {
	t := newTalk()
	f.Add([]byte(t.block(0, ":method GET\n:path /a\nx-a b\nx-c !d")), []byte(t.block(0, ":method GET\n:path /a\nx-a b\nx-e f")))
	f.Add([]byte("\x3f\xe1\x1f\x82\x41\x8a\xa0\xe4\x1d\x13\x9d\x09\xb8\xf3\xcf\x3d"), []byte("\x20\xbe"))
	f.Add([]byte("\x40\x01a\x01b\x0f\x2f\x01c"), []byte("\xbe\xbf\x7f\x00\x01z"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		lim := decode.DefaultLimits()
		lim.HeaderList, lim.Headers = 1<<30, 1<<20
		var ours, late table
		ours.begin(lim.Table)
		late.limit = lim.Table
		late.forget()
		theirs := hpack.NewDecoder(defaultTable, nil)
		for i, block := range [][]byte{a, b, a} {
			want, err := theirs.DecodeFull(block)
			if err != nil {
				var f fields
				_ = ours.read(block, &f, lim) // must not panic
				return
			}
			var got, dim fields
			if err := ours.read(block, &got, lim); err != nil {
				t.Fatalf("block %d: %v; want %v", i, err, want)
			}
			same(t, want, got.list, false)
			if i == 0 {
				continue
			}
			if err := late.read(block, &dim, lim); err != nil {
				t.Fatalf("block %d, joined late: %v", i, err)
			}
			same(t, want, dim.list, true)
		}
	})
}

func same(t *testing.T, want []hpack.HeaderField, got []field, late bool) {
	if len(got) != len(want) {
		t.Fatalf("%d fields %v, want %d", len(got), got, len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.name != w.Name && !(late && g.name == unknown) || g.value != w.Value && !(late && g.value == unknown) {
			t.Fatalf("field %d is %q %q, want %q %q (joined late: %v)", i, g.name, g.value, w.Name, w.Value, late)
		}
	}
}

// Every byte and every pair of neighbours survives the code.
func TestHuffman(t *testing.T) {
	all := make([]byte, 0, 1<<17)
	for a := range 256 {
		for b := range 256 {
			all = append(all, byte(a), byte(b))
		}
	}
	for n := range 64 {
		in := all[n*701 : n*701+n*31]
		out, ok := appendHuffman(nil, hpack.AppendHuffmanString(nil, string(in)))
		if !ok || !bytes.Equal(out, in) {
			t.Fatalf("%d bytes: %v %q, want %q", len(in), ok, out, in)
		}
	}
	if out, ok := appendHuffman(nil, hpack.AppendHuffmanString(nil, string(all))); !ok || !bytes.Equal(out, all) {
		t.Fatal("not all pairs of bytes survive")
	}
	for _, bad := range []string{"\xff", "\xff\xff\xff\xff", "\xff\xff\xff\xff\xff", "\x00", "\x1f\xff", "\x18"} {
		if out, ok := appendHuffman(nil, []byte(bad)); ok {
			t.Errorf("%q was read as %q", bad, out)
		}
	}
}
