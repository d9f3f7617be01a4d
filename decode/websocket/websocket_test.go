package websocket

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// summary is what most tests look at.
func summary(x *event.Exchange) string {
	w := x.WebSocket
	out := fmt.Sprintf("frames %d/%d messages %d/%d payload %d/%d bytes %d/%d", w.ClientFrames, w.ServerFrames, w.ClientMessages, w.ServerMessages,
		w.ClientPayload, w.ServerPayload, x.RequestBytes, x.ResponseBytes)
	if w.Pings > 0 {
		out += fmt.Sprintf(" pings %d rtt %d", w.Pings, w.PingRTT)
	}
	if w.ClosedBy != "" {
		out += fmt.Sprintf(" closed by %s %d %q", w.ClosedBy, w.CloseCode, w.CloseReason)
	}
	if x.ErrorType != "" {
		out += fmt.Sprintf(" %v %s", x.Status, x.ErrorType)
	}
	x.Decode.Each(func(name string) { out += " " + name })
	return out
}

var sessions = []struct {
	name    string
	pieces  []testkit.Piece
	want    string
	notices []string
}{
	{"nothing at all", nil, "frames 0/0 messages 0/0 payload 0/0 bytes 0/0 error 1006", nil},
	{
		"a chat and an orderly end",
		[]testkit.Piece{testkit.C(c(opText, "hello")), testkit.S(s(opText, "") + s(opBinary, strings.Repeat("x", 300))), testkit.C(c(opClose, code(1000, "bye"))), testkit.S(s(opClose, code(1000, "")))},
		`frames 2/3 messages 1/2 payload 5/300 bytes 22/310 closed by client 1000 "bye"`, nil,
	},
	{
		"frames of all lengths",
		[]testkit.Piece{testkit.C(c(opBinary, strings.Repeat("a", 125)) + c(opBinary, strings.Repeat("b", 126)) + c(opBinary, strings.Repeat("c", 70000))), testkit.S(s(opClose, ""))},
		`frames 3/1 messages 3/0 payload 70251/0 bytes 70279/2 closed by server 1005 ""`, nil,
	},
	{
		"control frames inside a message",
		[]testkit.Piece{testkit.S(raw(opText, false, "one ") + raw(opContinuation, false, "two ") + s(opPing, "?") + s(opContinuation, "three")), testkit.C(c(opPong, "?"))},
		`frames 1/4 messages 0/1 payload 0/13 bytes 7/22 pings 1 rtt 1000000 error 1006`, nil,
	},
	{
		"the shortest of two pings counts, an unasked pong does not",
		[]testkit.Piece{
			testkit.C(c(opPing, "a")), testkit.S(s(opPong, "z")), testkit.S(s(opPong, "a")), testkit.C(c(opPing, "b")), testkit.S(s(opPong, "b") + s(opClose, code(1001, ""))),
			testkit.C(c(opClose, code(1001, ""))),
		},
		`frames 3/4 messages 0/0 payload 0/0 bytes 22/13 pings 2 rtt 1000000 closed by server 1001 ""`, nil,
	},
	{
		"an error as the reason",
		[]testkit.Piece{testkit.C(c(opText, "{")), testkit.S(s(opClose, code(1007, "not \xff JSON"))), testkit.C(c(opClose, code(1000, "other")))},
		`frames 2/1 messages 1/0 payload 1/0 bytes 20/14 closed by server 1007 "not � JSON" error 1007`, nil,
	},
	{
		"compressed",
		[]testkit.Piece{testkit.C(raw(final|compressed|opText, true, "\xf2\x48\xcd\xc9\xc9\x07\x00")), testkit.S(s(opClose, code(4001, "ours")))},
		`frames 1/1 messages 1/0 payload 7/0 bytes 13/8 closed by server 4001 "ours"`, nil,
	},
	{
		"cut inside a frame",
		[]testkit.Piece{testkit.S(s(opText, "hello")[:4])},
		`frames 0/0 messages 0/0 payload 0/2 bytes 0/4 error 1006 body_cut`, nil,
	},
	{
		"the client does not mask",
		[]testkit.Piece{testkit.C(s(opText, "a") + s(opText, "b"))},
		`frames 2/0 messages 2/0 payload 2/0 bytes 6/0 error 1006`, []string{"client: a frame of the client is not masked"},
	},
	{
		"the server masks",
		[]testkit.Piece{testkit.S(c(opText, "a"))},
		`frames 0/1 messages 0/1 payload 0/1 bytes 0/7 error 1006`, []string{"server: a frame of the server is masked"},
	},
	{
		"reserved bits", []testkit.Piece{testkit.S(raw(final|0x20|opText, false, ""))},
		`frames 0/1 messages 0/1 payload 0/0 bytes 0/2 error 1006`, []string{"reserved bits"},
	},
	{
		"reserved opcode", []testkit.Piece{testkit.S(s(0x3, "?") + s(0xb, ""))},
		`frames 0/2 messages 0/1 payload 0/1 bytes 0/5 error 1006`, []string{"opcode that is reserved"},
	},
	{
		"a long ping", []testkit.Piece{testkit.S(s(opPing, strings.Repeat("p", 200)))},
		`frames 0/1 messages 0/0 payload 0/0 bytes 0/204 pings 1 rtt 0 error 1006`, []string{"longer than 125"},
	},
	{
		"a fragmented ping", []testkit.Piece{testkit.S(raw(opPing, false, ""))},
		`frames 0/1 messages 0/0 payload 0/0 bytes 0/2 pings 1 rtt 0 error 1006`, []string{"is fragmented"},
	},
	{
		"a continuation of nothing", []testkit.Piece{testkit.S(s(opContinuation, "x"))},
		`frames 0/1 messages 0/1 payload 0/1 bytes 0/3 error 1006`, []string{"continues nothing"},
	},
	{
		"a message inside a message", []testkit.Piece{testkit.S(raw(opText, false, "x") + s(opText, "y"))},
		`frames 0/2 messages 0/1 payload 0/2 bytes 0/6 error 1006`, []string{"begins inside another"},
	},
	{
		"a frame after the close frame", []testkit.Piece{testkit.S(s(opClose, code(1000, "")) + s(opText, "wait"))},
		`frames 0/2 messages 0/1 payload 0/4 bytes 0/10 closed by server 1000 ""`, []string{"after the close frame"},
	},
	{
		"an impossible length", []testkit.Piece{testkit.S(s(opText, "a") + "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff and more")},
		`frames 0/1 messages 0/1 payload 0/1 bytes 0/22`, []string{"length is over 2^63"},
	},
}

