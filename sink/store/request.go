//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
)

// request is one query over HTTP.
type request struct {
	s    *Store
	r    *http.Request
	q    url.Values
	id   string
	out  *response
	stmt statement
	data io.Reader // of an insert, after stmt.data
}

// headBytes is how much of a body is looked at to find where the data of an INSERT begins.
const headBytes = 256 << 10

// answer runs the query of r. Every failure ends as ClickHouse's own: a status, X-ClickHouse-Exception-Code and one text.
func (s *Store) answer(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	id := or(q.Get("query_id"), rand.Text())
	req := &request{s: s, r: r, q: q, id: id, out: newResponse(w, r, q, s.opts.Limits.ResultBytes)}
	w.Header().Set("X-ClickHouse-Query-Id", id)
	switch {
	case err != nil:
		err = badParameter("cannot read the URL: " + err.Error())
	case len(q) > s.opts.Limits.Params:
		err = badParameter(fmt.Sprintf("more than %d URL parameters", s.opts.Limits.Params))
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		err = notImplemented("Method " + r.Method + " is not supported; use GET or POST")
	default:
		if err = s.opts.authorize(r, q); err == nil {
			err = req.run()
		}
	}
	if err != nil {
		req.out.fail(exceptionOf(err), s.about.version)
	}
}

// exceptionOf wraps what is not an exception yet, such as a body that broke off.
func exceptionOf(err error) *Exception {
	var e *Exception
	if errors.As(err, &e) {
		return e
	}
	return raise(1002, "UNKNOWN_EXCEPTION", err.Error())
}

func (req *request) run() error {
	if err := req.read(); err != nil {
		return err
	}
	s, ctx := req.s, req.r.Context()
	if err := s.slot(ctx); err != nil {
		return err
	}
	defer func() { <-s.slots }()
	c, release, err := req.connection()
	if err != nil {
		return err
	}
	defer release()
	tag := tagPrefix + rand.Text()
	if err := req.prepare(c, tag); err != nil {
		return err
	}
	defer s.killOn(ctx, tag)()
	start := time.Now()
	stats, err := req.execute(c)
	if err != nil {
		return err
	}
	return req.out.finish(stats, time.Since(start))
}

// read takes the statement from URL and body: a query in the URL is followed by the body, as if they were one text.
func (req *request) read() error {
	if strings.HasPrefix(req.r.Header.Get("Content-Type"), "multipart/form-data") {
		return notImplemented("external tables (multipart/form-data) are not supported by the embedded store; use a temporary table in a session")
	}
	body, err := req.body()
	if err != nil {
		return err
	}
	if text := req.q.Get("query"); text != "" {
		if req.stmt = parse(text); req.stmt.insert {
			if !req.stmt.done { // data without a word for its format
				req.stmt.format = "Values"
			}
			req.data = io.MultiReader(strings.NewReader(req.stmt.data), body)
			return nil
		}
		return req.whole(text+"\n", body)
	}
	head, err := body.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if stmt := parse(string(head)); stmt.insert && stmt.done {
		req.stmt = stmt
		if _, err := body.Discard(len(head) - len(stmt.data)); err != nil {
			return err
		}
		req.data = body
		return nil
	}
	return req.whole("", body)
}

// body unwraps the request's body and bounds it. Short reads of Peek are settled by the reader's size.
func (req *request) body() (*bufio.Reader, error) {
	in, err := decoded(req.r.Body, req.r.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, err
	}
	if req.q.Get("decompress") == "1" {
		in = newFrames(in)
	}
	return bufio.NewReaderSize(&bounded{in, req.s.opts.Limits.BodyBytes}, headBytes), nil
}

// whole reads the rest of a statement that is all SQL.
func (req *request) whole(text string, body io.Reader) error {
	limit := req.s.opts.Limits.QueryBytes
	rest, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return err
	}
	if text += string(rest); int64(len(text)) > limit {
		return raise(62, "QUERY_IS_TOO_LARGE", fmt.Sprintf("the query is longer than %d bytes", limit))
	}
	if req.stmt = parse(text); req.stmt.insert {
		req.stmt.format = or(req.stmt.format, "Values")
		req.data = strings.NewReader(req.stmt.data)
	}
	if strings.TrimSpace(req.stmt.sql) == "" {
		return raise(62, "SYNTAX_ERROR", "Empty query")
	}
	return nil
}

// connection is the session's, or a fresh one, which is as cheap as resetting a used one and forgets everything.
func (req *request) connection() (*conn, func(), error) {
	if req.q.Get("session_id") != "" {
		return req.s.acquireSession(req.q)
	}
	c, err := req.s.engine.connect()
	if err != nil {
		return nil, nil, err
	}
	return c, c.close, nil
}

