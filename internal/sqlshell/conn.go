package sqlshell

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Dial connects to the store that dsn names. Over http(s):// the store itself writes any format; over clickhouse:// it writes formats of rows
// (TabSeparated, CSV, JSONEachRow ...).
func Dial(ctx context.Context, dsn string) (Conn, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("--store %s is not one: want embedded, http://HOST:8123, https://HOST:8443 or clickhouse://HOST:9000", dsn)
	}
	var c Conn
	switch u.Scheme {
	case "http", "https":
		c = newHTTP(u)
	case "clickhouse", "native", "tcp":
		c, err = newNative(u)
	default:
		err = fmt.Errorf("--store %s: unknown scheme %s; want embedded, http://, https:// or clickhouse://", u.Redacted(), u.Scheme)
	}
	if err != nil {
		return nil, err
	}
	if err := c.Query(ctx, "SELECT 1", "TabSeparated", io.Discard); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("store %s cannot be used: %w", u.Redacted(), err)
	}
	return c, nil
}

// defaultDatabase is current from the start when it exists, so that `otel_traces` is enough.
const defaultDatabase = "pitot"

// httpConn speaks ClickHouse's HTTP interface in a session, so that SET, USE and temporary tables last.
type httpConn struct {
	base    *url.URL
	client  *http.Client
	session string
}

func newHTTP(u *url.URL) *httpConn {
	base := *u
	q := base.Query()
	if db := strings.Trim(base.Path, "/"); db != "" {
		q.Set("database", db)
	}
	q.Set("session_timeout", "3600")
	q.Set("session_id", "pitot-sql-"+rand.Text())
	if base.Path = "/"; base.Port() == "" {
		base.Host += map[string]string{"http": ":8123", "https": ":8443"}[base.Scheme]
	}
	base.RawQuery = q.Encode()
	c := &httpConn{base: &base, client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1}}, session: q.Get("session_id")}
	if q.Get("database") == "" {
		c.use()
	}
	return c
}

// use makes pitot's database current; a store without it keeps its own.
func (c *httpConn) use() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = c.Query(ctx, "USE "+defaultDatabase, "TabSeparated", io.Discard)
}

func (c *httpConn) Query(ctx context.Context, sql, format string, out io.Writer) error {
	u := *c.base
	q := u.Query()
	q.Set("default_format", format)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(sql))
	if err != nil {
		return err
	}
	res, err := c.client.Do(req)
	if err != nil && ctx.Err() != nil {
		return errors.New("stopped")
	}
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) { // its text repeats the whole URL
			err = wrapped.Err
		}
		return fmt.Errorf("%s: %w (is the store running? `pitot store` starts the embedded one)", u.Host, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
		return exception(string(text), res.Status)
	}
	tail := &tailWriter{out: out}
	if _, err := io.Copy(tail, res.Body); err != nil {
		return fmt.Errorf("the answer broke off: %w", err)
	}
	return tail.failure()
}

// Close ends the session.
func (c *httpConn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.base.RawQuery += "&close_session=1"
	_ = c.Query(ctx, "SELECT 1", "Null", io.Discard) // a store that has gone has no session either
	c.client.CloseIdleConnections()
	return nil
}

// exception is the store's own words without what only its makers need.
func exception(text, status string) error {
	text, _, _ = strings.Cut(strings.TrimSpace(text), " (version ")
	if page := strings.HasPrefix(text, "<"); page || text == "" {
		text = status + " (is a ClickHouse there?)"
	}
	return errors.New(text)
}

// tailWriter passes on an answer and remembers its end, where a query that fails late says so in a block of its own.
type tailWriter struct {
	out  io.Writer
	tail []byte
}

const (
	tailSize = 64 << 10
	marker   = "\r\n__exception__\r\n"
)

func (w *tailWriter) Write(p []byte) (int, error) {
	w.tail = append(w.tail, p...)
	if extra := len(w.tail) - tailSize; extra > 0 {
		w.tail = w.tail[:copy(w.tail, w.tail[extra:])]
	}
	return w.out.Write(p)
}

func (w *tailWriter) failure() error {
	text := string(w.tail)
	if !strings.HasSuffix(text, marker) {
		return nil
	}
	_, block, ok := strings.Cut(strings.TrimSuffix(text, marker), marker)
	if _, message, found := strings.Cut(block, "\r\n"); ok && found { // past the tag
		return exception(message, "")
	}
	return nil
}

// nativeConn speaks ClickHouse's own protocol through clickhouse-go, which has values but no formats: the server formats rows into text.
type nativeConn struct{ conn clickhouse.Conn }

func newNative(u *url.URL) (*nativeConn, error) {
	opts, err := clickhouse.ParseDSN(u.String())
	if err != nil {
		return nil, fmt.Errorf("--store %s: %w", u.Redacted(), err)
	}
	if u.Port() == "" {
		opts.Addr = []string{u.Hostname() + ":9000"}
	}
	opts.MaxOpenConns, opts.MaxIdleConns = 1, 1 // one, so that SET and USE last
	conn, err := clickhouse.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("--store %s: %w", u.Redacted(), err)
	}
	return &nativeConn{conn}, nil
}

func (c *nativeConn) Query(ctx context.Context, sql, format string, out io.Writer) error {
	verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(sql)), " ")
	switch verb {
	case "SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS":
	default:
		return c.conn.Exec(ctx, sql)
	}
	if strings.HasPrefix(format, "Pretty") {
		format = "TabSeparated"
	}
	rows, err := c.conn.Query(ctx, "SELECT formatRow("+"'"+format+"'"+", *) FROM ("+sql+")")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if _, err := io.WriteString(out, line); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (c *nativeConn) Close() error { return c.conn.Close() }
