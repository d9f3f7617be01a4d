package http1

import (
	"bytes"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// FuzzDecoder: no panic, no spin, sound exchanges, and the same ones however
// the bytes are cut.
func FuzzDecoder(f *testing.F) {
	for _, c := range conversations {
		var in [2][]byte
		for _, p := range c.pieces {
			in[p.Dir] = append(in[p.Dir], p.Bytes...)
		}
		if len(in[0])+len(in[1]) < 4096 {
			f.Add(in[0], in[1], uint8(7), false)
			f.Add(in[0], in[1], uint8(1), true)
		}
	}
	for _, c := range handovers {
		var in [2][]byte
		for _, p := range c.pieces {
			in[p.Dir] = append(in[p.Dir], p.Bytes...)
		}
		f.Add(in[0], in[1], uint8(5), false)
	}
	f.Fuzz(func(t *testing.T, client, server []byte, chunk uint8, mid bool) {
		pieces := []testkit.Piece{{Dir: 0, Bytes: client}, {Dir: 1, Bytes: server}, {Dir: 0, Bytes: client}}
		lim := decode.DefaultLimits()
		lim.Head, lim.Pending, lim.Ahead = 512, 4, 64 // so that the fuzzer meets the limits
		fresh := func() decode.Decoder { return with(decode.Conn{Limits: lim, MidStream: mid}) }
		whole := testkit.Play(fresh(), 0, pieces...)
		sound(t, whole, pieces)
		if got, want := testkit.Play(fresh(), int(chunk)+1, pieces...).JSON(), whole.JSON(); got != want {
			t.Fatalf("in pieces of %d:\n%swhole:\n%s", int(chunk)+1, got, want)
		}
	})
}

// FuzzStrict: what the strict parser takes, the lenient one reads alike; its
// verdict does not depend on the cuts; the body never yields more than it got.
func FuzzStrict(f *testing.F) {
	f.Add([]byte(get), uint8(3))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n"), uint8(1))
	f.Add([]byte("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"), uint8(9))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		lim := decode.DefaultLimits()
		lim.Head = 1024
		in = append(in, "\r\n\r\n0\r\n\r\n"...) // in parts, fields are judged when the head has ended
		var whole, parts, lenient Head
		n, err := whole.ParseRequest(in, Strict, lim)
		k, perr := 0, error(nil)
		for end := 0; k == 0 && perr == nil && end < len(in); {
			end = min(len(in), end+int(step)+1)
			k, perr = parts.ParseRequest(in[:end], Strict, lim)
		}
		if n != k || (err == nil) != (perr == nil) {
			t.Fatalf("whole %d %v, in parts %d %v", n, err, k, perr)
		}
		if n == 0 {
			return
		}
		if m, err := lenient.ParseRequest(in, Lenient, lim); m != n || err != nil || lenient.Framing != whole.Framing ||
			lenient.Length != whole.Length || !bytes.Equal(lenient.Path, whole.Path) || len(lenient.Fields) != len(whole.Fields) || lenient.Ambiguous != "" {
			t.Fatalf("lenient: %d %v %+v", m, err, lenient)
		}
		var b Body
		b.Reset(whole.Framing, whole.Length, Strict, lim)
		used, payload, _, _ := b.Next(in[n:])
		if used > len(in)-n || payload > int64(used) || payload != b.Payload {
			t.Fatalf("used %d, payload %d of %d", used, payload, len(in)-n)
		}
	})
}

// FuzzGaps: bytes missing anywhere do no harm, and every exchange that was
// begun is told.
func FuzzGaps(f *testing.F) {
	f.Add([]byte(get+get), []byte(answerOK+answerOK), uint16(70), uint16(200), uint16(9))
	f.Add([]byte(get), []byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), uint16(400), uint16(42), uint16(97))
	f.Fuzz(func(t *testing.T, client, server []byte, c, s, n uint16) {
		d, r := fresh(), new(testkit.Recorder)
		for dir, b := range [][]byte{client, server} {
			at := min(int([]uint16{c, s}[dir]), len(b))
			_ = d.Feed(event.Dir(dir), 1, b[:at], r)
			d.Gap(event.Dir(dir), 2, int64(n), r)
			_ = d.Feed(event.Dir(dir), 3, b[at:], r)
		}
		d.End(event.ToClient, 4, r)
		d.Close(5, r)
		for i := range r.Exchanges {
			x := &r.Exchanges[i]
			if x.Start == 0 || x.End < x.Start || x.HTTP != nil && x.HTTP.RequestBody > x.RequestBytes || x.HTTP != nil && x.HTTP.ResponseBody > x.ResponseBytes {
				t.Fatalf("%+v", *x)
			}
		}
		if k := d.(*conn).queue.len(); k != 0 {
			t.Fatalf("%d exchanges were never told", k)
		}
	})
}
