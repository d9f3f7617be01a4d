package har

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// entries reads an archive, also one that is not closed yet.
func entries(text []byte) (all []map[string]any) {
	var doc struct {
		Log struct{ Entries []map[string]any }
	}
	if json.Unmarshal(text, &doc) != nil {
		_ = json.Unmarshal(append(bytes.Clone(text), "]}}"...), &doc)
	}
	return doc.Log.Entries
}

func TestContract(t *testing.T) {
	sinktest.Contract(t, func(*testing.T) sinktest.Subject {
		buf := new(bytes.Buffer)
		s := New("buffer", "test", buf)
		return sinktest.Subject{Sink: everything{s}, Rows: func() int { return len(entries(buf.Bytes())) }}
	})
}

// everything lends an HTTP part to exchanges that have none, since the contract
// counts every exchange.
type everything struct{ *Sink }

func (e everything) Write(ctx context.Context, batches []*event.Batch) error {
	var all []*event.Batch
	for _, b := range batches {
		c := new(event.Batch)
		for i := range b.Exchanges {
			x := b.Exchanges[i]
			if x.WebSocket = nil; x.HTTP == nil {
				x.HTTP = &event.HTTP{Scheme: "http"}
			}
			c.Exchange(&x)
		}
		all = append(all, c)
	}
	return e.Sink.Write(ctx, all)
}

func sample() *event.Exchange {
	start := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC).UnixNano()
	return &event.Exchange{
		Start: start, FirstByte: start + 1_500_000, End: start + 2_250_000, Stream: 7, RequestBytes: 120, ResponseBytes: 99,
		Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("[2001:db8::1]:8080"), Protocol: event.HTTP11,
		HTTP: &event.HTTP{
			Method: "POST", Scheme: "http", Host: "shop.example", Port: 8080, Path: "/cart/a b", Query: "q=1&token=REDACTED", Version: "1.1", StatusCode: 201,
			RequestBody: 20, ResponseBody: 9,
			Detail: &event.HTTPDetail{
				RequestHeaders:  []event.KeyValue{{Key: "Host", Value: "shop.example:8080"}, {Key: "Content-Type", Value: "application/json"}, {Key: "Cookie", Value: "[redacted]"}},
				ResponseHeaders: []event.KeyValue{{Key: "Location", Value: "/cart/8"}, {Key: "Content-Type", Value: "image/png"}},
				RequestBody:     `{"a":"<b>"}`, ResponseBody: "\x89PNG\x00\xff", ResponseCut: true,
			},
		},
	}
}

