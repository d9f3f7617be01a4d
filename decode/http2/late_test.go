package http2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// churn is a conversation whose tables turn over several times.
func churn() *talk {
	t := hello()
	for i := range uint32(30) {
		id := 2*i + 1
		t.headers(event.ToServer, id, i%3 != 0, fmt.Sprintf(":method %s\n:scheme https\n:authority host%d.example\n:path /p%d/%s?q=%d\nuser-agent agent-%d\nx-filler %s\ntraceparent 00-%032x-%016x-01",
			[]string{"GET", "PATCH", "PROPFIND"}[i%3], i%4, i%7, strings.Repeat("x", int(i%5)*9), i, i%2, strings.Repeat("f", int(i%11)*40), i+1, i+1))
		if i%3 == 0 {
			t.data(event.ToServer, id, true, strings.Repeat("b", int(i)*20))
		}
		t.headers(event.ToClient, id, i%4 == 3, fmt.Sprintf(":status %d\nserver s%d\nx-filler %s", []int{200, 201, 418, 503}[i%4], i%3, strings.Repeat("g", int(i%13)*30)))
		if i%4 != 3 {
			t.data(event.ToClient, id, false, strings.Repeat("\x00\x00\x01", int(i)*7)).headers(event.ToClient, id, true, fmt.Sprintf("x-sum %d", i))
		}
	}
	return t
}

// byStream are exchanges by their stream.
func byStream(r *testkit.Recorder) map[uint32]*event.Exchange {
	m := make(map[uint32]*event.Exchange)
	for i := range r.Exchanges {
		m[r.Exchanges[i].HTTP2.StreamID] = &r.Exchanges[i]
	}
	return m
}

// contradiction is a field in which x, seen in part, says something else than
// whole; "" when all are equal, unknown or marked.
func contradiction(whole, x *event.Exchange) string {
	w, p := whole.HTTP, x.HTTP
	for _, f := range []struct{ name, want, got string }{
		{"method", w.Method, p.Method}, {"scheme", w.Scheme, p.Scheme}, {"host", w.Host, p.Host}, {"path", w.Path, p.Path},
		{"agent", w.UserAgent, p.UserAgent},
	} {
		if f.got != f.want && f.got != unknown && !(f.got == "" && x.Decode&event.NoRequest != 0) {
			return fmt.Sprintf("%s is %q, not %q", f.name, f.got, f.want)
		}
	}
	for _, f := range []struct{ name, want, got string }{
		{"query", w.Query, p.Query}, {"request id", w.RequestID, p.RequestID}, {"template", w.Template, p.Template}, {"reset", whole.HTTP2.Reset, x.HTTP2.Reset},
	} {
		if f.got != f.want && f.got != "" && f.got != unknown {
			return fmt.Sprintf("%s is %q, not %q", f.name, f.got, f.want)
		}
	}
	switch {
	case p.StatusCode != w.StatusCode && p.StatusCode != 0:
		return fmt.Sprintf("status is %d, not %d", p.StatusCode, w.StatusCode)
	case !x.TraceID.IsZero() && x.TraceID != whole.TraceID:
		return "trace id differs"
	case p.Port != w.Port && p.Port != 0:
		return "port differs"
	case p.RequestBody > w.RequestBody || p.ResponseBody > w.ResponseBody:
		return fmt.Sprintf("bodies of %d and %d, not %d and %d", p.RequestBody, p.ResponseBody, w.RequestBody, w.ResponseBody)
	case x.Decode&(event.MidStream|event.RequestGap|event.ResponseGap|event.HPACKUnsure|event.BodyCut|event.NoResponse|event.NoRequest) == 0 && summary(x) != summary(whole):
		return fmt.Sprintf("unmarked, but %s, not %s", summary(x), summary(whole))
	}
	return ""
}

// tail is a conversation from byte at on.
func tail(pieces []testkit.Piece, at int) []testkit.Piece {
	for i, p := range pieces {
		if at < len(p.Bytes) {
			return append([]testkit.Piece{{Dir: p.Dir, Bytes: p.Bytes[at:]}}, pieces[i+1:]...)
		}
		at -= len(p.Bytes)
	}
	return nil
}

func length(pieces []testkit.Piece) (n int) {
	for _, p := range pieces {
		n += len(p.Bytes)
	}
	return n
}

