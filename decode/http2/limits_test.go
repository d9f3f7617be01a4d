package http2

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// What is over a limit is told with what is known, and the rest goes on.
func TestLimits(t *testing.T) {
	long := func(n int) string { return "x-long " + strings.Repeat("v", n) }
	for _, c := range []struct {
		name   string
		limits func(*decode.Limits)
		talk   func(*talk)
		want   string
	}{
		{"streams", func(l *decode.Limits) { l.Streams = 2 }, func(t *talk) {
			t.get(1, "/a").get(3, "/b").get(5, "/c").answer(1, true, "200").answer(3, true, "200").answer(5, true, "200")
		},
			"5 GET /c | GET http shop.example 81 /c 0 0/0 probe/1 r5 error=unanswered no_response\n1 GET /a | GET http shop.example 81 /a 200 0/0 probe/1 r1\n3 GET /b | GET http shop.example 81 /b 200 0/0 probe/1 r3\n"},
		{"header list", func(l *decode.Limits) { l.HeaderList = 200 }, func(t *talk) {
			t.headers(event.ToServer, 1, true, ":method GET\n:path /a\n"+long(300)+"\n:authority h").answer(1, true, "200").get(3, "/b").answer(3, true, "200")
		},
			"1 GET /a | GET ? ? 0 /a 200 0/0 ? hpack_unsure body_cut\n3 GET /b | GET http shop.example 81 /b 200 0/0 ? hpack_unsure body_cut\n"},
		{"fields", func(l *decode.Limits) { l.Headers = 2 }, func(t *talk) {
			t.headers(event.ToServer, 1, true, ":method GET\n:path /a\n:scheme http").answer(1, true, "200")
		},
			"1 GET /a | GET ? ? 0 /a 200 0/0 ? hpack_unsure body_cut\n"},
		{"field block", func(l *decode.Limits) { l.Head = 30 }, func(t *talk) {
			t.headers(event.ToServer, 1, true, ":method GET\n:path /a\n:scheme http\n"+long(300)).answer(1, true, "200")
			t.get(3, "/b").answer(3, true, "200")
		},
			"1 GET /a | GET http ? 0 /a 200 0/0 ? hpack_unsure body_cut\n3 GET /b | GET http shop.example 81 /b 200 0/0 probe/1 hpack_unsure body_cut\n"},
		{"continuations", func(l *decode.Limits) { l.Continuations = 3 }, func(t *talk) {
			b := t.block(0, ":method GET\n:path /a\n:scheme http\n"+long(100))
			t.frame(event.ToServer, frameHeaders, flagEndStream, 1, b[:8])
			for i := range 100 {
				t.frame(event.ToServer, frameContinuation, 0, 1, b[8+i/50:9+i/50])
			}
			t.frame(event.ToServer, frameContinuation, flagEndHeaders, 1, "").answer(1, true, "200")
		}, "1 GET /a | GET http ? 0 /a 200 0/0 ? hpack_unsure body_cut\n"},
		{"table", func(l *decode.Limits) { l.Table = 70 }, func(t *talk) {
			t.get(1, "/a").answer(1, true, "200").get(3, "/a").answer(3, true, "200")
		}, "1 GET /a | GET http shop.example 81 /a 200 0/0 probe/1 r1\n3 GET ? | GET http ? 0 ? 200 0/0 ? r3 hpack_unsure\n"},
		{"text", func(l *decode.Limits) { l.Text = 3 }, func(t *talk) { t.get(1, "/abcdef").answer(1, true, "200") },
			"1 GET /ab | GET http sho 81 /ab 200 0/0 pro r1\n"},
	} {
		conn := plainConn()
		c.limits(&conn.Limits)
		talk := hello()
		c.talk(talk)
		if got := summaries(testkit.Play(newConn(conn, Options{}), 0, talk.pieces...)); got != c.want {
			t.Errorf("%s:\ngot  %swant %s", c.name, got, c.want)
		}
	}
}

