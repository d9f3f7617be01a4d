package tls

import (
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// FuzzTLS holds that any bytes in any pieces end, tell the same however they
// are cut, and that nothing is handed on that was not in a record of the keys.
func FuzzTLS(f *testing.F) {
	for _, id := range []uint16{0x1301, 0x1305, 0xc02f, 0xcca8} {
		var side [2]string
		for _, p := range newScript(id).either() {
			side[p.Dir] += string(p.Bytes)
		}
		f.Add([]byte(side[0]), []byte(side[1]), 100, false, uint16(0))
		f.Add([]byte(side[0]), []byte(side[1][:200]+side[1][300:]), 7, true, uint16(200))
	}
	f.Add([]byte(v2("\x03\x01")), []byte(record(typeAlert, "\x02\x28")), 3, false, uint16(0))
	f.Fuzz(func(t *testing.T, client, server []byte, chunk int, mid bool, gap uint16) {
		c := newScript(0x1301)
		keys := keysOf(t, c.log())
		conn := testConn()
		conn.MidStream = mid
		conn.Limits.Head = 1 << 10
		play := func(chunk int, inspect bool) (string, [2]string) {
			conn := conn
			var sizes [2]int64
			if inspect {
				conn.Inspect = func(m *decode.Message) { sizes[m.Dir] += m.Size }
			}
			d, k := decoder(conn, Options{Keys: keys, Held: 1 << 10, Search: 8, Effort: 1 << 16})
			r := testkit.Play(d, chunk, testkit.C(string(client)), testkit.S(string(server)))
			if sizes[0] > int64(len(client)) || sizes[1] > int64(len(server)) {
				t.Fatalf("inspected %d bytes of %d and %d", sizes, len(client), len(server))
			}
			return r.JSON(), k.text
		}
		whole, text := play(0, false)
		if parts, again := play(1+max(chunk, -chunk, 0)%64, false); parts != whole || again != text {
			t.Fatalf("in pieces\n%s%q\nwhole\n%s%q", parts, again, whole, text)
		}
		if _, again := play(0, true); again != text {
			t.Fatalf("inspected %q, else %q", again, text)
		}
		for d, b := range text {
			for _, part := range strings.Split(b, "|") {
				if !known(event.Dir(d), part) {
					t.Fatalf("%v: handed on %q", event.Dir(d), part)
				}
			}
		}
		withGap(t, conn, keys, client, server, int(gap))
	})
}

// known reports whether b is part of what the scripts protect.
func known(d event.Dir, b string) bool {
	return strings.Contains([2]string{"ask 1ask 2", "answer 1, part 1;part 2"}[d], b)
}

// withGap loses bytes in the middle: that, too, ends.
func withGap(t *testing.T, c decode.Conn, keys *Keys, client, server []byte, gap int) {
	d, _ := decoder(c, Options{Keys: keys, Search: 8, Effort: 1 << 16})
	var r testkit.Recorder
	for dir, b := range [][]byte{client, server} {
		at := min(gap, len(b))
		if d.Feed(event.Dir(dir), 1, b[:at], &r) != nil {
			t.Fatal("lost")
		}
		d.Gap(event.Dir(dir), 1, int64(gap%3), &r)
		if d.Feed(event.Dir(dir), 1, b[at:], &r) != nil {
			t.Fatal("lost")
		}
	}
	d.Close(2, &r)
	if len(r.Notices) > 1 {
		t.Fatalf("told %s", r.JSON())
	}
}
