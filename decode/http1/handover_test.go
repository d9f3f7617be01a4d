package http1

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// heir is a decoder that tells, as one exchange, what it was handed over and
// every byte of it with its sequence number.
type heir struct {
	c    decode.Conn
	name string
	got  [2]bytes.Buffer
	log  []string
	last [2]uint32 // number of the last byte in each direction
}

func heirs(names ...string) []decode.Protocol {
	list := []decode.Protocol{Protocol(Options{})}
	for _, name := range names {
		list = append(list, decode.Protocol{
			Name:   name,
			Detect: func(event.Dir, []byte) decode.Verdict { return decode.No },
			Take: func(c decode.Conn, h decode.Handover) decode.Decoder {
				x := h.Request
				return &heir{c: c, name: fmt.Sprintf("%s after %s %d settings=%x ext=%s sub=%s depth=%d mid=%v",
					name, x.Name, x.HTTP.StatusCode, h.Settings, h.Extensions, h.Subprotocol, c.Depth, c.MidStream)}
			},
		})
	}
	return list
}

func (h *heir) Feed(d event.Dir, _ int64, b []byte, _ event.Emitter) error {
	for i, c := range b {
		if at := h.c.Position(d, i); h.last[d] != 0 && at != h.last[d]+1 {
			h.log = append(h.log, fmt.Sprintf("byte %q of %v at %d after %d", c, d, at, h.last[d]))
		}
		h.last[d] = h.c.Position(d, i)
		h.got[d].WriteByte(c)
	}
	return nil
}

func (h *heir) Gap(d event.Dir, _ int64, n int64, _ event.Emitter) {
	fmt.Fprintf(&h.got[d], "[gap %d]", n)
	h.last[d] += uint32(n)
}
func (h *heir) End(d event.Dir, _ int64, _ event.Emitter) { h.got[d].WriteString("[end]") }
func (h *heir) Close(at int64, emit event.Emitter) {
	emit.Exchange(&event.Exchange{Name: h.name + " client=" + h.got[0].String() + " server=" + h.got[1].String() + strings.Join(h.log, "; "), Start: at, End: at})
}

// placed counts what it feeds, so that positions can be checked.
type placed struct {
	decode.Decoder
	fed [2]uint32
}

func onWire(protocols []decode.Protocol, lim decode.Limits) *placed {
	p := new(placed)
	p.Decoder = decode.NewDetector(protocols, decode.Conn{Limits: lim, Position: func(d event.Dir, off int) uint32 {
		return 1000 + p.fed[d] + uint32(off)
	}})
	return p
}

func (p *placed) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	err := p.Decoder.Feed(d, at, b, emit)
	p.fed[d] += uint32(len(b))
	return err
}

const (
	upgradeWS = "GET /ws/7 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	agreeWS   = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
	upgradeH2 = "POST /h2 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 4\r\n\r\n"
	agreeH2   = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	connect   = "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"
	agreed    = "HTTP/1.1 200 Connection established\r\n\r\n"
)

