package grpc

import (
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

const trailers = "grpc-status: 5\r\ngrpc-message: no cart\r\nX-Cost: 7\r\n"

func text(pieces ...string) (s string) {
	for _, p := range pieces {
		s += base64.StdEncoding.EncodeToString([]byte(p))
	}
	return s
}

// calls are exchanges with what is to be told of them.
var calls = []struct {
	name string
	exchange
	want event.RPC
	err  string // error.type
	dec  event.DecodeFlags
}{
	{
		name:     "unary",
		exchange: exchange{request: post, in: msg("abc"), answer: ok, out: msg("hello"), trailers: fine},
		want:     event.RPC{RequestMessages: 1, RequestPayload: 3, ResponseMessages: 1, ResponsePayload: 5, Streaming: "unary"},
	},
	{
		name: "timeout, encoding, metadata",
		exchange: exchange{
			request: post + "grpc-timeout: 20m\ngrpc-encoding: gzip\nx-tenant: acme\nauthorization: Bearer x\nblob-bin: AQI\n",
			in:      flagged(1, "zip"), answer: ok + "grpc-encoding: identity\nx-tenant: other\n", out: msg("") + msg("y"), trailers: fine + "x-cost: 3\n",
		},
		want: event.RPC{
			Timeout: 20e6, Encoding: "gzip", RequestMessages: 1, RequestPayload: 3, RequestCompressed: 1, ResponseMessages: 2, ResponsePayload: 1,
			Streaming: "server_stream", Metadata: []event.KeyValue{
				{Key: "rpc.request.metadata.x-tenant", Value: "acme"}, {Key: "rpc.request.metadata.blob-bin", Value: "AQI"},
				{Key: "rpc.response.metadata.x-tenant", Value: "other"}, {Key: "rpc.response.metadata.x-cost", Value: "3"},
			},
		},
	},
	{
		name:     "trailers only",
		exchange: exchange{request: post, in: msg("abc"), answer: ok + "grpc-status: 12\ngrpc-message: unknown%20method %E2%82%AC 5%\n"},
		want: event.RPC{
			Status: 12, Message: "unknown method € 5%", TrailersOnly: true, RequestMessages: 1, RequestPayload: 3, Streaming: "unary",
		},
		err: "UNIMPLEMENTED",
	},
	{
		name:     "a status that is the client's fault",
		exchange: exchange{request: post, in: msg("a") + msg("b"), answer: ok, trailers: "grpc-status: 3\n"},
		want:     event.RPC{Status: 3, RequestMessages: 2, RequestPayload: 2, Streaming: "client_stream"},
	},
	{
		name:     "reset in the middle of a message",
		exchange: exchange{request: post, in: msg("a") + msg("b"), answer: ok, out: msg("a") + msg("b") + msg("whole")[:7], reset: true},
		want:     event.RPC{Status: -1, RequestMessages: 2, RequestPayload: 2, ResponseMessages: 2, ResponsePayload: 2, Streaming: "bidi"},
		err:      "CANCEL",
		dec:      event.BodyCut,
	},
	{
		name:     "unanswered",
		exchange: exchange{request: post, in: msg("a"), reset: true},
		want:     event.RPC{Status: -1, RequestMessages: 1, RequestPayload: 1},
		err:      "CANCEL",
	},
	{
		name:     "the answer of a proxy that speaks no gRPC",
		exchange: exchange{request: post, in: msg("a"), answer: ":status: 502\ncontent-type: text/html\n", out: "<html>sorry</html>"},
		want:     event.RPC{Status: -1, RequestMessages: 1, RequestPayload: 1},
	},
	{
		name:     "joined at the answer",
		exchange: exchange{answer: ok, out: msg("a") + msg("b"), trailers: fine},
		want:     event.RPC{Method: "-", ResponseMessages: 2, ResponsePayload: 2, Streaming: "server_stream"},
	},
	{
		name:     "a path that HPACK could not tell",
		exchange: exchange{request: ":path: ?\ncontent-type: application/grpc+proto\n", in: msg("a"), answer: ":status: ?\n", out: msg("b"), trailers: fine},
		want:     event.RPC{Method: "-", RequestMessages: 1, RequestPayload: 1, ResponseMessages: 1, ResponsePayload: 1, Streaming: "unary"},
	},
	{
		name:     "flags that gRPC does not have",
		exchange: exchange{request: post, in: msg("a") + flagged(2, "b") + msg("c"), answer: ok, trailers: fine},
		want:     event.RPC{RequestMessages: 1, RequestPayload: 1},
		dec:      event.BodyCut,
	},
	{
		name: "web",
		exchange: exchange{
			request: ":path: /shop.Cart/Get\ncontent-type: application/grpc-web+proto\n", in: msg("abc"),
			answer: "content-type: application/grpc-web\n", out: msg("x") + flagged(0x80, trailers) + "\r\n",
		},
		want: event.RPC{
			Status: 5, Message: "no cart", Web: "binary", RequestMessages: 1, RequestPayload: 3, ResponseMessages: 1, ResponsePayload: 1,
			Streaming: "unary", Metadata: []event.KeyValue{{Key: "rpc.response.metadata.x-cost", Value: "7"}},
		},
	},
	{
		name: "web as text, padded wherever",
		exchange: exchange{
			request: ":path: /shop.Cart/Get\ncontent-type: application/grpc-web-text\n", in: text(msg("abc")),
			answer: "content-type: Application/gRPC-Web-Text+proto\n", out: text(msg("x")[:1], msg("x")[1:], msg("yz"), flagged(0x80, trailers)),
		},
		want: event.RPC{
			Status: 5, Message: "no cart", Web: "text", RequestMessages: 1, RequestPayload: 3, ResponseMessages: 2, ResponsePayload: 3,
			Streaming: "server_stream", Metadata: []event.KeyValue{{Key: "rpc.response.metadata.x-cost", Value: "7"}},
		},
	},
	{
		name: "web as text that is none",
		exchange: exchange{
			request: ":path: /shop.Cart/Get\ncontent-type: application/grpc-web-text;charset=utf-8\n", in: text(msg("abc")) + "!!!!" + text(msg("d")),
			answer: "content-type: application/grpc-web-text\n", out: text(flagged(0x80, "grpc-status:0")),
		},
		want: event.RPC{Web: "text", RequestMessages: 1, RequestPayload: 3},
		dec:  event.BodyCut,
	},
	{
		name: "web under a content coding",
		exchange: exchange{
			request: ":path: /shop.Cart/Get\ncontent-type: application/grpc-web\n", in: msg("abc"),
			answer: "content-type: application/grpc-web\ncontent-encoding: gzip\n", out: "\x1f\x8bwhatever",
		},
		want: event.RPC{Status: -1, Web: "binary", RequestMessages: 1, RequestPayload: 3},
		dec:  event.Undecoded,
	},
}

func layer() *Layer {
	return New(Options{Metadata: []string{"X-Tenant", "x-cost", "authorization", "blob-bin", "x-tenant"}})
}

func TestCallsAreTold(t *testing.T) {
	l := layer()
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			x := play(l, conn(), &c.exchange, whole).Exchanges[0]
			switch c.want.Method {
			case "":
				c.want.Method = "shop.Cart/Get"
			case "-":
				c.want.Method = ""
			}
			if d := cmp.Diff(&c.want, x.GRPC); d != "" {
				t.Error("-want +got", d)
			}
			if x.ErrorType != c.err || x.Decode != c.dec || x.Protocol != event.GRPC || (x.Status == event.Error) != (c.err != "") {
				t.Errorf("error %q, flags %b, protocol %v, status %v", x.ErrorType, x.Decode, x.Protocol, x.Status)
			}
			name := c.want.Method
			if name == "" {
				name = "grpc"
			}
			if x.Name != name {
				t.Errorf("name %q", x.Name)
			}
		})
	}
}

