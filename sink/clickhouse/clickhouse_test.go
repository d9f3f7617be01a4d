package clickhouse

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/clickhouse/schema"
)

// httpSpan and mongoSpan are rows with every hot column set.
func httpSpan(i int, at time.Time) *event.Exchange {
	start := at.UnixNano()
	return &event.Exchange{
		TraceID: event.TraceID{1, byte(i >> 8), byte(i)}, SpanID: event.SpanID{2, byte(i >> 16), byte(i >> 8), byte(i)}, ParentID: event.SpanID{3},
		TraceState: "a=b", Kind: event.Server, Protocol: event.HTTP11, Name: "GET /cart/{id}", Service: "shop", Peer: "web",
		Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("10.0.0.2:80"),
		Start: start, FirstByte: start + 2e6, End: start + 5e6, RequestBytes: 100, ResponseBytes: 2000,
		Status: event.Error, StatusMessage: "bad", ErrorType: "503", Listener: "l", Route: "/cart", Cluster: "shops", Endpoint: "10.0.0.3:81",
		Attempt: 1, Flags: event.FlagUF | event.FlagURX, Decode: event.MidStream | event.Redacted, Stream: 7, Capture: "a",
		HTTP: &event.HTTP{Method: "GET", Scheme: "http", Host: "shop", Path: "/cart/7", Version: "1.1", StatusCode: 503, ResponseBody: 1900},
	}
}

func mongoSpan(i int, at time.Time) *event.Exchange {
	start := at.UnixNano()
	return &event.Exchange{
		TraceID: event.TraceID{4, byte(i)}, SpanID: event.SpanID{5, byte(i >> 8), byte(i)}, Kind: event.Client, Protocol: event.MongoDB,
		Name: "find orders", Service: "orders", Peer: "mongodb", Start: start, FirstByte: start + 1e6, End: start + 3e6, RequestBytes: 90, ResponseBytes: 4e6,
		Mongo: &event.Mongo{
			Database: "shop", Collection: "orders", Operation: "find", Query: `{"find":"orders","filter":{"user":"?"}}`, Shape: 1<<63 + 5,
			Returned: 500, Affected: -1, TxnNumber: -1, RequestID: 9, Opcode: 2013, Site: event.CallSite{Name: "orders.go:42 List"},
		},
	}
}

// webSpan is a call of gRPC-Web, which HTTP/1 carried.
func webSpan(i int, at time.Time) *event.Exchange {
	x := httpSpan(i, at)
	x.Name, x.GRPC = "shop.Cart/Get", &event.RPC{Method: "shop.Cart/Get", Status: 14, RequestMessages: 1, Web: "text"}
	return x
}

// batchOf copies exchanges and notices into batches.
func batchOf(x ...*event.Exchange) []*event.Batch {
	var out []*event.Batch
	b := new(event.Batch)
	for _, e := range x {
		if b.Full() {
			out, b = append(out, b), new(event.Batch)
		}
		b.Exchange(e)
	}
	return append(out, b)
}

