package http2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/http2/hpack"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// talk writes a conversation: frames of both sides, their fields compressed by
// the encoder of golang.org/x/net.
type talk struct {
	pieces []testkit.Piece
	enc    [2]*hpack.Encoder
	buf    [2]*bytes.Buffer
}

func newTalk() *talk {
	t := new(talk)
	for d := range t.enc {
		t.buf[d] = new(bytes.Buffer)
		t.enc[d] = hpack.NewEncoder(t.buf[d])
	}
	return t
}

// hello is how every connection begins.
func hello() *talk {
	t := newTalk()
	t.raw(event.ToServer, preface+string(frameBytes(frameSettings, 0, 0, "\x00\x04\x00\x10\x00\x00")))
	t.raw(event.ToClient, string(frameBytes(frameSettings, 0, 0, "\x00\x03\x00\x00\x00\x80"))+string(frameBytes(frameSettings, flagAck, 0, "")))
	return t
}

func (t *talk) raw(d event.Dir, b string) *talk {
	t.pieces = append(t.pieces, testkit.Piece{Dir: d, Bytes: []byte(b)})
	return t
}

func frameBytes(kind, flags uint8, stream uint32, payload string) []byte {
	n := len(payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

func (t *talk) frame(d event.Dir, kind, flags uint8, stream uint32, payload string) *talk {
	return t.raw(d, string(frameBytes(kind, flags, stream, payload)))
}

// block compresses "name value" lines.
func (t *talk) block(d event.Dir, lines string) string {
	t.buf[d].Reset()
	for line := range strings.SplitSeq(lines, "\n") {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		f := hpack.HeaderField{Name: name, Value: value}
		f.Sensitive = strings.HasPrefix(value, "!")
		if err := t.enc[d].WriteField(f); err != nil {
			panic(err)
		}
	}
	return t.buf[d].String()
}

func (t *talk) headers(d event.Dir, stream uint32, end bool, lines string) *talk {
	flags := uint8(flagEndHeaders)
	if end {
		flags |= flagEndStream
	}
	return t.frame(d, frameHeaders, flags, stream, t.block(d, lines))
}

func (t *talk) get(stream uint32, path string) *talk {
	return t.headers(event.ToServer, stream, true, ":method GET\n:scheme http\n:authority shop.example:81\n:path "+path+"\nuser-agent probe/1\nx-request-id r"+fmt.Sprint(stream))
}

func (t *talk) post(stream uint32, path string) *talk {
	return t.headers(event.ToServer, stream, false, ":method POST\n:scheme http\n:authority shop.example:81\n:path "+path+"\nuser-agent probe/1\ncontent-type text/plain")
}

func (t *talk) answer(stream uint32, end bool, status string) *talk {
	return t.headers(event.ToClient, stream, end, ":status "+status+"\nserver demo\ncontent-type text/plain")
}

func (t *talk) data(d event.Dir, stream uint32, end bool, body string) *talk {
	flags := uint8(0)
	if end {
		flags = flagEndStream
	}
	return t.frame(d, frameData, flags, stream, body)
}

// conversations with what is told of them.
var conversations = []struct {
	name string
	talk *talk
	want string
}{
	{"get", hello().get(1, "/cart/7?a=1&token=x").answer(1, false, "200").data(event.ToClient, 1, false, "hello").data(event.ToClient, 1, true, ""),
		"1 GET /cart/{id} | GET http shop.example 81 /cart/7 a=1&token=REDACTED 200 0/5 probe/1 r1 redacted\n"},
	{"post, then another", hello().post(1, "/orders").data(event.ToServer, 1, false, "abc").data(event.ToServer, 1, true, "d").answer(1, true, "201").
		get(3, "/orders").answer(3, true, "503"),
		"1 POST /orders | POST http shop.example 81 /orders 201 4/0 probe/1\n3 GET /orders | GET http shop.example 81 /orders 503 0/0 probe/1 r3 error=503\n"},
	{"interleaved", hello().get(1, "/a").post(3, "/b").get(5, "/c").answer(5, false, "200").answer(1, false, "200").data(event.ToClient, 5, false, "5").
		data(event.ToClient, 1, true, "111").data(event.ToServer, 3, true, "33").data(event.ToClient, 5, true, "55").answer(3, true, "204"),
		"1 GET /a | GET http shop.example 81 /a 200 0/3 probe/1 r1\n5 GET /c | GET http shop.example 81 /c 200 0/3 probe/1 r5\n3 POST /b | POST http shop.example 81 /b 204 2/0 probe/1\n"},
	{"padding and priority", hello().frame(event.ToServer, frameHeaders, flagEndHeaders|flagPadded|flagPriority, 1,
		"\x03\x80\x00\x00\x00\x10"+newTalk().block(0, ":method PUT\n:scheme https\n:path /p\nhost h.example")+"\x00\x00\x00").
		frame(event.ToServer, frameData, flagPadded|flagEndStream, 1, "\x05body\x00\x00\x00\x00\x00").
		frame(event.ToClient, frameHeaders, flagEndHeaders|flagPadded, 1, "\x00"+newTalk().block(1, ":status 200")).
		frame(event.ToClient, frameData, flagPadded, 1, "\x02\x00\x00").frame(event.ToClient, frameData, flagPadded|flagEndStream, 1, "\x00xy"),
		"1 PUT /p | PUT https h.example 0 /p 200 4/2\n"},
	{"continuation", continued(), "1 GET /long | GET http h 0 /long 200 0/0\n"},
	{"trailers and interim answers", hello().post(1, "/t").answer(1, false, "100").answer(1, false, "103").data(event.ToServer, 1, true, "x").answer(1, false, "200").
		data(event.ToClient, 1, false, "yy").headers(event.ToClient, 1, true, "x-sum 1"),
		"1 POST /t | POST http shop.example 81 /t 200 1/2 probe/1 interim=2\n"},
	{"request trailers", hello().post(1, "/t").data(event.ToServer, 1, false, "x").headers(event.ToServer, 1, true, "x-sum 1").answer(1, true, "200"),
		"1 POST /t | POST http shop.example 81 /t 200 1/0 probe/1\n"},
	{"answer before the request has ended", hello().post(1, "/t").answer(1, true, "413").frame(event.ToClient, frameReset, 0, 1, "\x00\x00\x00\x00"),
		"1 POST /t | POST http shop.example 81 /t 413 0/0 probe/1 reset=NO_ERROR/server\n"},
	{"reset by the client, the answer on its way", hello().get(1, "/r").frame(event.ToServer, frameReset, 0, 1, "\x00\x00\x00\x08").answer(1, false, "200").data(event.ToClient, 1, true, "late"),
		"1 GET /r | GET http shop.example 81 /r 200 0/4 probe/1 r1 reset=CANCEL/client\n"},
	{"reset by the client, no answer", hello().get(1, "/r").frame(event.ToServer, frameReset, 0, 1, "\x00\x00\x00\x08").get(3, "/x").answer(3, true, "200"),
		"3 GET /x | GET http shop.example 81 /x 200 0/0 probe/1 r3\n1 GET /r | GET http shop.example 81 /r 0 0/0 probe/1 r1 reset=CANCEL/client error=unanswered no_response\n"},
	{"reset within the answer", hello().get(1, "/r").answer(1, false, "200").data(event.ToClient, 1, false, "yy").frame(event.ToClient, frameReset, 0, 1, "\x00\x00\x00\x02"),
		"1 GET /r | GET http shop.example 81 /r 200 0/2 probe/1 r1 reset=INTERNAL_ERROR/server error=INTERNAL_ERROR\n"},
	{"refused", hello().get(1, "/r").frame(event.ToClient, frameReset, 0, 1, "\x00\x00\x00\x07"),
		"1 GET /r | GET http shop.example 81 /r 0 0/0 probe/1 r1 reset=REFUSED_STREAM/server error=unanswered no_response\n"},
	{"goaway", hello().get(1, "/a").get(3, "/b").frame(event.ToClient, frameGoAway, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x00bye").answer(1, true, "200"),
		"3 GET /b | GET http shop.example 81 /b 0 0/0 probe/1 r3 error=unanswered no_response\n1 GET /a | GET http shop.example 81 /a 200 0/0 probe/1 r1\n"},
	{"push", pushed(), "1 GET /page | GET http shop.example 81 /page 200 0/2 probe/1 r1\n2 GET /style.css | GET http shop.example 81 /style.css 200 0/3 pushed\n"},
	{"frames that do not matter", hello().frame(event.ToServer, frameWindowUpdate, 0, 0, "\x00\x00\x10\x00").frame(event.ToClient, framePing, 0, 0, "12345678").
		frame(event.ToServer, framePriority, 0, 1, "\x00\x00\x00\x00\x01").get(1, "/a").frame(event.ToClient, frameAltSvc, 0, 0, "\x00\x00abc").frame(event.ToServer, 0xee, 0xff, 1, "whatever").
		frame(event.ToServer, framePriorityUpdate, 0, 0, "\x00\x00\x00\x01u=1").answer(1, true, "304"),
		"1 GET /a | GET http shop.example 81 /a 304 0/0 probe/1 r1\n"},
	{"unanswered", hello().get(1, "/a").post(3, "/b").data(event.ToServer, 3, false, "x").get(5, "/c").answer(5, false, "200").data(event.ToClient, 5, false, "x"),
		"1 GET /a | GET http shop.example 81 /a 0 0/0 probe/1 r1 error=unanswered no_response\n3 POST /b | POST http shop.example 81 /b 0 1/0 probe/1 error=unanswered body_cut no_response\n5 GET /c | GET http shop.example 81 /c 200 0/1 probe/1 r5 body_cut\n"},
	{"trace context", hello().headers(event.ToServer, 1, true, ":method GET\n:path /\n:scheme https\n:authority [::1]:8\ntraceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\ntracestate a=b").answer(1, true, "200"),
		"1 GET / | GET https ::1 8 / 200 0/0 trace=4bf92f3577b34da6a3ce929d0e0e4736/00f067aa0ba902b7/a=b\n"},
	{"odd requests", hello().headers(event.ToServer, 1, true, ":method OPTIONS\n:path *\n:scheme http\n:authority u:p@a").answer(1, true, "200").
		headers(event.ToServer, 3, true, ":method PROPFIND\n:path /d\n:scheme gopher\n:authority a:b").answer(3, true, "207"),
		"1 OPTIONS | OPTIONS http a 0 * 200 0/0\n3 HTTP /d | PROPFIND gopher a 0 /d 207 0/0\n"},
	{"answer before its request", newTalk().raw(event.ToServer, preface).frame(event.ToClient, frameSettings, 0, 0, "").answer(1, false, "200").data(event.ToClient, 1, true, "z").get(1, "/a"),
		"1 GET /a | GET http shop.example 81 /a 200 0/1 probe/1 r1\n"},
	{"table size updates", sizesChanged(), "1 GET /a | GET http shop.example 81 /a 200 0/0 probe/1 r1\n3 GET /a | GET http shop.example 81 /a 200 0/0 probe/1 r3\n5 GET /a | GET http shop.example 81 /a 200 0/0 probe/1 r5\n"},
}

func continued() *talk {
	t := hello()
	b := t.block(0, ":method GET\n:scheme http\n:authority h\n:path /long\nx-long "+strings.Repeat("long ", 50))
	t.frame(event.ToServer, frameHeaders, flagEndStream, 1, b[:3]).frame(event.ToServer, frameContinuation, 0, 1, "").
		frame(event.ToServer, frameContinuation, 0, 1, b[3:20]).frame(event.ToServer, frameContinuation, flagEndHeaders, 1, b[20:])
	return t.answer(1, true, "200")
}

func pushed() *talk {
	t := hello().get(1, "/page")
	t.frame(event.ToClient, framePushPromise, flagEndHeaders, 1, "\x00\x00\x00\x02"+t.block(1, ":method GET\n:scheme http\n:authority shop.example:81\n:path /style.css"))
	return t.answer(1, false, "200").data(event.ToClient, 1, true, "ok").answer(2, false, "200").data(event.ToClient, 2, true, "css")
}

func sizesChanged() *talk {
	t := hello().get(1, "/a").answer(1, true, "200")
	t.enc[0].SetMaxDynamicTableSize(64)
	t.enc[1].SetMaxDynamicTableSize(0)
	t.get(3, "/a").answer(3, true, "200")
	t.enc[0].SetMaxDynamicTableSize(4096)
	t.enc[1].SetMaxDynamicTableSize(2048)
	return t.get(5, "/a").answer(5, true, "200")
}

// summary is an exchange in one line.
func summary(x *event.Exchange) string {
	p, h := x.HTTP, x.HTTP2
	b := fmt.Sprintf("%d %s | %s %s %s %d %s", h.StreamID, x.Name, p.Method, p.Scheme, p.Host, p.Port, p.Path)
	add := func(format string, v ...any) { b += " " + fmt.Sprintf(format, v...) }
	if p.Query != "" {
		add("%s", p.Query)
	}
	add("%d %d/%d", p.StatusCode, p.RequestBody, p.ResponseBody)
	for _, s := range []string{p.UserAgent, p.RequestID} {
		if s != "" {
			add("%s", s)
		}
	}
	if p.Interim > 0 {
		add("interim=%d", p.Interim)
	}
	if p.Upgrade != "" {
		add("upgrade=%s", p.Upgrade)
	}
	if h.Pushed {
		add("pushed")
	}
	if h.Reset != "" {
		add("reset=%s/%s", h.Reset, h.ResetBy)
	}
	if x.ErrorType != "" {
		add("error=%s", x.ErrorType)
	}
	if !x.TraceID.IsZero() {
		add("trace=%x/%x/%s", x.TraceID, x.ParentID, x.TraceState)
	}
	x.Decode.Each(func(name string) { add("%s", name) })
	return b
}

func summaries(r *testkit.Recorder) (out string) {
	for i := range r.Exchanges {
		out += summary(&r.Exchanges[i]) + "\n"
	}
	for i := range r.Notices {
		out += "! " + r.Notices[i].Body + "\n"
	}
	return out
}

func plainConn() decode.Conn {
	return decode.Conn{Client: netip.MustParseAddrPort("10.0.0.1:5000"), Server: netip.MustParseAddrPort("10.0.0.2:80"), Limits: decode.DefaultLimits()}
}

func fresh() decode.Decoder { return newConn(plainConn(), Options{}) }