// A connection may be joined at any byte, between frames and within them: what
// is told is what a decoder told that saw all of it, or is marked unknown.
func TestJoinedAnywhere(t *testing.T) {
	c := plainConn()
	c.MidStream = true
	for _, v := range append(conversations[:len(conversations):len(conversations)], struct {
		name string
		talk *talk
		want string
	}{name: "churn", talk: churn()}) {
		whole := byStream(testkit.Play(fresh(), 0, v.talk.pieces...))
		known := 0
		for at := 0; at < length(v.talk.pieces); at += 1 + length(v.talk.pieces)/400 {
			r := testkit.Play(newConn(c, Options{}), 0, tail(v.talk.pieces, at)...)
			for id, x := range byStream(r) {
				if whole[id] == nil {
					t.Fatalf("%s, joined at %d: stream %d was never there: %s", v.name, at, id, summary(x))
				}
				if why := contradiction(whole[id], x); why != "" {
					t.Fatalf("%s, joined at %d, stream %d: %s", v.name, at, id, why)
				}
				if x.HTTP.Path == whole[id].HTTP.Path {
					known++
				}
			}
		}
		if v.name == "churn" && known < 400*8 {
			t.Errorf("%s: of all exchanges only %d were known in the end", v.name, known)
		}
	}
}

// playGap plays pieces with n bytes of direction d missing from byte at on.
func playGap(dec decode.Decoder, pieces []testkit.Piece, d event.Dir, at, n int) *testkit.Recorder {
	r := new(testkit.Recorder)
	now, seen := int64(1_000_000_000), 0
	for _, p := range pieces {
		now += 1_000_000
		b := p.Bytes
		if p.Dir != d {
			_ = dec.Feed(p.Dir, now, b, r)
			continue
		}
		from, to := min(max(at-seen, 0), len(b)), min(max(at+n-seen, 0), len(b))
		if from > 0 {
			_ = dec.Feed(d, now, b[:from], r)
		}
		if to > from {
			dec.Gap(d, now, int64(to-from), r)
		}
		if to < len(b) {
			_ = dec.Feed(d, now, b[to:], r)
		}
		seen += len(b)
	}
	dec.Close(now, r)
	return r
}

// Bytes may be missing anywhere: nothing wrong is told, and what was whole
// before the gap is untouched.
func TestGapsAnywhere(t *testing.T) {
	for _, v := range append(conversations[:len(conversations):len(conversations)], struct {
		name string
		talk *talk
		want string
	}{name: "churn", talk: churn()}) {
		whole := byStream(testkit.Play(fresh(), 0, v.talk.pieces...))
		for d := range event.Dir(2) {
			for _, n := range []int{1, 9, 300} {
				for at := 0; at < length(v.talk.pieces); at += 1 + n/100 + length(v.talk.pieces)/80 {
					for id, x := range byStream(playGap(fresh(), v.talk.pieces, d, at, n)) {
						if whole[id] == nil {
							t.Fatalf("%s, %d bytes missing at %d %v: stream %d was never there: %s", v.name, n, at, d, id, summary(x))
						}
						if why := contradiction(whole[id], x); why != "" {
							t.Fatalf("%s, %d bytes missing at %d %v, stream %d: %s\n%s", v.name, n, at, d, id, why, summary(x))
						}
					}
				}
			}
		}
	}
}

// A gap within DATA costs nothing but the bytes.
func TestGapInData(t *testing.T) {
	talk := hello().post(1, "/a").data(event.ToServer, 1, true, "0123456789").get(3, "/b").answer(1, false, "200").data(event.ToClient, 1, true, "abc").answer(3, true, "200")
	at := 0
	for _, p := range talk.pieces[:3] {
		if p.Dir == event.ToServer {
			at += len(p.Bytes)
		}
	}
	got := summaries(playGap(fresh(), talk.pieces, event.ToServer, at+headSize+2, 5))
	want := "1 POST /a | POST http shop.example 81 /a 200 10/3 probe/1 request_gap\n3 GET /b | GET http shop.example 81 /b 200 0/0 probe/1 r3\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// Whatever is cut off at the end, all streams are told, and none wrongly.
func TestTruncation(t *testing.T) {
	for _, v := range conversations {
		whole := byStream(testkit.Play(fresh(), 0, v.talk.pieces...))
		for n := range length(v.talk.pieces) {
			var head []testkit.Piece
			for rest, i := n, 0; rest > 0; i++ {
				p := v.talk.pieces[i]
				p.Bytes = p.Bytes[:min(rest, len(p.Bytes))]
				rest -= len(p.Bytes)
				head = append(head, p)
			}
			for id, x := range byStream(testkit.Play(fresh(), 0, head...)) {
				if why := contradiction(whole[id], x); why != "" && x.HTTP2.Reset == "" { // else what came after the reset is cut off
					t.Fatalf("%s, cut at %d, stream %d: %s", v.name, n, id, why)
				}
			}
		}
	}
}