func TestSessions(t *testing.T) {
	for _, k := range sessions {
		t.Run(k.name, func(t *testing.T) {
			r := testkit.Play(session(), 0, k.pieces...)
			if len(r.Exchanges) != 1 {
				t.Fatalf("%d exchanges, want one", len(r.Exchanges))
			}
			if got := summary(&r.Exchanges[0]); got != k.want {
				t.Errorf("got  %s\nwant %s", got, k.want)
			}
			if len(r.Notices) != len(k.notices) {
				t.Fatalf("notices %+v, want %q", r.Notices, k.notices)
			}
			for i, n := range r.Notices {
				if !strings.Contains(n.Body, k.notices[i]) || n.TraceID != (event.TraceID{1}) {
					t.Errorf("notice %+v, want %q", n, k.notices[i])
				}
			}
		})
	}
}

func TestEverySplitTellsTheSame(t *testing.T) {
	for _, k := range sessions {
		if k.name == "frames of all lengths" {
			continue // as many splits as it has bytes would take too long
		}
		testkit.EverySplit(session, func(cut int, want, got string) {
			t.Errorf("%s: cut at %d\nwant %s\ngot  %s", k.name, cut, want, got)
		}, k.pieces...)
	}
}

func TestASessionTakesOverItsHandshake(t *testing.T) {
	x := testkit.Play(session(), 0, testkit.S(s(opText, "hi"))).Exchanges[0]
	if x.Name != "websocket /rooms/{id}" || x.Protocol != event.WebSocket || x.Stream != 3 {
		t.Errorf("name %q, protocol %v, stream %d", x.Name, x.Protocol, x.Stream)
	}
	if x.TraceID != (event.TraceID{1}) || x.ParentID != (event.SpanID{2}) || !x.SpanID.IsZero() {
		t.Errorf("trace %v, parent %v, span %v", x.TraceID, x.ParentID, x.SpanID)
	}
	if x.Start != 995*ms || x.FirstByte != 1000*ms || x.ResponseBytes != 4 {
		t.Errorf("start %d, first byte %d, bytes %d", x.Start, x.FirstByte, x.ResponseBytes)
	}
	if h := x.HTTP; h.Method != "GET" || h.Host != "chat.example" || h.StatusCode != 101 || h.Upgrade != "" || h.Interim != 0 {
		t.Errorf("HTTP part %+v", h)
	}
	if w := x.WebSocket; w.Subprotocol != "chat" || w.Extensions != "permessage-deflate" {
		t.Errorf("agreed on %q, %q", w.Subprotocol, w.Extensions)
	}
}