// handovers are conversations that do not end as HTTP.
var handovers = []struct {
	name   string
	pieces []testkit.Piece
	want   string
}{
	{"websocket", []testkit.Piece{testkit.C(upgradeWS), testkit.S(agreeWS + "\x81\x02hi"), testkit.C("\x88\x00"), testkit.S("\x88\x00")},
		"GET /ws/7 101 0/0\nwebsocket after GET /ws/{id} 101 settings= ext=permessage-deflate sub=chat depth=1 mid=false client=\x88\x00[end] server=\x81\x02hi\x88\x00[end] 0/0\n! http1: connection goes on as websocket\n"},
	{"client ahead of the answer", []testkit.Piece{testkit.C(upgradeWS + "early"), testkit.C("er"), testkit.S(agreeWS), testkit.C("late")},
		"GET /ws/7 101 0/0\nwebsocket after GET /ws/{id} 101 settings= ext=permessage-deflate sub=chat depth=1 mid=false client=earlyerlate[end] server=[end] 0/0\n! http1: connection goes on as websocket\n"},
	{"refused, with requests pipelined", []testkit.Piece{testkit.C(upgradeWS), request("/1"), testkit.C(upgradeWS), request("/2"), reply("400 No", "no"), reply("200 OK", "1"), testkit.S(agreeWS + "x"), testkit.S("y")},
		"GET /ws/7 400 0/2\nGET /1 200 0/1\nGET /ws/7 101 0/0\nwebsocket after GET /ws/{id} 101 settings= ext=permessage-deflate sub=chat depth=1 mid=false client=GET /2 HTTP/1.1\r\nHost: a\r\n\r\n[end] server=xy[end] 0/0\n! http1: connection goes on as websocket\n"},
	{"never answered, with requests pipelined", []testkit.Piece{testkit.C(upgradeWS), request("/1")},
		"GET /ws/7 0 0/0 unanswered no_response\nGET /1 0 0/0 unanswered no_response\n"},
	{"h2c", []testkit.Piece{testkit.C(upgradeH2 + "body"), testkit.S(agreeH2 + "frames"), testkit.C("PRI")},
		"POST /h2 101 4/0\nhttp2 after POST /h2 101 settings=00030000006400040000ffff ext= sub= depth=1 mid=false client=PRI[end] server=frames[end] 0/0\n! http1: connection goes on as h2c\n"},
	{"h2c before the body's end", []testkit.Piece{testkit.C(upgradeH2 + "bo"), testkit.S(agreeH2 + "fra"), testkit.S("mes"), testkit.C("dyPRI"), testkit.C("!")},
		"POST /h2 101 4/0\nhttp2 after POST /h2 101 settings=00030000006400040000ffff ext= sub= depth=1 mid=false client=PRI![end] server=frames[end] 0/0\n! http1: connection goes on as h2c\n"},
	{"h2c and the body never ends", []testkit.Piece{testkit.C(upgradeH2 + "bo"), testkit.S(agreeH2 + "frames")},
		"POST /h2 101 2/0 body_cut\nhttp2 after POST /h2 101 settings=00030000006400040000ffff ext= sub= depth=1 mid=false client=[end] server=frames[end] 0/0\n! http1: connection goes on as h2c\n"},
	{"unknown protocol", []testkit.Piece{testkit.C(strings.Replace(upgradeWS, "websocket", "tcp", 1)), testkit.S("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nraw"), testkit.C("stream")},
		"GET /ws/7 101 0/0\ntcp 6/3\n! http1: connection goes on as tcp\n"},
	{"tunnel with HTTP inside", []testkit.Piece{testkit.C(connect), testkit.S(agreed), request("/in"), reply("200 OK", "in"), testkit.C(upgradeWS), testkit.S(agreeWS + "x")},
		"CONNECT  200 0/0\nGET /in 200 0/2\nGET /ws/7 101 0/0\nwebsocket after GET /ws/{id} 101 settings= ext=permessage-deflate sub=chat depth=2 mid=false client=[end] server=x[end] 0/0\n! http1: connection goes on as connect\n! http1: connection goes on as websocket\n"},
	{"tunnel with a hasty client", []testkit.Piece{testkit.C(connect + "GET /in HTTP/1.1\r\nHost: a\r\n\r\n"), testkit.S(agreed), reply("200 OK", "in")},
		"CONNECT  200 0/0\nGET /in 200 0/2\n! http1: connection goes on as connect\n"},
	{"tunnel with something else inside", []testkit.Piece{testkit.C(connect), testkit.S(agreed + "220 mail\r\n"), testkit.C("EHLO me\r\n")},
		"CONNECT  200 0/0\ntcp 9/10\n! http1: connection goes on as connect\n"},
	{"tunnel that nothing goes through", []testkit.Piece{testkit.C(connect), testkit.S(agreed)},
		"CONNECT  200 0/0\n! http1: connection goes on as connect\n"},
}

