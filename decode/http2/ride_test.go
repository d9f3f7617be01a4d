package http2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// rider is a layer that writes down what it is shown of exchanges whose
// content type is ride.
type rider struct{ log string }

func (r *rider) Open(_ *decode.Conn, request, answer decode.Fields) decode.Call {
	for _, f := range []decode.Fields{request, answer} {
		if f == nil {
			continue
		}
		if v, _ := f.Field("content-type"); v == "ride" {
			p, _ := f.Field(":path")
			s, _ := f.Field(":status")
			r.log += fmt.Sprintf("open(%s%s) ", p, s)
			return &ride{r}
		}
	}
	return nil
}

type ride struct{ r *rider }

func (c *ride) say(f string, v ...any)              { c.r.log += fmt.Sprintf(f, v...) + " " }
func (c *ride) Answer(f decode.Fields)              { s, _ := f.Field(":status"); c.say("answer(%s)", s) }
func (c *ride) Data(d event.Dir, _ int64, b []byte) { c.say("%v(%s)", d, b) }
func (c *ride) Lost(d event.Dir, _ int64, n int64)  { c.say("lost(%v,%d)", d, n) }
func (c *ride) Trailers(d event.Dir, f decode.Fields) {
	s, _ := f.Field("x-sum")
	c.say("trailers(%s)", s)
}
func (c *ride) Finish(x *event.Exchange) { c.say("finish(%d)", x.HTTP.StatusCode); x.Name = "ridden" }
func (c *ride) Told()                    { c.say("told") }

func TestLayers(t *testing.T) {
	script := func() *talk {
		return hello().headers(event.ToServer, 1, false, ":method POST\n:path /x\n:scheme http\ncontent-type ride").data(event.ToServer, 1, true, "in").
			answer(1, false, "200").data(event.ToClient, 1, false, "out").headers(event.ToClient, 1, true, "x-sum 5").get(3, "/other").answer(3, true, "200")
	}
	r := new(rider)
	got := testkit.Play(newConn(plainConn(), Options{Layers: []decode.Layer{r}}), 0, script().pieces...)
	if want := "open(/x) to_server(in) answer(200) to_client(out) trailers(5) finish(200) told "; r.log != want {
		t.Errorf("the layer saw %s, want %s", r.log, want)
	}
	if got.Exchanges[0].Name != "ridden" || got.Exchanges[1].Name != "GET /other" {
		t.Errorf("%s", summaries(got))
	}
	r = new(rider)
	playGap(newConn(plainConn(), Options{Layers: []decode.Layer{r}}), script().pieces, event.ToClient, 24+len(script().pieces[4].Bytes)+headSize+1, 1)
	if want := "open(/x) to_server(in) answer(200) to_client(o) lost(to_client,1) to_client(t) trailers(5) finish(200) told "; r.log != want {
		t.Errorf("with a gap the layer saw %s, want %s", r.log, want)
	}
}

// A layer is asked again by the answer where the request cannot tell.
func TestLayersOfUnknownRequests(t *testing.T) {
	talk := hello().headers(event.ToServer, 1, true, ":method POST\n:path /x\n:scheme http\ncontent-type other").headers(event.ToClient, 1, true, ":status 200\ncontent-type ride")
	r := new(rider)
	testkit.Play(newConn(plainConn(), Options{Layers: []decode.Layer{r}}), 0, talk.pieces...)
	if r.log != "" {
		t.Errorf("a known request: the layer saw %s", r.log)
	}
	c := plainConn()
	c.MidStream = true
	testkit.Play(newConn(c, Options{Layers: []decode.Layer{r}}), 0, talk.pieces[3])
	if want := "open(200) finish(200) told "; r.log != want {
		t.Errorf("an unseen request: the layer saw %s, want %s", r.log, want)
	}
}

// heir is a protocol that tells what it is handed and fed.
func heir(name string) decode.Protocol {
	return decode.Protocol{Name: name, Detect: func(_ event.Dir, b []byte) decode.Verdict {
		if strings.HasPrefix(string(b), "SPEAK") {
			return decode.Yes
		}
		return decode.No
	}, New: func(c decode.Conn) decode.Decoder { return &heard{c: c, log: name} },
		Take: func(c decode.Conn, h decode.Handover) decode.Decoder {
			return &heard{c: c, log: fmt.Sprintf("%s after %s %s %d ext=%s sub=%s", name, h.Request.HTTP.Method, h.Request.HTTP.Path, h.Request.HTTP.StatusCode, h.Extensions, h.Subprotocol)}
		}}
}

