package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/operator"
	"github.com/pitot-io/pitot/proxy/format"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// entry is an exchange with all there is.
func entry() *format.Entry {
	h := new(http1.Head)
	text := "GET /cart/7?token=secret&a=1%202 HTTP/1.1\r\nHost: shop.example:80\r\nUser-Agent: curl \"8\"\\\r\nAuthorization: Basic eA==\r\n" +
		"X-Request-Id: id-1\r\nX-Two: 1\r\nX-Two: 2\r\nX-Bytes: \xff\xc3\xa9\r\n\r\n"
	if n, err := h.ParseRequest([]byte(text), http1.Strict, decode.DefaultLimits()); n == 0 || err != nil {
		panic(err)
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).UnixNano()
	x := &event.Exchange{
		Client: netip.MustParseAddrPort("192.0.2.7:5000"), Server: netip.MustParseAddrPort("192.0.2.1:80"), Listener: "web", Route: "cart", Cluster: "shop",
		Endpoint: "orders.internal:80", Attempt: 1, Flags: event.FlagUF | event.FlagUT, Stream: 9, TraceID: event.TraceID{15: 1}, SpanID: event.SpanID{7: 2},
		Start: at, FirstByte: at + 12e6, End: at + 34_567_000, RequestBytes: 100, ResponseBytes: 200, Kind: event.Server,
	}
	p := new(event.HTTP)
	http1.FillRequest(x, p, h)
	x.TraceID = event.TraceID{15: 1}
	p.StatusCode, p.RequestBody, p.ResponseBody = 504, 10, 20
	return &format.Entry{
		X: x, Request: h, Remote: netip.MustParseAddrPort("198.51.100.1:0"), Answer: []http1.Field{{Name: []byte("server"), Value: []byte("nginx")}},
		UpstreamLocal: netip.MustParseAddrPort("10.0.0.1:4000"), UpstreamRemote: netip.MustParseAddrPort("10.0.0.7:80"), UpstreamProtocol: event.HTTP2,
		UpstreamSent: 110, UpstreamReceived: 210, RequestEnd: at + 1e6, AttemptStart: at + 2e6,
	}
}

// line is what a log writes of e.
func line(t testing.TB, c config.AccessLog, e *format.Entry) string {
	t.Helper()
	var b bytes.Buffer
	out := To("test", &b, 1<<20, quiet)
	l, err := New([]config.AccessLog{c}, func(*config.AccessLog) (*Output, error) { return out, nil })
	if err != nil {
		t.Fatal(err)
	}
	l.Log(e)
	ctx, end := context.WithCancel(t.Context())
	end()
	out.Run(ctx)
	return b.String()
}