func TestAnySplitTellsTheSame(t *testing.T) {
	l := layer()
	for _, c := range calls {
		want := jsonOf(play(l, conn(), &c.exchange, whole))
		for size := 1; size < max(len(c.in), len(c.out)); size++ {
			first := true
			once := func(rest int) int {
				if first {
					first = false
					return size
				}
				return rest
			}
			if got := jsonOf(play(l, conn(), &c.exchange, once)); got != want {
				t.Fatalf("%s: cut at %d:\n%s%s", c.name, size, got, want)
			}
			if got := jsonOf(play(l, conn(), &c.exchange, func(int) int { return size })); got != want {
				t.Fatalf("%s: in pieces of %d:\n%s%s", c.name, size, got, want)
			}
		}
	}
}

// TestCutBodies: of a body that ends early the messages before the cut are
// told, and that it was cut.
func TestCutBodies(t *testing.T) {
	l, full := layer(), msg("one")+msg("")+msg("three")
	ends := map[int]int64{0: 0, 8: 1, 13: 2, len(full): 3}
	for n := range len(full) + 1 {
		x := play(l, conn(), &exchange{request: post, answer: ok, out: full[:n], reset: true}, whole).Exchanges[0]
		want, clean := ends[n]
		if !clean {
			for at, k := range ends {
				if at < n {
					want = max(want, k)
				}
			}
		}
		if x.GRPC.ResponseMessages != want || (x.Decode&event.BodyCut == 0) != clean {
			t.Errorf("cut at %d: %d messages, flags %b", n, x.GRPC.ResponseMessages, x.Decode)
		}
	}
}