// Floods cost no memory that grows with them.
func TestFloods(t *testing.T) {
	reset := hello()
	for i := range uint32(5000) {
		reset.get(2*i+1, "/x").frame(event.ToServer, frameReset, 0, 2*i+1, "\x00\x00\x00\x08")
	}
	open := hello()
	for i := range uint32(5000) {
		open.get(2*i+1, "/x")
	}
	for name, talk := range map[string]*talk{"rapid reset": reset, "streams": open} {
		d, emit := newConn(plainConn(), Options{}), new(nobody)
		for i, p := range talk.pieces {
			_ = d.Feed(p.Dir, int64(i), p.Bytes, emit)
			if len(d.set.open) > d.c.Limits.Streams || len(d.gone) > maxLinger {
				t.Fatalf("%s: %d streams, %d linger", name, len(d.set.open), len(d.gone))
			}
		}
		d.Close(1e9, emit)
		if emit.exchanges != 5000 || len(d.set.open) != 0 {
			t.Errorf("%s: %d exchanges told", name, emit.exchanges)
		}
	}
}

// A direction whose place is lost keeps no more than a few frames' worth.
func TestSearchIsBounded(t *testing.T) {
	c := plainConn()
	c.MidStream = true
	for _, chunk := range []string{"\x00", "\x00\x40\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x04\x08\x00\x00\x00\x00\x00", "\x00\x3f\xff\x01\x04\x00\x00\x00\x01", "junk"} {
		d, emit := newConn(c, Options{}), new(nobody)
		for range 300 {
			_ = d.Feed(event.ToServer, 1, bytes.Repeat([]byte(chunk), 100), emit)
			if n := len(d.half[0].search.buf); n > 3*frameLimit+1000 {
				t.Fatalf("%q: %d bytes kept", chunk, n)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	request := string(frameBytes(frameHeaders, flagEndHeaders, 5, newTalk().block(0, ":method GET\n:path /a\nx-a b")))
	answer := string(frameBytes(frameHeaders, flagEndHeaders, 5, newTalk().block(1, ":status 200\nx-a b")))
	settings := string(frameBytes(frameSettings, 0, 0, ""))
	for _, c := range []struct {
		d    event.Dir
		in   string
		want decode.Verdict
	}{
		{0, "", decode.Maybe}, {0, "P", decode.Maybe}, {0, preface[:23], decode.Maybe}, {0, preface, decode.Yes}, {1, preface, decode.No}, {0, "PRI * HTTP/1.1", decode.No},
		{1, settings, decode.Maybe}, {1, settings + answer, decode.Yes}, {0, settings + answer, decode.No}, {0, settings + request, decode.Yes}, {1, request, decode.No}, {0, request, decode.Yes},
		{0, request[:len(request)-1], decode.Maybe}, {0, "GET / HTTP/1.1\r\n", decode.No}, {1, "HTTP/1.1 200 OK\r\n", decode.No}, {0, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", decode.No},
		{0, "\x17\x03\x03\x00\x20" + strings.Repeat("x", 32), decode.No}, {0, strings.Repeat("\x00", 64), decode.No}, {1, "SSH-2.0-x\r\n", decode.No},
	} {
		if got := Detect(c.d, []byte(c.in)); got != c.want {
			t.Errorf("%v %q: got %v, want %v", c.d, c.in, got, c.want)
		}
	}
}

// No protocol takes another's bytes for its own, at any place of them.
func TestProtocolsAreNotMistaken(t *testing.T) {
	message := func(n int, id, to byte, op int, body string) string {
		b := []byte{byte(n), byte(n >> 8), 0, 0, id, 0, 0, 0, to, 0, 0, 0, byte(op), byte(op >> 8), 0, 0}
		return string(b) + body
	}
	doc := "\x00\x00\x00\x00\x00\x1f\x00\x00\x00\x10ping\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00"
	others := []string{"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "\x16\x03\x03\x00\x05hello\x17\x03\x03\x00\x03abc",
		message(16+len(doc), 1, 0, 2013, doc), message(16+len(doc), 2, 1, 2013, doc) + message(16+len(doc), 3, 2, 2013, doc)}
	for _, in := range others {
		for at := range len(in) {
			for d := range event.Dir(2) {
				if Detect(d, []byte(in[at:])) == decode.Yes {
					t.Errorf("%q from %d is taken for HTTP/2 %v", in, at, d)
				}
			}
		}
	}
	for _, c := range conversations {
		for _, p := range c.talk.pieces {
			if http1.Detect(p.Dir, p.Bytes) == decode.Yes {
				t.Errorf("%s: %q is taken for HTTP/1", c.name, p.Bytes)
			}
			if mongo.Protocol(mongo.Options{}).Detect(p.Dir, p.Bytes) == decode.Yes {
				t.Errorf("%s: %q is taken for MongoDB", c.name, p.Bytes)
			}
		}
	}
}