func TestOperators(t *testing.T) {
	host, _ := os.Hostname()
	t.Setenv("PITOT_TEST_ZONE", "eu")
	for text, want := range map[string]string{
		"%START_TIME% %START_TIME(%s)%":                                      "2026-03-04T05:06:07.000Z 1772600767",
		"%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION%":                  "34 1 12",
		"%RESPONSE_TX_DURATION% %COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%":   "22 10000",
		"%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%":             "504 UF,UT UpstreamConnectionFailure,UpstreamRequestTimeout",
		"%RESPONSE_CODE_DETAILS% %GRPC_STATUS% %GRPC_STATUS_NUMBER%":         "via_upstream - -",
		"%UPSTREAM_REQUEST_ATTEMPT_COUNT%":                                   "2",
		"%BYTES_RECEIVED% %BYTES_SENT%":                                      "10 20",
		"%DOWNSTREAM_WIRE_BYTES_RECEIVED% %DOWNSTREAM_WIRE_BYTES_SENT%":      "100 200",
		"%UPSTREAM_WIRE_BYTES_RECEIVED% %UPSTREAM_WIRE_BYTES_SENT%":          "210 110",
		"%LISTENER% %ROUTE_NAME% %CLUSTER% %UPSTREAM_CLUSTER%":               "web cart shop shop",
		"%UPSTREAM_CLUSTER_RAW% %UPSTREAM_HOST% %UPSTREAM_HOST_NAME%":        "shop 10.0.0.7:80 orders.internal:80",
		"%UPSTREAM_HOST_NAME_WITHOUT_PORT% %UPSTREAM_LOCAL_ADDRESS%":         "orders.internal 10.0.0.1:4000",
		"%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_LOCAL_PORT%":       "10.0.0.7 4000",
		"%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT%":               "198.51.100.1 -",
		"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%":      "192.0.2.7:5000 192.0.2.1:80",
		"%CONNECTION_ID% %REQUEST_ID% %TRACE_ID% %SPAN_ID%":                  "9 id-1 00000000000000000000000000000001 0000000000000002",
		"%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%":       "GET /cart/7?token=REDACTED&a=1%202 shop.example:80 http",
		"%REQ(User-Agent)% %REQ(user-agent):4%":                              `curl \x228\x22\x5c curl`,
		"%REQ(authorization)% %REQ(x-none?x-two)% %REQ(x-none)%":             "[redacted] 1,2 -",
		"%RESP(server)% %RESP(x-none?server)% %RESP(date)% %TRAILER(x)%":     "nginx nginx - -",
		"%QUERY_PARAM(a)% %QUERY_PARAM(token)% %QUERY_PARAM(b)%":             "1 2 [redacted] -",
		"%PATH% %PATH(NQ)% %PROTOCOL% %UPSTREAM_PROTOCOL%":                   "/cart/7?token=REDACTED&a=1%202 /cart/7 HTTP/1.1 HTTP/2",
		"%HOSTNAME% %ENVIRONMENT(PITOT_TEST_ZONE)% %ENVIRONMENT(NO_SUCH)%":   host + " eu -",
		"%ACCESS_LOG_TYPE% %REQUESTED_SERVER_NAME% %DOWNSTREAM_TLS_VERSION%": "DownstreamEnd - -",
		"100%%": "100%",
		config.DefaultLine: `[2026-03-04T05:06:07.000Z] "GET /cart/7?token=REDACTED&a=1%202 HTTP/1.1" 504 UF,UT 10 20 34 12 "-" "curl \x228\x22\x5c" "id-1" ` +
			`"shop.example:80" "10.0.0.7:80" "cart" 00000000000000000000000000000001`,
	} {
		if got := line(t, config.AccessLog{Text: text}, entry()); got != want+"\n" {
			t.Errorf("%s\ngot  %swant %s", text, got, want)
		}
	}
}

// Every operator stands for something, and none allocates, but for those that
// tell of a certificate.
func TestEveryOperatorWorksWithoutAllocating(t *testing.T) {
	args := map[operator.Arg]string{operator.Field: "(x-two)", operator.Param: "(a)", operator.Span: "(DS_RX_BEG:DS_TX_END:us)", operator.Time: "(%s)"}
	e := entry()
	b := make([]byte, 0, 4<<10)
	for _, o := range operator.Log() {
		f, err := format.Parse("%"+o.Name+args[o.Arg]+"%", operator.Log(), format.Text)
		if err != nil {
			t.Errorf("%s: %v", o.Name, err)
			continue
		}
		if n := testing.AllocsPerRun(100, func() { f.AppendText(b, e) }); n > 0 {
			t.Errorf("%s: %v allocations", o.Name, n)
		}
	}
}

func TestJSON(t *testing.T) {
	c := config.AccessLog{JSON: config.Pairs{
		{Name: `na"me`, Value: "fixed \"text\"\n"}, {Name: "status", Value: "%RESPONSE_CODE%"}, {Name: "none", Value: "%REQ(x-none)%"},
		{Name: "agent", Value: "%REQ(user-agent)%"}, {Name: "mixed", Value: "%REQ(:METHOD)% %REQ(x-none)% %DURATION%"}, {Name: "port", Value: "%DOWNSTREAM_REMOTE_PORT%"},
		{Name: "bytes", Value: "%REQ(x-bytes)%"},
	}}
	got := line(t, c, entry())
	want := `{"na\"me":"fixed \"text\"\u000a","status":504,"none":null,"agent":"curl \"8\"\\","mixed":"GET - 34","port":null,"bytes":"` + "\uFFFDé" + `"}` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(got), &v); err != nil {
		t.Error(err)
	}
}