func TestWriteFillsEveryColumn(t *testing.T) {
	s := openSink(t, "columns", nil)
	now := time.Now().Truncate(time.Microsecond)
	if err := s.Write(t.Context(), batchOf(httpSpan(1, now), mongoSpan(2, now))); err != nil {
		t.Fatal(err)
	}
	var row struct {
		text    []string
		numbers []uint64
		at      time.Time
		attrs   map[string]string
	}
	const sql = `SELECT [TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ScopeName, ScopeVersion, StatusCode, StatusMessage,
		Protocol, PeerService, Cluster, UpstreamHost, RpcStatus, ErrorType, DbNamespace, DbCollection, DbOperation, CallSite, Capture]::Array(String),
		[Duration, Attempt, HttpStatus, QueryShape, DocsReturned, ReqBytes, RespBytes, TtfbNs, DecodeFlags]::Array(UInt64), Timestamp, SpanAttributes
		FROM columns.otel_traces WHERE SpanKind = '%s'`
	ask(t, s, fmt.Sprintf(sql, "Server"), &row.text, &row.numbers, &row.at, &row.attrs)
	wantText := []string{"01000100000000000000000000000000", "0200000100000000", "0300000000000000", "a=b", "GET /cart/{id}", "Server", "shop", "pitot", "test", "Error", "bad",
		"http", "web", "shops", "10.0.0.3:81", "", "503", "", "", "", "", "a"}
	if d := cmp.Diff(wantText, row.text); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]uint64{5e6, 1, 503, 0, 0, 100, 2000, 2e6, uint64(event.MidStream | event.Redacted)}, row.numbers); d != "" {
		t.Error(d)
	}
	if !row.at.Equal(now) {
		t.Errorf("at %v, want %v", row.at, now)
	}
	for k, want := range map[string]string{
		"http.request.method": "GET", "http.response.status_code": "503", "url.path": "/cart/7", "client.address": "10.0.0.1", "client.port": "50000",
		"network.local.address": "10.0.0.2", "network.local.port": "80", "pitot.tcp.stream": "7", "pitot.response_flags": "UF,URX", "pitot.ttfb_ns": "2000000",
	} {
		if row.attrs[k] != want {
			t.Errorf("%s is %q, want %q", k, row.attrs[k], want)
		}
	}
	ask(t, s, fmt.Sprintf(sql, "Client"), &row.text, &row.numbers, &row.at, &row.attrs)
	if d := cmp.Diff([]string{"mongodb", "mongodb", "", "", "", "", "shop", "orders", "find", "orders.go:42 List", ""}, row.text[11:]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]uint64{3e6, 0, 0, 1<<63 + 5, 500, 90, 4e6, 1e6, 0}, row.numbers); d != "" {
		t.Error(d)
	}
	for _, table := range []string{"red_1m", "otel_traces_trace_id_ts"} {
		if n := count(t, s, "SELECT count() FROM columns."+table); n != 2 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
	if n := count(t, s, "SELECT sum(Calls) FROM columns.mongo_callsite_1m WHERE CallSite = 'orders.go:42 List'"); n != 1 {
		t.Errorf("%d calls in mongo_callsite_1m", n)
	}
	var shape string
	ask(t, s, "SELECT Shape FROM columns.query_shapes", &shape)
	if !strings.Contains(shape, `"user":"?"`) {
		t.Errorf("shape %q", shape)
	}
}

// What the defaults make of a collector's row must be what pitot writes itself.
func TestDefaultsAgreeWithWhatIsWritten(t *testing.T) {
	s := openSink(t, "defaults", nil)
	at := time.Now()
	if err := s.Write(t.Context(), batchOf(httpSpan(1, at), mongoSpan(2, at), webSpan(3, at))); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	const base = "Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, SpanAttributes, Duration, StatusCode"
	if err := s.conn.Exec(ctx, "INSERT INTO defaults.otel_traces ("+base+") SELECT "+base+" FROM defaults.otel_traces"); err != nil {
		t.Fatal(err)
	}
	const hot = "SpanId, Protocol, PeerService, Cluster, UpstreamHost, Attempt, HttpStatus, RpcStatus, ErrorType, DbNamespace, DbCollection, DbOperation, QueryShape, CallSite, DocsReturned, ReqBytes, RespBytes, TtfbNs, Capture, DecodeFlags"
	if n := count(t, s, "SELECT count() FROM (SELECT "+hot+", count() AS n FROM defaults.otel_traces GROUP BY ALL HAVING n = 2)"); n != 3 {
		t.Fatalf("%d of 3 spans agree", n)
	}
	if n := count(t, s, "SELECT count() FROM defaults.otel_traces WHERE Protocol = 'grpc' AND RpcStatus = 'UNAVAILABLE' AND SpanAttributes['rpc.method'] = 'shop.Cart/Get'"); n != 2 {
		t.Errorf("%d of 2 gRPC spans have their status", n)
	}
}

func TestNoticesGoToLogs(t *testing.T) {
	s := openSink(t, "notices", nil)
	b := new(event.Batch)
	b.Notice(&event.Notice{Time: time.Now().UnixNano(), Name: event.EventCaptureGap, Severity: event.Warn, Service: "shop", Body: "12 bytes missing", Attributes: []event.KeyValue{{Key: "bytes", Value: "12"}}})
	if err := s.Write(t.Context(), []*event.Batch{b}); err != nil {
		t.Fatal(err)
	}
	var got []string
	ask(t, s, "SELECT [EventName, SeverityText, toString(SeverityNumber), ServiceName, Body, LogAttributes['bytes'], ScopeName] FROM notices.otel_logs", &got)
	if d := cmp.Diff([]string{event.EventCaptureGap, "WARN", "13", "shop", "12 bytes missing", "12", "pitot"}, got); d != "" {
		t.Error(d)
	}
}

