package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// spanLine is one exchange as /tap writes it.
func spanLine(name string) string {
	x := event.Exchange{Name: name, Service: "shop", Protocol: event.HTTP11, Start: 1e18, End: 1e18 + 7e6, HTTP: &event.HTTP{Path: "/", StatusCode: 200}}
	return string(x.AppendJSON(nil))
}

func TestTopReadsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "spans.jsonl")
	n := event.Notice{Time: 1e18, Name: event.EventCaptureGap, Body: "17 bytes"}
	if err := os.WriteFile(file, n.AppendJSON([]byte(spanLine("GET /a")+spanLine("GET /b"))), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := pitot(t, "top", "--plain", "--from", file, "--filter", "name~/b")
	if code != exitDone || strings.Contains(stdout, "GET /a") || !strings.Contains(stdout, "http shop GET /b 200 7.0ms") || !strings.Contains(stdout, "capture_gap: 17 bytes") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestTopReadsStandardInput(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"top", "--plain", "--from", "-"}, strings.NewReader(spanLine("GET /a")), &out, &errs)
	if code != exitDone || !strings.Contains(out.String(), "GET /a") {
		t.Errorf("exit %d\n%s%s", code, &out, &errs)
	}
}

func TestTopSaysWhatIsWrong(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.jsonl")
	if err := os.WriteFile(bad, []byte(spanLine("GET /a")+"nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(t.TempDir(), "long.jsonl")
	if err := os.WriteFile(long, bytes.Repeat([]byte("x"), 2*maxLine), 0o600); err != nil {
		t.Fatal(err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) }))
	defer locked.Close()
	for _, c := range []struct {
		args, says string
		code       int
	}{
		{"--admin " + nobody(t), "no pitot answers at 127.0.0.1:", exitFailed},
		{"--admin " + address(other), "404 Not Found: 404 page not found; is it the admin address of a pitot?", exitFailed},
		{"--admin " + address(locked), "asks for a token; put it in PITOT_ADMIN_TOKEN", exitFailed},
		{"--admin :x:", "--admin :x:", exitUsage},
		{"--from nowhere.jsonl", "--from: open nowhere.jsonl", exitFailed},
		{"--from " + bad, "bad.jsonl, line 2: event: not a line of pitot's JSON Lines", exitFailed},
		{"--from " + long, "a line is longer than 1048576 bytes", exitFailed},
		{"--filter foo:x", "--filter: at column 1: unknown field", exitUsage},
		{"extra", "unknown command", exitUsage},
	} {
		stdout, stderr, code := pitot(t, append([]string{"top", "--plain"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.says) || strings.Count(stderr, "\n") > strings.Count(stderr, "\n  ")+1 {
			t.Errorf("pitot top %s: exit %d\n%s%swant exit %d, %q", c.args, code, stdout, stderr, c.code, c.says)
		}
	}
}

// nobody is an address where nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func address(s *httptest.Server) string { return s.Listener.Addr().String() }

// A tap that breaks is taken up again, with a word about it.
func TestTopComesBack(t *testing.T) {
	taps := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("Authorization: %q", got)
		}
		taps <- r.URL.RequestURI()
		fmt.Fprint(w, spanLine(fmt.Sprint("GET /tap", len(taps))), "not one of ours\n")
		w.(http.Flusher).Flush()
		if len(taps) == 2 {
			<-r.Context().Done() // the second stays
		}
	}))
	defer server.Close()
	t.Setenv(tokenVariable, "secret")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	var errs bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"top", "--plain", "--admin", address(server), "--filter", "service:shop"}, strings.NewReader(""), w, &errs)
		w.Close()
	}()
	var out strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(out.String(), "GET /tap2") {
		n, err := r.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after %s%s", err, &out, &errs)
		}
	}
	cancel()
	select {
	case code := <-done:
		if code != exitDone || !strings.Contains(errs.String(), "lost contact with "+address(server)+": it ended the stream; trying again") {
			t.Errorf("exit %d\n%s", code, &errs)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("pitot top goes on")
	}
	if got := <-taps; got != "/tap?events=true&filter=service%3Ashop" {
		t.Errorf("asked for %s", got)
	}
}

// What was said about lost contact is taken back when there is contact.
func TestLostContactIsTakenBack(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests == 2 {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, spanLine("GET /"))
		w.(http.Flusher).Flush()
		if requests == 3 {
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	a, f := newAttachment(address(server), "", ""), newFeed()
	body, err := a.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	f.tell = &said
	f.start(func() error { return a.follow(ctx, body, f) })
	for range 2 {
		<-f.batches
	}
	if got := f.status(); got != "" {
		t.Errorf("in contact, it says %q", got)
	}
	cancel()
	if err := f.wait(true); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"it ended the stream", "503 Service Unavailable: draining"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it never said %q:\n%s", want, &said)
		}
	}
}