func TestFilters(t *testing.T) {
	for filter, want := range map[string]bool{
		"{}": true, "{status: 500-599}": true, "{status: 504}": true, "{status: 400-499}": false, "{status: 505-}": false,
		"{min_duration: 34ms}": true, "{min_duration: 35ms}": false, "{flags: [NR, UT]}": true, "{flags: [NR]}": false, "{flags: [\"*\"]}": true,
		"{routes: [other, cart]}": true, "{routes: [other]}": false,
		"{headers: [{name: X-Two, exact: \"2\"}]}": true, "{headers: [{name: x-debug, present: true}]}": false,
		"{status: 500-, min_duration: 1s}": false, "{sample: 100%}": true, "{sample: 0.0001%}": false,
	} {
		text := "listeners:\n- {address: \":1\", protocol: http, cluster: a, routes: [{name: cart, match: {path: /a}, cluster: a}, {name: other, match: {path: /b}, cluster: a}], " +
			"access_log: [{file: \"-\", filter: " + filter + "}]}\nclusters: [{name: a, endpoints: [\"h:1\"]}]"
		c, err := config.Parse("f", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		if got := line(t, c.Listeners[0].AccessLog[0], entry()) != ""; got != want {
			t.Errorf("%s: logged %v", filter, got)
		}
	}
	f, err := newFilter(&config.LogFilter{Sample: "25%"})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range 4000 {
		if f.sampled(event.TraceID{12: byte(i >> 8), 13: byte(i), 14: byte(i * 7), 15: byte(i * 31)}) {
			n++
		}
	}
	if n < 800 || n > 1200 {
		t.Errorf("a sample of 25%% took %d of 4000", n)
	}
}

// The names of response flags in the configuration are those that there are.
func TestConfigurationKnowsAllFlags(t *testing.T) {
	var all []string
	for f := event.ResponseFlags(1); f.String() != ""; f <<= 1 {
		all = append(all, f.String())
		if f == 1<<31 {
			break
		}
	}
	if strings.Join(all, " ") != strings.Join(config.ResponseFlags(), " ") {
		t.Errorf("configuration %v, events %v", config.ResponseFlags(), all)
	}
}

func TestLinesAllocateNothing(t *testing.T) {
	out := newOutput("test", stream{io.Discard}, 1<<30, quiet)
	l, err := New([]config.AccessLog{
		{Text: config.DefaultLine}, {JSON: config.Pairs{{Name: "a", Value: "%REQ(user-agent)%"}, {Name: "b", Value: "%DURATION%"}}},
		{OTLP: config.LogServer{Endpoint: "http://x"}, Text: config.DefaultLine, JSON: config.Pairs{{Name: "a", Value: "%REQ(user-agent)%"}}},
	}, func(*config.AccessLog) (*Output, error) { return out, nil })
	if err != nil {
		t.Fatal(err)
	}
	e := entry()
	once := func() {
		l.Log(e)
		out.flush(t.Context())
	}
	for range 10 {
		once()
	}
	if n := testing.AllocsPerRun(1000, once); n > 0 && !raceDetector {
		t.Errorf("%v allocations", n)
	}
}

// blocked is a target that waits until it is let go.
type blocked struct {
	began, let chan struct{}
	got        bytes.Buffer
}

func (b *blocked) deliver(_ context.Context, lines []byte) error {
	b.began <- struct{}{}
	<-b.let
	b.got.Write(lines)
	return nil
}
func (*blocked) reopen() error { return nil }
func (*blocked) close() error  { return nil }

// What does not fit while the target is slow is dropped and counted; nobody waits.
func TestSlowTargetDropsLines(t *testing.T) {
	to := &blocked{began: make(chan struct{}, 100), let: make(chan struct{})}
	out := newOutput("slow", to, 100, quiet)
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { out.Run(ctx) })
	record := []byte("0123456789\n")
	out.put(record)
	<-to.began
	for range 20 {
		out.put(record)
	}
	if _, dropped, _ := out.Stats(); dropped != 11 { // 9 of 11 bytes fit 100
		t.Errorf("%d dropped", dropped)
	}
	close(to.let)
	end()
	running.Wait()
	if written, _, _ := out.Stats(); written != 10 || to.got.Len() != 110 {
		t.Errorf("%d written, %d bytes", written, to.got.Len())
	}
}

