//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// call is one HTTP request to the shared store.
type call struct {
	method string // "" is POST
	path   string
	q      url.Values
	header http.Header
	body   string
}

// do sends c and returns the answer with its body read.
func do(t *testing.T, c call) (*http.Response, string) {
	t.Helper()
	s := open(t)
	if c.method == "" {
		c.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+s.Addr()+c.path+"/?"+c.q.Encode(), strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.path != "" {
		req.URL.Path = c.path
	}
	if c.header != nil {
		req.Header = c.header
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}, Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// ask runs SQL that must succeed.
func ask(t *testing.T, sql string) string {
	t.Helper()
	res, body := do(t, call{body: sql})
	if res.StatusCode != 200 {
		t.Fatalf("%s: %d %s", sql, res.StatusCode, body)
	}
	return body
}

func args(kv ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(kv); i += 2 {
		v.Set(kv[i], kv[i+1])
	}
	return v
}

func TestAnswers(t *testing.T) {
	ask(t, "CREATE DATABASE IF NOT EXISTS answers")
	ask(t, "CREATE TABLE IF NOT EXISTS answers.names (n UInt64) ENGINE = Memory")
	cases := []struct {
		name   string
		call   call
		status int
		want   string // of the body
	}{
		{"ping", call{method: "GET", path: "/ping"}, 200, "Ok.\n"},
		{"root", call{method: "GET"}, 200, "Ok.\n"},
		{"unknown path", call{method: "GET", path: "/nowhere"}, 404, "There is no handle /nowhere"},
		{"query in the body", call{body: "SELECT 1, 'a'"}, 200, "1\ta\n"},
		{"query in the URL", call{method: "GET", q: args("query", "SELECT 2")}, 200, "2\n"},
		{"URL and body are one text", call{q: args("query", "SELECT 1 +"), body: "41"}, 200, "42\n"},
		{"semicolon and comment", call{body: "-- why\nSELECT 3;\n"}, 200, "3\n"},
		{"default_format", call{q: args("default_format", "JSONEachRow"), body: "SELECT 1 AS x"}, 200, "{\"x\":1}\n"},
		{"FORMAT wins", call{q: args("default_format", "JSONEachRow"), body: "SELECT 1 AS x FORMAT CSV"}, 200, "1\n"},
		{"format header", call{header: http.Header{"X-Clickhouse-Format": {"CSVWithNames"}}, body: "SELECT 1 AS x"}, 200, "\"x\"\n1\n"},
		{"whole JSON", call{body: "SELECT number FROM numbers(70000) FORMAT JSONCompact"}, 200, `"rows": 70000`},
		{"names once", call{body: "SELECT count() FROM (SELECT 1) FORMAT TSVWithNames"}, 200, "count()\n1\n"},
		{"database", call{q: args("database", "answers"), body: "SHOW TABLES"}, 200, "names\n"},
		{"database header", call{header: http.Header{"X-Clickhouse-Database": {"answers"}}, body: "SELECT currentDatabase()"}, 200, "answers\n"},
		{"parameters", call{q: args("param_x", "it's \\tx", "param_n", "7"), body: "SELECT {x:String} = 'it\\'s \\tx', {n:UInt8} + 1"}, 200, "1\t8\n"},
		{"settings", call{q: args("max_threads", "3"), body: "SELECT getSetting('max_threads')"}, 200, "3\n"},
		{"settings do not stay", call{body: "SELECT getSetting('max_threads') = 3"}, 200, "0\n"},
		{"WITH", call{body: "WITH 5 AS x SELECT x"}, 200, "5\n"},
		{"EXPLAIN", call{body: "EXPLAIN SELECT 1"}, 200, "ReadFromSystemOne"},
		{"syntax error", call{body: "SELEC 1"}, 400, "SYNTAX_ERROR"},
		{"unknown table", call{body: "SELECT * FROM answers.nothing"}, 404, "Code: 60. DB::Exception: "},
		{"unknown database", call{q: args("database", "nowhere"), body: "SELECT 1"}, 404, "UNKNOWN_DATABASE"},
		{"unknown setting", call{q: args("no_such_setting", "1"), body: "SELECT 1"}, 404, "UNKNOWN_SETTING"},
		{"bad setting", call{q: args("max_threads", "many"), body: "SELECT 1"}, 400, "CANNOT_PARSE_INPUT"},
		{"unknown format", call{body: "SELECT 1 FORMAT Nonsense"}, 404, "UNKNOWN_FORMAT"},
		{"empty", call{body: " \n"}, 400, "Empty query"},
		{"several statements", call{body: "SELECT 1; SELECT 2"}, 400, "Multi-statements are not allowed"},
		{"too long", call{body: "SELECT '" + strings.Repeat("x", 1<<20) + "'"}, 413, "QUERY_IS_TOO_LARGE"},
		{"GET does not write", call{method: "GET", q: args("query", "DROP DATABASE answers")}, 500, "Code: 164."},
		{"GET does not insert", call{method: "GET", q: args("query", "INSERT INTO answers.names FORMAT TSV")}, 500, "Code: 164."},
		{"outfile", call{body: "SELECT 1 INTO OUTFILE '/tmp/pitot-must-not-exist' FORMAT TSV"}, 501, "not allowed over HTTP"},
		{"infile", call{body: "INSERT INTO answers.names FROM INFILE '/etc/passwd' FORMAT TSV"}, 501, "not allowed over HTTP"},
		{"bad gzip", call{header: http.Header{"Content-Encoding": {"gzip"}}, body: "SELECT 1"}, 400, "not gzip"},
		{"unknown encoding", call{header: http.Header{"Content-Encoding": {"weird"}}, body: "SELECT 1"}, 501, "Unknown compression method"},
		{"bad frames", call{q: args("decompress", "1"), body: "SELECT 1 and something longer than a header"}, 400, "compressed frame"},
		{"page of another origin", call{header: http.Header{"Origin": {"http://evil.example"}}, body: "SELECT 1"}, 403, "not web pages"},
		{"result too large", call{body: "SELECT repeat(toString(number % 9), 1000000) FROM numbers(100) FORMAT JSON"}, 500, "Limit for result exceeded"},
		{"method", call{method: "DELETE", body: "SELECT 1"}, 501, "Method DELETE"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			res, body := do(t, c.call)
			if res.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Fatalf("%d %.300q; want %d with %q", res.StatusCode, body, c.status, c.want)
			}
			if failed := strings.HasPrefix(body, "Code: "); failed != (res.Header.Get("X-ClickHouse-Exception-Code") != "") {
				t.Errorf("X-ClickHouse-Exception-Code is %q for %.80q", res.Header.Get("X-ClickHouse-Exception-Code"), body)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	res, _ := do(t, call{q: args("query_id", "mine"), body: "SELECT 1 FORMAT CSV"})
	for name, want := range map[string]string{
		"X-ClickHouse-Query-Id": "mine", "X-ClickHouse-Format": "CSV", "X-ClickHouse-Timezone": "", "X-ClickHouse-Server-Display-Name": "",
		"X-ClickHouse-Summary": `{"read_rows":"1"`, "Content-Type": "text/csv", MarkHeader: shared.engine.data,
	} {
		if got := res.Header.Get(name); got == "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestInsertTakesDataFromBodyAndURL(t *testing.T) {
	ask(t, "CREATE OR REPLACE TABLE t_insert (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
	for _, c := range []call{
		{q: args("query", "INSERT INTO t_insert (a, b) FORMAT TSV"), body: "1\tone\n2\ttwo\n"},
		{body: "INSERT INTO t_insert FORMAT CSV\n3,three\n"},
		{body: "INSERT INTO t_insert (a, b) VALUES (4, 'it''s (four)'), (5, 'five')"},
		{q: args("query", "INSERT INTO t_insert VALUES"), body: "(6,'six')"},
		{body: `INSERT INTO t_insert SETTINGS max_threads=1 FORMAT JSONEachRow {"a":7,"b":"seven"}`},
		{body: "INSERT INTO t_insert SELECT 8, 'eight'"},
	} {
		if res, body := do(t, c); res.StatusCode != 200 {
			t.Fatalf("%+v: %d %s", c, res.StatusCode, body)
		}
	}
	if got := ask(t, "SELECT count(), sum(a), any(if(a = 4, b, '')) FROM t_insert WHERE b != ''"); !strings.HasPrefix(got, "8\t36\t") {
		t.Fatalf("stored %q", got)
	}
	res, body := do(t, call{q: args("query", "INSERT INTO t_insert (a, b) FORMAT TSV"), body: "x\tone\n"})
	if res.StatusCode != 400 {
		t.Fatalf("bad data: %d %s", res.StatusCode, body)
	}
	res, body = do(t, call{q: args("query", "INSERT INTO nowhere (a) FORMAT TSV"), body: "1\n"})
	if res.StatusCode != 404 {
		t.Fatalf("no table: %d %s", res.StatusCode, body)
	}
}

func TestInsertDeduplicatesByToken(t *testing.T) {
	ask(t, "CREATE OR REPLACE TABLE t_dedup (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10")
	for range 3 {
		res, body := do(t, call{q: args("query", "INSERT INTO t_dedup FORMAT TSV", "insert_deduplication_token", "one"), body: "1\n2\n"})
		if res.StatusCode != 200 {
			t.Fatal(body)
		}
	}
	if got := ask(t, "SELECT count() FROM t_dedup"); got != "2\n" {
		t.Fatalf("%s rows after the same block three times", got)
	}
}

func TestBodyEncodings(t *testing.T) {
	const sql = "SELECT 'squeezed'"
	pack := map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
		"lz4":  func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) },
	}
	for name, wrap := range pack {
		var buf bytes.Buffer
		w := wrap(&buf)
		_, _ = io.WriteString(w, sql)
		_ = w.Close()
		res, body := do(t, call{header: http.Header{"Content-Encoding": {name}, "Accept-Encoding": {name}}, body: buf.String()})
		if res.StatusCode != 200 || res.Header.Get("Content-Encoding") != name {
			t.Fatalf("%s: %d %q %q", name, res.StatusCode, res.Header.Get("Content-Encoding"), body)
		}
		r, err := decoded(strings.NewReader(body), name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != "squeezed\n" {
			t.Fatalf("%s: %q %v", name, got, err)
		}
	}
}

func TestNativeFramesBothWays(t *testing.T) {
	for _, method := range []string{"LZ4", "ZSTD", "NONE"} {
		var buf bytes.Buffer
		w := newFrameWriter(&buf, method, "1")
		_, _ = io.WriteString(w, "SELECT 'framed'")
		_ = w.Close()
		res, body := do(t, call{q: args("decompress", "1", "compress", "1", "network_compression_method", method), body: buf.String()})
		if got, err := io.ReadAll(newFrames(strings.NewReader(body))); err != nil || string(got) != "framed\n" {
			t.Fatalf("%s: %d %q %v %.200q", method, res.StatusCode, got, err, body)
		}
	}
}

// A failure after the first block cannot change the status any more.
func TestLateFailureEndsInAnExceptionBlock(t *testing.T) {
	const sql = "SELECT number, repeat('x', 100), throwIf(number = 300000) FROM numbers(400000) SETTINGS max_block_size = 10000, max_threads = 1"
	res, body := do(t, call{body: sql})
	if res.StatusCode != 200 {
		t.Fatalf("status %d: the failure was not late", res.StatusCode)
	}
	tail := body[max(0, len(body)-2000):]
	if strings.Count(tail, "\r\n__exception__\r\n") != 2 || !strings.Contains(tail, "Code: 395.") || !strings.Contains(tail, res.Header.Get("X-ClickHouse-Exception-Tag")) {
		t.Fatalf("ends in %q", tail)
	}
	res, body = do(t, call{q: args("wait_end_of_query", "1"), body: strings.ReplaceAll(sql, "300000", "100000")})
	if res.StatusCode != 500 || !strings.HasPrefix(body, "Code: 395.") {
		t.Fatalf("wait_end_of_query: %d %.200s", res.StatusCode, body)
	}
}

func TestSessionsKeepSettingsAndTemporaryTables(t *testing.T) {
	in := func(sql string) string {
		res, body := do(t, call{q: args("session_id", "s1"), body: sql})
		if res.StatusCode != 200 {
			t.Fatalf("%s: %s", sql, body)
		}
		return body
	}
	in("SET max_threads = 5")
	in("CREATE TEMPORARY TABLE mine (a UInt8)")
	in("INSERT INTO mine VALUES (9)")
	in("USE system")
	if got := in("SELECT a, getSetting('max_threads'), currentDatabase() FROM mine"); got != "9\t5\tsystem\n" {
		t.Fatalf("got %q", got)
	}
	if res, _ := do(t, call{body: "SELECT * FROM mine"}); res.StatusCode != 404 {
		t.Fatalf("the temporary table is seen outside: %d", res.StatusCode)
	}
	res, _ := do(t, call{q: args("session_id", "s2", "session_check", "1"), body: "SELECT 1"})
	if res.StatusCode != 404 {
		t.Fatalf("session_check: %d", res.StatusCode)
	}
	_, _ = do(t, call{q: args("session_id", "s1", "close_session", "1"), body: "SELECT 1"})
	if res, _ := do(t, call{q: args("session_id", "s1", "session_check", "1"), body: "SELECT 1"}); res.StatusCode != 404 {
		t.Fatalf("closed session answers: %d", res.StatusCode)
	}
}

func TestGoneClientStopsItsQuery(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Addr(), strings.NewReader("SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1 -- endless"))
	ended := make(chan error, 1)
	tr := &http.Transport{DisableKeepAlives: true}
	go func() { _, err := tr.RoundTrip(req); ended <- err }()
	running := func() string {
		return ask(t, "SELECT count() FROM system.processes WHERE endsWith(query, 'endless')")
	}
	wait(t, func() bool { return running() == "1\n" })
	cancel()
	if err := <-ended; err == nil {
		t.Fatal("an endless query answered")
	}
	wait(t, func() bool { return running() == "0\n" })
}

// wait polls until ok, at most 10 s.
func wait(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("not within 10 s")
		}
	}
}