// The same block again, as after an answer that was lost, must change neither the table nor a rollup.
func TestRepeatedBlockIsStoredOnce(t *testing.T) {
	s := openSink(t, "repeat", nil)
	batches := batchOf(httpSpan(1, time.Now()), mongoSpan(2, time.Now()), httpSpan(3, time.Now().Add(-30*time.Hour)))
	for range 3 {
		if err := s.Write(sink.WithToken(t.Context(), "block-1"), batches); err != nil {
			t.Fatal(err)
		}
	}
	for sql, want := range map[string]uint64{
		"SELECT count() FROM repeat.otel_traces":             3,
		"SELECT sum(Calls) FROM repeat.red_1m":               3,
		"SELECT sum(Calls) FROM repeat.mongo_callsite_1m":    1,
		"SELECT count() FROM repeat.otel_traces_trace_id_ts": 3,
	} {
		if n := count(t, s, sql); n != want {
			t.Errorf("%s: %d, want %d", sql, n, want)
		}
	}
	if err := s.Write(t.Context(), batches); err != nil { // another block with the same spans is another block
		t.Fatal(err)
	}
	if n := count(t, s, "SELECT count() FROM repeat.otel_traces"); n != 6 {
		t.Errorf("%d rows, want 6", n)
	}
}

func TestNamesAreBounded(t *testing.T) {
	s := openSink(t, "bounded", func(o *Options) { o.MaxNames, o.MaxSites = 10, 5 })
	var all []*event.Exchange
	for i := range 100 {
		x := httpSpan(i, time.Now())
		x.Name = fmt.Sprintf("GET /%d", i)
		m := mongoSpan(i, time.Now())
		m.Mongo.Site.Name = fmt.Sprintf("f%d", i)
		all = append(all, x, m)
	}
	if err := s.Write(t.Context(), batchOf(all...)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, "SELECT uniqExact(SpanName) FROM bounded.otel_traces WHERE ServiceName = 'shop'"); n != 11 {
		t.Errorf("%d names", n)
	}
	if n := count(t, s, "SELECT count() FROM bounded.otel_traces WHERE SpanName = 'GET _OTHER'"); n != 90 {
		t.Errorf("%d spans of other names", n)
	}
	if n := count(t, s, "SELECT uniqExact(CallSite) FROM bounded.otel_traces WHERE ServiceName = 'orders'"); n != 6 {
		t.Errorf("%d call sites", n)
	}
}

func TestShiftMovesEveryTime(t *testing.T) {
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	s := openSink(t, "shifted", func(o *Options) { o.Shift = time.Since(old) })
	if err := s.Write(t.Context(), batchOf(httpSpan(1, old))); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, "SELECT count() FROM shifted.otel_traces WHERE Timestamp > now() - 60"); n != 1 {
		t.Fatalf("%d rows", n)
	}
}

// A capture is written to a store as it is: what keeps rows for a month goes on
// doing so.
func TestRetentionStays(t *testing.T) {
	old := time.Now().Add(-10 * 24 * time.Hour)
	openSink(t, "stays", func(o *Options) { o.TTL = 30 * 24 * time.Hour })
	if err := openSink(t, "stays", func(o *Options) { o.Stay = true }).CheckAge(t.Context(), old); err != nil {
		t.Errorf("a month: %v", err)
	}
	s := openSink(t, "stays", func(o *Options) { o.TTL = 48 * time.Hour })
	if err := s.CheckAge(t.Context(), old); err == nil || !strings.Contains(err.Error(), "the store keeps 2 days") {
		t.Errorf("two days: %v", err)
	}
	if err := openSink(t, "stays", func(o *Options) { o.TTL = 0 }).CheckAge(t.Context(), old); err != nil {
		t.Errorf("for ever: %v", err)
	}
}

// The trap that CheckAge is for, and the way out by a store that keeps everything.
func TestOldTrafficNeedsAStoreThatKeepsIt(t *testing.T) {
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	err := schema.CheckAge(old, schema.DefaultTTL, time.Now())
	if err == nil || !strings.Contains(err.Error(), "--shift-time now") || !strings.Contains(err.Error(), "keeps 7 days") {
		t.Fatalf("got %v", err)
	}
	if err := schema.CheckAge(time.Now(), schema.DefaultTTL, time.Now()); err != nil {
		t.Fatal(err)
	}
	s := openSink(t, "kept", nil)
	if err := s.Write(t.Context(), batchOf(httpSpan(1, old))); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, "SELECT count() FROM kept.otel_traces"); n != 0 {
		t.Skip("this engine keeps rows past their TTL at insert") // then nothing is lost either
	}
	forever := openSink(t, "kept", func(o *Options) { o.TTL, o.RollupTTL = 0, 0 })
	if err := forever.Write(t.Context(), batchOf(httpSpan(1, old))); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, "SELECT count() FROM kept.otel_traces"); n != 1 {
		t.Fatalf("%d rows after the retention was lifted", n)
	}
	var ddl string
	openSink(t, "kept", func(o *Options) { o.TTL = time.Hour })
	ask(t, s, "SELECT create_table_query FROM system.tables WHERE database = 'kept' AND name = 'otel_traces'", &ddl)
	if !strings.Contains(ddl, "TTL toDateTime(Timestamp) + toIntervalSecond(3600)") {
		t.Fatalf("retention did not change: %s", ddl)
	}
}