// What a handshake lent is not looked at after the call.
func TestTheHandshakeIsCopied(t *testing.T) {
	h := upgraded()
	path := []byte("/rooms/7")
	h.Request.HTTP.Path = decode.View(path)
	d := Take(testConn(), h)
	copy(path, "!!!!!!!!")
	*h.Request = event.Exchange{}
	if got := testkit.Play(d, 0).Exchanges[0].HTTP.Path; got != "/rooms/7" {
		t.Errorf("path %q", got)
	}
}

// A session of a stream of HTTP/2 (RFC 8441) has the stream's number.
func TestASessionInsideAStream(t *testing.T) {
	h := upgraded()
	h.Request.HTTP2 = &event.H2{StreamID: 5, Reset: "CANCEL"}
	k := testConn()
	var kinds []string
	k.Inspect = func(m *decode.Message) { kinds = append(kinds, fmt.Sprint(m.Kind, m.Stream)) }
	x := testkit.Play(Take(k, h), 0, testkit.C(c(opPing, ""))).Exchanges[0]
	if *x.HTTP2 != (event.H2{StreamID: 5}) || kinds[0] != "ping5" {
		t.Errorf("HTTP/2 part %+v, messages %q", x.HTTP2, kinds)
	}
}

func TestASessionNobodySawTheStartOf(t *testing.T) {
	k := testConn()
	k.MidStream = true
	x := testkit.Play(Protocol().New(k), 0, testkit.S(s(opText, "hi"))).Exchanges[0]
	if x.Name != "websocket" || x.HTTP != nil || x.Decode != event.MidStream || x.Start != 1000*ms {
		t.Errorf("told %s", x.AppendJSON(nil))
	}
}

// A capture that stops is no error of the session.
func TestASessionThatGoesOnUnwatched(t *testing.T) {
	k := testConn()
	k.Unwatched = func() bool { return true }
	x := testkit.Play(Take(k, upgraded()), 0, testkit.S(s(opText, "hi"))).Exchanges[0]
	if x.Status != event.Unset || x.ErrorType != "" {
		t.Errorf("status %v, error %q", x.Status, x.ErrorType)
	}
}

func TestNothingFollowsTheEnd(t *testing.T) {
	r := testkit.Play(session(), 0, testkit.C(c(opClose, "")), testkit.S(s(opClose, "")+s(opText, "late")), testkit.C("garbage"))
	if len(r.Exchanges) != 1 || len(r.Notices) != 0 || r.Exchanges[0].End != 1001*ms {
		t.Errorf("told %s", r.JSON())
	}
}

func TestNoBytesGiveASessionAway(t *testing.T) {
	for _, b := range []string{"", c(opText, "hello"), s(opText, "hello")} {
		if v := Protocol().Detect(event.ToServer, []byte(b)); v != decode.No {
			t.Errorf("%q: %v", b, v)
		}
	}
}

func TestExtensions(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " , ;x": "", "permessage-deflate": "permessage-deflate", "A; b=c, D;e": "a,d",
	} {
		if got := extensions(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for names, want := range map[string]byte{"": 0, "permessage-deflate": compressed, "a,d": bitsReserved} {
		if got := reserved(names); got != want {
			t.Errorf("%q: %x, want %x", names, got, want)
		}
	}
}

func TestInspect(t *testing.T) {
	k := testConn()
	var got []string
	k.Inspect = func(m *decode.Message) {
		got = append(got, fmt.Sprintf("%v %d+%d %s: %s", m.Dir, m.Offset, m.Size, m.Kind, m.Text))
	}
	testkit.Play(Take(k, upgraded()), 3, testkit.C(c(opText, "hello")+c(opPing, "")), testkit.S(raw(compressed|opBinary, false, "abc")+s(opContinuation, "")+s(opClose, code(1001, "gone"))))
	want := []string{
		"to_server 0+11 text: 5 bytes, masked", "to_server 11+6 ping: 0 bytes, masked", "to_client 0+5 binary: 3 bytes, more to come, compressed",
		"to_client 5+2 continuation: 0 bytes", `to_client 7+8 close: 6 bytes, code 1001 "gone"`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}