func TestHandover(t *testing.T) {
	for _, c := range handovers {
		t.Run(c.name, func(t *testing.T) {
			fresh := func() decode.Decoder { return onWire(heirs("websocket", "http2"), decode.DefaultLimits()) }
			if got := brief(testkit.Play(fresh(), 0, c.pieces...)); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			testkit.EverySplit(fresh, func(cut int, want, got string) {
				t.Errorf("cut at %d: got\n%swant\n%s", cut, got, want)
			}, c.pieces...)
		})
	}
}

// What is kept ahead of an answer is bounded: the rest of a tunnel's bytes is a
// gap, the rest of an upgrade's is read as HTTP.
func TestAheadIsBounded(t *testing.T) {
	lim := decode.DefaultLimits()
	lim.Ahead = 10
	for _, c := range []struct {
		name   string
		pieces []testkit.Piece
		want   string
	}{
		{"tunnel", []testkit.Piece{testkit.C(connect), testkit.C("0123456"), testkit.C("789abcdef"), testkit.C("more"), testkit.S(agreed), testkit.C("!")},
			"CONNECT  200 0/0\ntcp 21/0 request_gap\n! http1: connection goes on as connect\n"},
		{"upgrade", []testkit.Piece{testkit.C(upgradeWS), request("/1"), reply("400 No", "no"), reply("200 OK", "1")},
			"GET /ws/7 400 0/2\nGET /1 200 0/1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh := func() decode.Decoder { return onWire(heirs("websocket"), lim) }
			r := testkit.Play(fresh(), 0, c.pieces...)
			if got := brief(r); got != c.want && !strings.Contains(c.want, "request_gap") {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			if c.name == "tunnel" && (len(r.Exchanges) != 2 || r.Exchanges[1].RequestBytes != 21 || r.Exchanges[1].Decode&event.RequestGap == 0) {
				t.Errorf("got\n%s", r.JSON())
			}
			testkit.EverySplit(fresh, func(cut int, want, got string) {
				t.Errorf("cut at %d: got\n%swant\n%s", cut, got, want)
			}, c.pieces...)
		})
	}
}

// When the answer to CONNECT has fallen into a gap, what goes through the tunnel
// is decoded all the same; the answer to an upgrade is not waited for then.
func TestHandoverWithoutItsAnswer(t *testing.T) {
	const in, out = "GET /in HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for _, c := range []struct{ name, ask, want string }{
		{"tunnel", connect, "CONNECT  0 0/0 unanswered response_gap no_response\nGET /in 200 0/2 mid_stream\n"},
		{"upgrade", upgradeWS, "GET /ws/7 0 0/0 unanswered response_gap no_response\nGET /in 200 0/2\n"},
	} {
		for _, early := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, client before the gap %v", c.name, early), func(t *testing.T) {
				d, r := onWire(heirs("websocket"), decode.DefaultLimits()), new(testkit.Recorder)
				_ = d.Feed(event.ToServer, 1, []byte(c.ask), r)
				_ = d.Feed(event.ToClient, 1, []byte("HTT"), r)
				if early {
					_ = d.Feed(event.ToServer, 2, []byte(in), r)
				}
				d.Gap(event.ToClient, 3, 60, r)
				if !early {
					_ = d.Feed(event.ToServer, 4, []byte(in), r)
				}
				_ = d.Feed(event.ToClient, 5, []byte(out), r)
				d.Close(6, r)
				if got := brief(r); got != c.want {
					t.Errorf("got\n%swant\n%s", got, c.want)
				}
			})
		}
	}
}

// A capture of the client's side alone: the tunnel's bytes are looked at when
// the connection is over.
func TestTunnelOfOneSide(t *testing.T) {
	d, r := onWire(heirs(), decode.DefaultLimits()), new(testkit.Recorder)
	_ = d.Feed(event.ToServer, 1, []byte(connect+"GET /in HTTP/1.1\r\nHost: a\r\n\r\n"), r)
	d.Close(2, r)
	const want = "CONNECT  0 0/0 unanswered response_gap no_response\nGET /in 0 0/0 unanswered mid_stream no_response\n"
	if got := brief(r); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