func TestErrorsAreClassified(t *testing.T) {
	s := openSink(t, "errors", nil)
	ctx := t.Context()
	batches := batchOf(httpSpan(1, time.Now()))
	if err := s.conn.Exec(ctx, "DROP DATABASE errors"); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(ctx, batches); err == nil || sink.IsPermanent(err) {
		t.Fatalf("missing tables must be worth a retry, got %v", err)
	}
	if err := s.Write(ctx, batches); err != nil {
		t.Fatalf("the tables were not made again: %v", err)
	}
	if err := s.conn.Exec(ctx, "ALTER TABLE errors.otel_traces DROP COLUMN TtfbNs"); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(ctx, batches); !sink.IsPermanent(err) {
		t.Fatalf("another table shape must be permanent, got %v", err)
	}
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	for dsn, want := range map[string]string{
		"http://127.0.0.1:1":          "store 127.0.0.1:1 cannot be reached",
		"ftp://u:secret@127.0.0.1":    "want clickhouse://HOST:9000",
		"clickhouse://127.0.0.1:1/db": "cannot be reached",
		"embedded":                    "want clickhouse://HOST:9000",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := Open(ctx, DefaultOptions(dsn))
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", dsn, err, want)
		}
	}
}

// A store that is not there when a run begins is waited for, where somebody
// wants that, and its tables are made once it is.
func TestAStoreMayComeLater(t *testing.T) {
	addr, there := freeAddr(t), strings.Split(dsn(t, "later"), "/")[2]
	var why error
	o := DefaultOptions("http://" + addr + "/later")
	o.Absent = func(err error) { why = err }
	s, err := Open(t.Context(), o)
	if err != nil || why == nil || !strings.Contains(why.Error(), "cannot be reached") {
		t.Fatalf("%v; told %v", err, why)
	}
	defer s.Close()
	batches := batchOf(httpSpan(1, time.Now()))
	if err := s.Write(t.Context(), batches); err == nil || sink.IsPermanent(err) {
		t.Fatalf("nobody is there, got %v", err)
	}
	forward(t, addr, there)
	for range 2 {
		if err := s.Write(t.Context(), batches); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, s, "SELECT count() FROM later.otel_traces"); n != 2 {
		t.Errorf("%d spans", n)
	}
}

// forward serves at addr what is at another address.
func forward(t *testing.T, addr, there string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &http.Server{Handler: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: there})}
	done := make(chan struct{})
	go func() { defer close(done); _ = proxy.Serve(l) }()
	t.Cleanup(func() { _ = proxy.Close(); <-done; http.DefaultClient.CloseIdleConnections() })
}

func TestNewerSchemaIsRefused(t *testing.T) {
	s := openSink(t, "newer", nil)
	if err := s.conn.Exec(t.Context(), "INSERT INTO newer.pitot_migrations (Version, Name) SELECT 9999, 'later'"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), DefaultOptions(dsn(t, "newer")))
	if err == nil || !strings.Contains(err.Error(), "use a newer pitot") {
		t.Fatalf("got %v", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	s := openSink(b, "bench", nil)
	const rows = 20_000
	now := time.Now()
	var all []*event.Exchange
	for i := range rows {
		at := now.Add(time.Duration(i) * time.Microsecond)
		if i%3 == 0 {
			all = append(all, mongoSpan(i, at))
		} else {
			all = append(all, httpSpan(i, at))
		}
	}
	batches := batchOf(all...)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(context.Background(), batches); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
}

// BenchmarkColumns is the part that does not leave the process: filling a block.
func BenchmarkColumns(b *testing.B) {
	var s spans
	s.init(Options{})
	x := httpSpan(1, time.Now())
	b.ReportAllocs()
	for b.Loop() {
		s.reset()
		for range 1000 {
			s.add(x)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/1000, "ns/span")
}