func written(t *testing.T, all ...*event.Exchange) []byte {
	t.Helper()
	var buf bytes.Buffer
	s, b := New("buffer", "1.2.3", &buf), new(event.Batch)
	for _, x := range all {
		b.Exchange(x)
	}
	if err := s.Write(t.Context(), []*event.Batch{b}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestEntry(t *testing.T) {
	got := written(t, sample())
	const want = `{"log":{"version":"1.2","creator":{"name":"pitot","version":"1.2.3"},"entries":[
{"startedDateTime":"2026-01-02T03:04:05.000006Z","time":2.25,"request":{"method":"POST","url":"http://shop.example:8080/cart/a%20b?q=1&token=REDACTED","httpVersion":"HTTP/1.1","cookies":[],` +
		`"headers":[{"name":"Host","value":"shop.example:8080"},{"name":"Content-Type","value":"application/json"},{"name":"Cookie","value":"[redacted]"}],` +
		`"queryString":[{"name":"q","value":"1"},{"name":"token","value":"REDACTED"}],"postData":{"mimeType":"application/json","text":"{\"a\":\"<b>\"}"},"headersSize":100,"bodySize":20},` +
		`"response":{"status":201,"statusText":"Created","httpVersion":"HTTP/1.1","cookies":[],"headers":[{"name":"Location","value":"/cart/8"},{"name":"Content-Type","value":"image/png"}],` +
		`"content":{"size":9,"mimeType":"image/png","text":"iVBORwD/","encoding":"base64","comment":"the body went on, or could not be decoded to its end"},"redirectURL":"/cart/8","headersSize":90,"bodySize":9},` +
		`"cache":{},"timings":{"blocked":-1,"dns":-1,"connect":-1,"ssl":-1,"send":0,"wait":1.5,"receive":0.75},"serverIPAddress":"2001:db8::1","connection":"7"}
]}}
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// odd are exchanges that have less, or other things, than most.
func odd() (all []*event.Exchange) {
	change := func(f func(x *event.Exchange)) {
		x := sample()
		f(x)
		all = append(all, x)
	}
	change(func(x *event.Exchange) { // unanswered
		x.FirstByte, x.HTTP.StatusCode, x.ErrorType, x.Decode = 0, 0, event.ErrUnanswered, event.NoResponse
		x.HTTP.Detail.ResponseHeaders, x.HTTP.Detail.ResponseBody = nil, ""
	})
	change(func(x *event.Exchange) { // an answer alone
		*x.HTTP = event.HTTP{Scheme: "https", Version: "1.1", StatusCode: 999}
		x.Decode = event.NoRequest
	})
	change(func(x *event.Exchange) { x.HTTP.Detail = nil })
	change(func(x *event.Exchange) {
		x.HTTP.Method, x.HTTP.Path, x.HTTP.Host, x.HTTP.Query = "CONNECT", "", "::1", ""
	})
	change(func(x *event.Exchange) { x.HTTP.Method, x.HTTP.Path = "OPTIONS", "*" })
	change(func(x *event.Exchange) {
		x.HTTP.Path, x.HTTP.Query, x.HTTP.Host = "/\xff\x00\"<{é", "a&&=b&c==d\n", "a b"
	})
	change(func(x *event.Exchange) {
		x.HTTP2, x.HTTP.Version, x.Protocol = &event.H2{StreamID: 3}, "2", event.HTTP2
	})
	change(func(x *event.Exchange) { x.GRPC, x.Protocol = &event.RPC{Status: 14}, event.GRPC })
	change(func(x *event.Exchange) { x.HTTP.Upgrade, x.HTTP.StatusCode = "websocket", 101 })
	change(func(x *event.Exchange) { x.End = x.Start - 5 })
	change(func(x *event.Exchange) { x.HTTP.Detail.RequestBody = "\xff\x00"; x.HTTP.Detail.RequestCut = true })
	return all
}

func TestOddExchangesAreValid(t *testing.T) {
	all := odd()
	other := []*event.Exchange{{Protocol: event.MongoDB, Mongo: &event.Mongo{}}, {Protocol: event.TCP}, {Protocol: event.WebSocket, WebSocket: &event.WS{}, HTTP: &event.HTTP{}}}
	text := written(t, append(other, all...)...)
	valid(t, text)
	got := entries(text)
	if len(got) != len(all) {
		t.Fatalf("%d entries for %d exchanges", len(got), len(all))
	}
	if r := got[0]["response"].(map[string]any); r["status"] != 0.0 || r["_error"] != "unanswered" || r["bodySize"] != -1.0 {
		t.Errorf("unanswered: %v", r)
	}
	for i, want := range map[int]string{1: "https://[2001:db8::1]:8080/", 3: "http://[::1]:8080/", 4: "http://shop.example:8080/*?q=1&token=REDACTED", 5: "http://a%20b:8080/%FF%00%22%3C%7B%C3%A9?a&&=b&c==d%0A"} {
		if u := got[i]["request"].(map[string]any)["url"]; u != want {
			t.Errorf("entry %d: %v, want %s", i, u, want)
		}
	}
}

// valid checks an archive against what HAR 1.2 demands (its sections on log,
// entries, request, response, content, timings).
func valid(t *testing.T, text []byte) {
	t.Helper()
	var doc struct{ Log map[string]any }
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	has(t, "log", doc.Log, "version creator entries", "pages browser comment")
	for i, e := range entries(text) {
		at := fmt.Sprintf("entry %d", i)
		has(t, at, e, "startedDateTime time request response cache timings", "serverIPAddress connection comment pageref")
		if _, err := time.Parse(time.RFC3339, e["startedDateTime"].(string)); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		req, resp := e["request"].(map[string]any), e["response"].(map[string]any)
		has(t, at+" request", req, "method url httpVersion cookies headers queryString headersSize bodySize", "postData comment")
		has(t, at+" response", resp, "status statusText httpVersion cookies headers content redirectURL headersSize bodySize", "comment")
		has(t, at+" content", resp["content"].(map[string]any), "size mimeType", "compression text encoding comment")
		if p, ok := req["postData"]; ok {
			has(t, at+" postData", p.(map[string]any), "mimeType text", "params comment")
		}
		if u, err := url.Parse(req["url"].(string)); err != nil || u.Scheme == "" {
			if !strings.Contains(req["url"].(string), "%20") { // a host that no URL can have
				t.Errorf("%s: url %v: %v", at, req["url"], err)
			}
		}
		sum := 0.0
		for name, v := range e["timings"].(map[string]any) {
			if n := v.(float64); n >= 0 {
				sum += n
			} else if slices.Contains([]string{"send", "wait", "receive"}, name) {
				t.Errorf("%s: %s is %v", at, name, n)
			}
		}
		if d := sum - e["time"].(float64); d > 0.01 || d < -0.01 {
			t.Errorf("%s: timings are %v, time is %v", at, sum, e["time"])
		}
	}
}

// has checks that o has all names of must, and beyond them only those of may and
// such as begin with "_".
func has(t *testing.T, at string, o map[string]any, must, may string) {
	t.Helper()
	for name := range strings.FieldsSeq(must) {
		if v, ok := o[name]; !ok || v == nil {
			t.Errorf("%s has no %s", at, name)
		}
	}
	for name := range o {
		if !strings.HasPrefix(name, "_") && !slices.Contains(strings.Fields(must+" "+may), name) {
			t.Errorf("%s has %s, which HAR does not know", at, name)
		}
	}
}

// However many exchanges, little of them is kept, and an archive without any is
// one too.
func TestStreams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.har")
	s, err := Create(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	b := new(event.Batch)
	for range 100 {
		b.Exchange(sample())
	}
	for range 50 {
		if err := s.Write(t.Context(), []*event.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.buf.Cap(); n > 4*flushAt {
		t.Errorf("%d bytes kept", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if n := len(entries(text)); n != 5000 || err != nil {
		t.Errorf("%d entries, %v", n, err)
	}
	valid(t, written(t))
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestFailureIsPermanent(t *testing.T) {
	s, b := New("broken", "test", broken{}), new(event.Batch)
	b.Exchange(sample())
	for range 2 {
		if err := s.Write(t.Context(), []*event.Batch{b}); !sink.IsPermanent(err) {
			t.Errorf("%v", err)
		}
	}
	if err := s.Close(); err == nil {
		t.Error("Close says nothing of it")
	}
}

// talk is a handshake and its session.
func talk() (handshake, session *event.Exchange) {
	h, w := sample(), sample()
	h.HTTP.Method, h.HTTP.Upgrade, h.HTTP.StatusCode, h.SpanID = "GET", "websocket", 101, event.SpanID{5}
	w.Protocol, w.HTTP.Method, w.HTTP.Detail, w.ParentID = event.WebSocket, "GET", nil, h.SpanID
	w.WebSocket = &event.WS{ClientMessages: 3, ServerMessages: 1, ClientPayload: 9, ServerPayload: 2, CloseCode: 1000, Messages: []event.WSMessage{
		{Dir: event.ToServer, Time: 1_700_000_000_000_001_999, Data: "hi <b>"}, {Dir: event.ToClient, Binary: true, Cut: true, Time: 2e9, Data: "\xff\x00"},
	}}
	return h, w
}

const sessionText = `"_webSocket":{"sent":3,"received":1,"sentBytes":9,"receivedBytes":2,"closeCode":1000,"left":2},` +
	`"_webSocketMessages":[{"type":"send","time":1700000000.000001,"opcode":1,"data":"hi <b>"},{"type":"receive","time":2,"opcode":2,"data":"/wA=","_cut":true}]`

// TestSessionsAreOneWithTheirHandshake: whatever came between them; alone, one
// is an entry too, and a handshake whose session nobody told is not lost.
func TestSessionsAreOneWithTheirHandshake(t *testing.T) {
	h, w := talk()
	other := sample()
	for name, c := range map[string]struct {
		told     []*event.Exchange
		entries  int
		sessions int
	}{
		"both":                {[]*event.Exchange{h, other, w}, 2, 1},
		"the session alone":   {[]*event.Exchange{other, w}, 2, 1},
		"the handshake alone": {[]*event.Exchange{h, other}, 2, 0},
		"two on a connection": {[]*event.Exchange{h, w, h, w}, 2, 2},
	} {
		text := written(t, c.told...)
		valid(t, text)
		if n := len(entries(text)); n != c.entries || bytes.Count(text, []byte(sessionText)) != c.sessions {
			t.Errorf("%s: %d entries, want %d with %d sessions:\n%s", name, n, c.entries, c.sessions, text)
		}
	}
}

// TestSendingIsToldApart where the request's end was seen.
func TestSendingIsToldApart(t *testing.T) {
	for _, c := range []struct {
		end        int64 // after the start, in microseconds
		send, wait float64
	}{{0, 0, 1.5}, {400, 0.4, 1.1}, {2000, 1.5, 0}} {
		x := sample()
		if x.HTTP.Detail.RequestEnd = 0; c.end > 0 {
			x.HTTP.Detail.RequestEnd = x.Start + c.end*1000
		}
		e := entryOf(x)
		if e.Timings.Send != c.send || e.Timings.Wait != c.wait || e.Timings.Receive != 0.75 || e.Time != 2.25 {
			t.Errorf("%d us: %+v in %v", c.end, e.Timings, e.Time)
		}
	}
}
