package clickhouse

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink/sinktest"
)

// What answers and is no store of ours is told in one short line, with the mend that fits.
func TestOpenTellsWhatAnswersThere(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotImplemented)
		fmt.Fprint(w, "<!DOCTYPE HTML>\n<html>\n", strings.Repeat("<p>sorry</p>\n", 200))
	}))
	defer page.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-ClickHouse-Exception-Code", "516")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "Code: 516. DB::Exception: default: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED) (version 26.7.2.1)")
	}))
	defer refusing.Close()
	for dsn, want := range map[string]string{
		page.URL:     "is a ClickHouse there?",
		refusing.URL: "(name them as in http://USER:PASSWORD@HOST:8123)",
		greeting(t, "HTTP/1.1 400 Bad Request\r\n\r\n"): "begin the DSN with http://",
	} {
		_, err := Open(t.Context(), DefaultOptions(dsn))
		if err == nil {
			t.Fatalf("%s: no error", dsn)
		}
		if says := err.Error(); !strings.Contains(says, want) || strings.Contains(says, "\n") || len(says) > maxWords+200 {
			t.Errorf("%s: want %q in one short line, got\n%s", dsn, want, says)
		}
	}
}

// greeting is the DSN of a server that says so to everybody.
func greeting(t *testing.T, says string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
			fmt.Fprint(c, says)
			defer c.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return "clickhouse://" + ln.Addr().String()
}

// The error of a write names the store and the cause, not the statement.
func TestFailedWriteIsTold(t *testing.T) {
	s := openSink(t, "brief", nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	opts, _, err := parseDSN("http://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	gone, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	defer func(c clickhouse.Conn) { s.conn = c }(s.conn)
	s.conn = gone
	err = s.Write(t.Context(), []*event.Batch{sinktest.Batches(1, 3)[0]})
	if err == nil || len(err.Error()) > 200 || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}