// TestLostBytes: a hole inside a message costs nothing but that message's
// content; any other hole ends the counting. Nothing is counted that was not.
func TestLostBytes(t *testing.T) {
	l, full := layer(), msg("one")+msg("four")+msg("three")
	for from := range len(full) {
		for to := from + 1; to <= len(full); to++ {
			k := l.Open(conn(), post, nil)
			k.Answer(ok)
			k.Data(event.ToClient, 1, []byte(full[:from]))
			k.Lost(event.ToClient, 1, int64(to-from))
			k.Data(event.ToClient, 1, []byte(full[to:]))
			k.Trailers(event.ToClient, fine)
			x := event.Exchange{HTTP: &event.HTTP{}}
			k.Finish(&x)
			inside := from >= 5 && to <= 8 || from >= 13 && to <= 17 || from >= 22
			if (x.GRPC.ResponseMessages == 3) != inside || x.GRPC.ResponseMessages > 3 || x.Decode&event.ResponseGap == 0 ||
				(x.Decode&event.BodyCut == 0) != inside || x.GRPC.Streaming == "unary" {
				t.Fatalf("hole %d-%d: %+v, flags %b", from, to, x.GRPC, x.Decode)
			}
			k.Told()
		}
	}
}

func TestUnknownLossEndsTheCounting(t *testing.T) {
	k := layer().Open(conn(), post, nil)
	k.Data(event.ToServer, 1, []byte(msg("one")+msg("two")[:6]))
	k.Lost(event.ToServer, 1, 0)
	k.Data(event.ToServer, 1, []byte(msg("three")))
	x := event.Exchange{HTTP: &event.HTTP{}}
	k.Finish(&x)
	if x.GRPC.RequestMessages != 1 || x.Decode != event.RequestGap|event.BodyCut {
		t.Errorf("%+v, flags %b", x.GRPC, x.Decode)
	}
}

func TestOtherContentTypesAreNotTaken(t *testing.T) {
	for v, want := range map[string]kind{
		"application/grpc": plain, "application/grpc+proto": plain, "application/grpc;x=y": plain, "APPLICATION/GRPC+json": plain,
		"application/grpc-web": webBinary, "application/grpc-web+thrift": webBinary, "application/grpc-web-text": webText,
		"application/grpc-web-text-base64": webText, "application/grpc-web-text+proto": webText,
		"application/grpcweb": notGRPC, "application/grpc-websocket": notGRPC, "application/grp": notGRPC, "": notGRPC,
		"application/connect+proto": notGRPC, "text/application/grpc": notGRPC,
	} {
		if got := kindOf(block("content-type: " + v)); got != want {
			t.Errorf("%q: %d, want %d", v, got, want)
		}
	}
	if layer().Open(conn(), block(":path: /a/b\ncontent-type: text/plain"), nil) != nil {
		t.Error("text was taken")
	}
}