type heard struct {
	c   decode.Conn
	log string
}

func (h *heard) Feed(d event.Dir, _ int64, b []byte, _ event.Emitter) error {
	h.log += fmt.Sprintf(" %v:%s", d, b)
	return nil
}
func (h *heard) Gap(d event.Dir, _ int64, n int64, _ event.Emitter) {
	h.log += fmt.Sprintf(" %v-gap:%d", d, n)
}
func (h *heard) End(d event.Dir, _ int64, _ event.Emitter) { h.log += fmt.Sprintf(" %v-end", d) }
func (h *heard) Close(at int64, emit event.Emitter) {
	emit.Exchange(&event.Exchange{Name: h.log, Protocol: event.WebSocket, Start: 1, End: at, HTTP: new(event.HTTP)})
}

func TestTunnels(t *testing.T) {
	for _, c := range []struct {
		name string
		talk *talk
		want string
	}{
		{"extended CONNECT", hello().headers(event.ToServer, 1, false, ":method CONNECT\n:protocol websocket\n:scheme https\n:path /chat/7\n:authority a").
			headers(event.ToClient, 1, false, ":status 200\nsec-websocket-extensions permessage-deflate\nsec-websocket-protocol chat").data(event.ToServer, 1, false, "ping").get(3, "/x").answer(3, true, "200").
			data(event.ToClient, 1, false, "po").frame(event.ToClient, frameData, flagPadded, 1, "\x01ng\x00").data(event.ToServer, 1, true, "").data(event.ToClient, 1, true, ""),
			"1 CONNECT /chat/{id} | CONNECT https a 0 /chat/7 200 0/0 upgrade=websocket\n3 GET /x | GET http shop.example 81 /x 200 0/0 probe/1 r3\n" +
				"1 websocket after CONNECT /chat/7 200 ext=permessage-deflate sub=chat to_server:ping to_client:po to_client:ng to_server-end to_client-end |    0  0 0/0\n"},
		{"CONNECT", hello().headers(event.ToServer, 1, false, ":method CONNECT\n:authority db:27017").headers(event.ToClient, 1, false, ":status 200").
			data(event.ToServer, 1, false, "SPEAK").data(event.ToClient, 1, false, "yes").frame(event.ToServer, frameReset, 0, 1, "\x00\x00\x00\x08"),
			"1 CONNECT | CONNECT http db 27017  200 0/0 upgrade=connect\n1 websocket to_server:SPEAK to_client:yes |    0  0 0/0 reset=CANCEL/client\n"},
		{"refused", hello().headers(event.ToServer, 1, true, ":method CONNECT\n:authority db:27017").answer(1, true, "403"),
			"1 CONNECT | CONNECT http db 27017  403 0/0\n"},
		{"open at the end", hello().headers(event.ToServer, 1, false, ":method CONNECT\n:protocol websocket\n:path /c\n:scheme http\n:authority a").headers(event.ToClient, 1, false, ":status 200").data(event.ToClient, 1, false, "hi"),
			"1 CONNECT /c | CONNECT http a 0 /c 200 0/0 upgrade=websocket\n1 websocket after CONNECT /c 200 ext= sub= to_client:hi |    0  0 0/0\n"},
	} {
		protocols := []decode.Protocol{Protocol(Options{}), heir("websocket")}
		got := summaries(testkit.Play(decode.NewDetector(protocols, plainConn()), 0, c.talk.pieces...))
		if got != c.want {
			t.Errorf("%s:\ngot  %swant %s", c.name, got, c.want)
		}
	}
}

