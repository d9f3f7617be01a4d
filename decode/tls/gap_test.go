package tls

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// answers is a conversation with n answers of some size, numbered.
func (c *script) answers(n int) (pieces []testkit.Piece, from int) {
	if c.suite>>8 == 0x13 {
		pieces = c.open13()
	} else {
		pieces = c.open12()
	}
	pieces = append(pieces, c.data(event.ToServer, "ask"))
	from = len(pieces)
	for i := range n {
		pieces = append(pieces, c.data(event.ToClient, answerNumber(i)))
	}
	return pieces, from
}

func answerNumber(i int) string { return fmt.Sprintf("<%d%s>", i, strings.Repeat(".", 300)) }

// lossy feeds the pieces, without bytes from..to of what the server says from
// piece first on.
func lossy(t *testing.T, d decode.Decoder, pieces []testkit.Piece, first, from, to int, known bool) *testkit.Recorder {
	t.Helper()
	r := new(testkit.Recorder)
	feed := func(dir event.Dir, b []byte) {
		if err := d.Feed(dir, 1, b, r); err != nil {
			t.Fatal(err)
		}
	}
	var all []byte
	for i, p := range pieces {
		if i < first {
			feed(p.Dir, p.Bytes)
		} else {
			all = append(all, p.Bytes...)
		}
	}
	feed(event.ToClient, all[:from])
	n := int64(to - from)
	if !known {
		n = 0
	}
	d.Gap(event.ToClient, 1, n, r)
	feed(event.ToClient, all[to:])
	d.Close(2, r)
	return r
}

// TestGaps loses bytes at every place, of known and of unknown number: only the
// records that were touched are missing, and where they are is told.
func TestGaps(t *testing.T) {
	const n = 12
	for _, id := range []uint16{0x1301, 0xc02f, 0xcca8} {
		for _, known := range []bool{true, false} {
			for _, size := range []int{1, 100, 400, 1500} {
				for from := 3; from < 1500; from += 37 {
					c := newScript(id)
					pieces, first := c.answers(n)
					d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
					lossy(t, d, pieces, first, from, from+size, known)
					record := len(pieces[first].Bytes)
					want, cut := "", false
					for i := range n {
						if end := (i + 1) * record; end > from && i*record < from+size {
							cut = true
							continue
						}
						if cut {
							want, cut = want+"|", false
						}
						want += answerNumber(i)
					}
					if k.text[1] != want || k.text[0] != "ask" {
						t.Fatalf("%04x, %d bytes lost at %d (told: %v):\n%.2000s\nwant\n%.2000s", id, size, from, known, k.text[1], want)
					}
				}
			}
		}
	}
}

// TestGapOverKeyUpdate loses the message that changes the key.
func TestGapOverKeyUpdate(t *testing.T) {
	c := newScript(0x1301)
	pieces, first := c.answers(2)
	from := len(pieces[first].Bytes) + len(pieces[first+1].Bytes)
	update := c.sealed(event.ToClient, typeHandshake, message(kindKeyUpdate, "\x00"))
	c.under13(event.ToClient, nextSecret(c.s, c.current[event.ToClient]))
	lost := c.data(event.ToClient, "lost")
	pieces = append(pieces, testkit.S(update), lost, c.data(event.ToClient, "found"))
	d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
	lossy(t, d, pieces, first, from, from+len(update)+len(lost.Bytes), true)
	if want := answerNumber(0) + answerNumber(1) + "|found"; k.text[1] != want {
		t.Errorf("handed on %q", k.text[1])
	}
}

// TestGapInHandshake loses what follows the server's hello: its certificate
// and, in TLS 1.3, the end of its handshake.
func TestGapInHandshake(t *testing.T) {
	for _, id := range []uint16{0x1301, 0xc02f} {
		c := newScript(id)
		pieces := c.either()
		hello := pieces[1].Bytes
		keep := headerLen + 4 + int(hello[8]) // the ServerHello
		if id == 0xc02f {
			keep += 20
		}
		d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
		r := new(testkit.Recorder)
		for i, p := range pieces {
			b := p.Bytes
			if i == 1 {
				b = b[:keep]
			}
			if err := d.Feed(p.Dir, 1, b, r); err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				d.Gap(event.ToClient, 1, int64(len(p.Bytes)-keep), r)
			}
		}
		d.Close(2, r)
		if got := strings.ReplaceAll(k.text[1], "|", ""); got != "answer 1, part 1;part 2" || k.text[0] != "ask 1ask 2" {
			t.Errorf("%04x: handed on %q, %s", id, k.text, r.JSON())
		}
	}
}

// TestGapBeforeHello cannot decipher, and tells what is left to tell.
func TestGapBeforeHello(t *testing.T) {
	for dir, want := range []string{"TLS 1.3, client hello not seen", "TLS to shop.example, not answered"} {
		c := newScript(0x1301)
		d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log())})
		r := new(testkit.Recorder)
		for i, p := range c.either() {
			if i == dir {
				d.Gap(p.Dir, 1, int64(len(p.Bytes)), r)
			} else if err := d.Feed(p.Dir, 1, p.Bytes, r); err != nil {
				t.Fatal(err)
			}
		}
		d.Close(2, r)
		if k.text != [2]string{} || len(r.Notices) != 1 || r.Notices[0].Body != want || len(r.Exchanges) != 1 {
			t.Errorf("handed on %q, %s", k.text, r.JSON())
		}
	}
}

// TestEffortIsBounded loses the place among records that are not of the key.
func TestEffortIsBounded(t *testing.T) {
	c := newScript(0x1301)
	pieces, first := c.answers(300)
	other := newScript(0x1301)
	other.secrets[serverTraffic][0]++
	foreign, _ := other.answers(300)
	d, k := decoder(testConn(), Options{Keys: keysOf(t, c.log()), Effort: 1 << 20})
	var r testkit.Recorder
	for i, p := range append(pieces[:first+1:first+1], foreign[first+1:]...) {
		if i == first+1 {
			d.Gap(event.ToClient, 1, 0, &r)
		}
		if err := d.Feed(p.Dir, 1, p.Bytes, &r); err != nil {
			t.Fatal(err)
		}
	}
	if k.text[1] != answerNumber(0)+"|" {
		t.Errorf("handed on %.500q", k.text[1])
	}
}