// TestGuess: where no content type is known, bodies decide.
func TestGuess(t *testing.T) {
	const unknown = block(":path: ?\n")
	for name, c := range map[string]struct {
		exchange
		grpc, guessed bool
	}{
		"messages both ways":    {exchange{request: unknown, in: msg("abc"), answer: ":status: 200\n", out: msg("") + msg("x")}, true, true},
		"no answer yet":         {exchange{request: unknown, in: msg("abc"), reset: true}, true, true},
		"an answer that says":   {exchange{request: unknown, in: msg("abc"), answer: ok, out: msg("x")}, true, false},
		"a status":              {exchange{request: unknown, answer: ":status: 200\ngrpc-status: 5\n"}, true, false},
		"a status in trailers":  {exchange{request: unknown, in: msg("abc"), answer: ":status: 200\n", out: msg("x"), trailers: fine}, true, false},
		"a GET":                 {exchange{request: ":method: GET\n:path: /\n", in: msg("abc"), answer: ":status: 200\n", out: msg("x")}, false, false},
		"another type":          {exchange{request: unknown + "content-type: text/plain\n", in: msg("abc"), answer: ":status: 200\n", out: msg("x")}, false, false},
		"another answer":        {exchange{request: unknown, in: msg("abc"), answer: ":status: 200\ncontent-type: text/plain\n", out: "hello"}, false, false},
		"no body":               {exchange{request: unknown, answer: ":status: 200\n"}, false, false},
		"form":                  {exchange{request: unknown, in: "a=b&c=d", answer: ":status: 200\n", out: msg("x")}, false, false},
		"a byte too many":       {exchange{request: unknown, in: msg("abc") + "x", answer: ":status: 200\n", out: msg("x")}, false, false},
		"an answer that is cut": {exchange{request: unknown, in: msg("abc"), answer: ":status: 200\n", out: msg("x")[:3]}, false, false},
	} {
		x := play(layer(), conn(), &c.exchange, whole).Exchanges[0]
		if got := x.GRPC != nil; got != c.grpc || (x.Decode&event.Guessed != 0) != c.guessed || got != (x.Protocol == event.GRPC) {
			t.Errorf("%s: %+v, protocol %v, flags %b", name, x.GRPC, x.Protocol, x.Decode)
		}
	}
}

func TestTimeouts(t *testing.T) {
	for v, want := range map[string]int64{
		"1n": 1, "2u": 2e3, "3m": 3e6, "4S": 4e9, "5M": 300e9, "6H": 21600e9, "99999999S": 99999999e9, "99999999H": math.MaxInt64,
		"": 0, "S": 0, "5": 0, "5x": 0, "123456789S": 0, "-1S": 0, "+1S": 0, "1 S": 0,
	} {
		if got := timeout(v); got != want {
			t.Errorf("%q: %d, want %d", v, got, want)
		}
	}
}

func TestTextsAreBounded(t *testing.T) {
	c := conn()
	c.Limits.Text = 10
	long := strings.Repeat("%41x", 100)
	x := play(layer(), c, &exchange{request: block(":path: /" + long + "\ncontent-type: application/grpc\nx-tenant: " + long + "\n"), answer: ok, trailers: block("grpc-status: 2\ngrpc-message: " + long + "\n")}, whole).Exchanges[0]
	if x.GRPC.Message != "AxAxAxAxAx" || len(x.GRPC.Method) != 10 || len(x.GRPC.Metadata[0].Value) != 10 {
		t.Errorf("%+v", x.GRPC)
	}
}

func TestInspectTellsEveryMessage(t *testing.T) {
	c, got := conn(), ""
	c.Inspect = func(m *decode.Message) {
		got += fmt.Sprintf("%v %s %s %d %s\n", m.Dir, m.Protocol, m.Kind, m.Size, m.Text)
	}
	play(layer(), c, &exchange{
		request: ":path: /a.B/C\ngrpc-encoding: gzip\ncontent-type: application/grpc-web\n", in: flagged(1, "abc"), answer: "content-type: application/grpc-web\n",
		out: msg("") + msg("xy") + flagged(0x80, "grpc-status: 0\r\n"),
	}, whole)
	if want := `to_server grpc message 8 a.B/C #1, compressed gzip
to_client grpc message 5 a.B/C #1
to_client grpc message 7 a.B/C #2
to_client grpc trailers 21 a.B/C #2
`; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