// After an upgrade stream 1 answers HTTP/1.1's request (RFC 7540, 3.2).
func TestUpgrade(t *testing.T) {
	request := &event.Exchange{TraceID: event.TraceID{1}, SpanID: event.SpanID{2}, TraceState: "a=b", Start: 500, RequestBytes: 99, HTTP: &event.HTTP{
		Method: "POST", Scheme: "http", Host: "h", Port: 8, Path: "/up/7", Query: "q", UserAgent: "ua", RequestID: "id", StatusCode: 101, RequestBody: 4, Version: "1.1"}}
	talk := newTalk().frame(event.ToClient, frameSettings, 0, 0, "").answer(1, false, "200").raw(event.ToServer, preface).frame(event.ToServer, frameSettings, 0, 0, "").
		data(event.ToClient, 1, true, "done").get(3, "/next").answer(3, true, "200")
	fresh := func() decode.Decoder {
		return Protocol(Options{}).Take(plainConn(), decode.Handover{Request: request, Settings: []byte("\x00\x05\x00\x01\x00\x00")})
	}
	r := testkit.Play(fresh(), 0, talk.pieces...)
	const want = "1 POST /up/{id} | POST http h 8 /up/7 q 200 4/4 ua id trace=01000000000000000000000000000000/0200000000000000/a=b\n3 GET /next | GET http shop.example 81 /next 200 0/0 probe/1 r3\n"
	if got := summaries(r); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if x := r.Exchanges[0]; x.Start != 500 || x.RequestBytes != 99 {
		t.Errorf("start %d, %d bytes", x.Start, x.RequestBytes)
	}
	testkit.EverySplit(fresh, func(cut int, want, got string) { t.Errorf("cut at %d: got %s, want %s", cut, got, want) }, talk.pieces...)
}

func TestKeep(t *testing.T) {
	c := plainConn()
	c.Keep = decode.Keep{Headers: true, Body: 4}
	talk := hello().headers(event.ToServer, 1, false, ":method POST\n:path /x?token=1\n:scheme http\ncookie a=b\naccept */*").data(event.ToServer, 1, true, "abc").
		headers(event.ToClient, 1, false, ":status 200\nset-cookie s\nserver demo").data(event.ToClient, 1, true, strings.Repeat("z", 9000))
	d := testkit.Play(newConn(c, Options{}), 5, talk.pieces...).Exchanges[0].HTTP.Detail
	got := fmt.Sprintf("%v %v %s %v %s %v", d.RequestHeaders, d.ResponseHeaders, d.RequestBody, d.RequestCut, d.ResponseBody, d.ResponseCut)
	const want = "[{:method POST} {:path /x?token=REDACTED} {:scheme http} {cookie [redacted]} {accept */*}] [{:status 200} {set-cookie [redacted]} {server demo}] abc false zzzz true"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestInspect(t *testing.T) {
	c := plainConn()
	var got string
	c.Inspect = func(m *decode.Message) {
		got += fmt.Sprintf("%v %d+%d %s %d %s\n", m.Dir, m.Offset, m.Size, m.Kind, m.Stream, m.Text)
	}
	talk := hello().frame(event.ToServer, frameHeaders, flagEndHeaders|flagEndStream, 1, newTalk().block(0, ":method GET\n:path /a?sig=1\nauthorization x\nx-text a")).
		headers(event.ToClient, 1, true, ":status 204").frame(event.ToServer, frameWindowUpdate, 0, 0, "\x00\x00\x00\x05").frame(event.ToServer, frameReset, 0, 7, "\x00\x00\x00\x08").
		frame(event.ToClient, frameGoAway, 0, 0, "\x00\x00\x00\x01\x00\x00\x00\x0b").frame(event.ToClient, 0xee, 0, 0, "x").data(event.ToClient, 1, true, "xy")
	testkit.Play(newConn(c, Options{}), 0, talk.pieces...)
	const want = "to_server 0+24 PREFACE 0 \nto_server 24+15 SETTINGS 0 INITIAL_WINDOW_SIZE=1048576\nto_client 0+15 SETTINGS 0 MAX_CONCURRENT_STREAMS=128\nto_client 15+9 SETTINGS 0 ACK\n" +
		"to_server 39+30 HEADERS 1 END_STREAM END_HEADERS :method=GET :path=/a?sig=REDACTED authorization=[redacted] x-text=a\nto_client 24+10 HEADERS 1 END_STREAM END_HEADERS :status=204\n" +
		"to_server 69+13 WINDOW_UPDATE 0 increment=5\nto_server 82+13 RST_STREAM 7 CANCEL\nto_client 34+17 GOAWAY 0 last_stream=1 ENHANCE_YOUR_CALM\nto_client 51+10 type 0xee 0 \nto_client 61+11 DATA 1 END_STREAM length=2\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