type failing struct{ stream }

func (failing) deliver(context.Context, []byte) error { return errors.New("disk full") }

// A target that fails is told of once, not for every line.
func TestFailingTargetIsToldOnce(t *testing.T) {
	var said bytes.Buffer
	out := newOutput("x", failing{}, 1<<20, slog.New(slog.NewTextHandler(&said, nil)))
	for range 3 {
		out.put([]byte("a\n"))
		out.flush(t.Context())
	}
	if _, _, failed := out.Stats(); failed != 3 || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("%d failed, said %q", failed, said.String())
	}
}

// Moving the file away and reopening it loses no line.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	name, old := filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")
	out, err := Open(name, 1<<20, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { out.Run(ctx) })
	const lines = 1000
	for i := range lines {
		out.put(fmt.Appendf(nil, "line %d\n", i))
		if i == lines/2 {
			if err := os.Rename(name, old); err != nil {
				t.Fatal(err)
			}
			if err := out.Reopen(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	end()
	running.Wait()
	first, err1 := os.ReadFile(old)
	second, err2 := os.ReadFile(name)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	all := strings.Split(strings.TrimSuffix(string(first)+string(second), "\n"), "\n")
	if len(all) != lines || all[lines-1] != "line 999" || !strings.HasSuffix(string(first), "line 500\n") {
		t.Errorf("%d lines, the last %q", len(all), all[len(all)-1])
	}
}

func TestMistakes(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "no", "file"), 1, quiet); err == nil || !strings.Contains(err.Error(), "name a file that can be written") {
		t.Errorf("no folder: %v", err)
	}
}

// Records go to a server as OTLP has them, again when it says so.
func TestOTLP(t *testing.T) {
	var mu sync.Mutex
	var bodies [][]byte
	var headers []http.Header
	status := http.StatusServiceUnavailable
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies, headers = append(bodies, b), append(headers, r.Header)
		w.WriteHeader(status)
		status = http.StatusOK
	}))
	defer s.Close()
	c := config.AccessLog{
		OTLP: config.LogServer{Endpoint: s.URL + "/v1/logs", Service: "shop", Timeout: patience, Headers: config.Pairs{{Name: "x-key", Value: "k"}}},
		Text: "%REQ(:METHOD)% %RESPONSE_CODE%", JSON: config.Pairs{{Name: "bytes", Value: "%REQ(x-bytes)%"}},
	}
	out := Server(&c.OTLP, 1<<20, quiet)
	l, err := New([]config.AccessLog{c}, func(*config.AccessLog) (*Output, error) { return out, nil })
	if err != nil {
		t.Fatal(err)
	}
	l.Log(entry())
	l.Log(entry())
	ctx, end := context.WithCancel(t.Context())
	end()
	out.Run(ctx)
	if written, _, failed := out.Stats(); written != 2 || failed != 0 || len(bodies) != 2 {
		t.Fatalf("%d written, %d failed, %d requests", written, failed, len(bodies))
	}
	if headers[1].Get("Content-Type") != "application/x-protobuf" || headers[1].Get("X-Key") != "k" {
		t.Errorf("headers %v", headers[1])
	}
	if diff := wrongRecord(bodies[1]); diff != "" {
		t.Error(diff)
	}
}