// prepare gives the connection its database, settings and parameters. Read-only comes last, as it forbids the rest.
func (req *request) prepare(c *conn, tag string) error {
	if db := or(req.q.Get("database"), req.r.Header.Get("X-ClickHouse-Database")); db != "" && db != "default" {
		if err := c.exec("USE " + identifier(db)); err != nil {
			return err
		}
	}
	if err := c.exec("SET " + strings.Join(req.settings(tag), ", ")); err != nil {
		return err
	}
	if req.readOnly() {
		if err := c.exec("SET readonly = 2"); err != nil && exceptionOf(err).Name != "READONLY" { // a session may be so already
			return err
		}
	}
	return req.check(c)
}

// readOnly holds for GET requests too, as in ClickHouse: a link must not write.
func (req *request) readOnly() bool {
	return req.s.opts.ReadOnly || req.r.Method != http.MethodPost
}

// reserved are the URL parameters that are not settings.
var reserved = []string{
	"query", "query_id", "database", "default_format", "user", "password", "quota_key", "role", "stacktrace", "session_id", "session_timeout",
	"session_check", "close_session", "compress", "decompress", "client_protocol_version", "wait_end_of_query", "buffer_size",
	"enable_http_compression", "http_zlib_compression_level", "network_compression_method", "network_zstd_compression_level",
}

// settings are the parts of a SET statement: the tag, bounds, and what the URL asks for.
func (req *request) settings(tag string) []string {
	comment := strings.TrimSpace(req.q.Get("log_comment") + " " + tag)
	out := []string{"log_comment = " + quote(comment)}
	if !streams(req.format()) {
		out = append(out, "max_result_bytes = "+strconv.FormatInt(req.s.opts.Limits.ResultBytes, 10))
	}
	for name, values := range req.q {
		if name == "log_comment" || slices.Contains(reserved, name) || len(values) == 0 {
			continue
		}
		out = append(out, identifier(name)+" = "+quote(values[len(values)-1]))
	}
	slices.Sort(out) // a setting that fails is the same one every time
	return out
}

// check refuses what must not run here, by the engine's own reading of the statement.
func (req *request) check(c *conn) error {
	if req.stmt.insert {
		if req.readOnly() {
			return readOnly("Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries")
		}
		return nil
	}
	if req.stmt.infile {
		return notImplemented("FROM INFILE is not allowed over HTTP")
	}
	a, ok := c.e.lib.kind(c.handle, req.stmt.sql)
	if !ok || a.class == classUnknown {
		return nil // the engine says what is wrong with it
	}
	switch verb := req.stmt.verb; {
	case a.statements > 1:
		return raise(62, "SYNTAX_ERROR", "Multi-statements are not allowed")
	case a.class == classControl && (verb == "SELECT" || verb == "WITH" || verb == "FROM"):
		return notImplemented("INTO OUTFILE is not allowed over HTTP")
	case req.readOnly() && a.class != classReadOnly && verb != "SET" && verb != "USE":
		return readOnly("Cannot execute query in readonly mode")
	}
	return nil
}

// format is what the answer is written in.
func (req *request) format() string {
	return or(req.stmt.format, or(req.q.Get("default_format"), or(req.r.Header.Get("X-ClickHouse-Format"), "TabSeparated")))
}

// execute runs the statement and writes its output.
func (req *request) execute(c *conn) (Stats, error) {
	if req.stmt.insert {
		return c.insert(strings.TrimRight(req.stmt.sql, " \t\r\n;"), req.stmt.format, req.data)
	}
	format := req.format()
	req.out.format(format)
	write, err := req.writer(format)
	if err != nil {
		return Stats{}, err
	}
	if streams(format) && slices.Contains([]string{"SELECT", "WITH", "FROM", "("}, req.stmt.verb) {
		stats, err := c.stream(req.stmt.sql, format, write)
		if err == nil || !strings.Contains(err.Error(), "Streaming query is not supported") {
			return stats, err
		}
	}
	out, stats, err := c.query(req.stmt.sql, format)
	if err == nil && len(out) > 0 {
		err = write(out)
	}
	return stats, err
}

// writer is where output goes: as it is, or Native at the revision the client asked for.
func (req *request) writer(format string) (func([]byte) error, error) {
	text := req.q.Get("client_protocol_version")
	if format != "Native" || text == "" || text == "0" {
		return req.out.write, nil
	}
	revision, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return nil, badParameter("client_protocol_version " + text + " is not a number")
	}
	var buf chproto.Buffer
	return func(b []byte) error {
		buf.Reset()
		if err := reencode(bytes.Clone(b), revision, &buf); err != nil {
			return err
		}
		return req.out.write(buf.Buf)
	}, nil
}

// lease answers LeasePath: GET holds one, HEAD tells how many are held.
func (s *Store) lease(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.Header().Set("X-Pitot-Leases", strconv.Itoa(s.leases.count()))
		return
	}
	s.leases.hold(w, r, s.closing)
}
