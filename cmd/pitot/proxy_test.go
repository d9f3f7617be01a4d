package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/sink/store/launch"
	"github.com/pitot-io/pitot/sink/store/library"
)

// lines hands on what a command writes, one line at a time.
func lines(t *testing.T) (w io.WriteCloser, next func(match string) []string) {
	t.Helper()
	r, w := io.Pipe()
	all := make(chan string, 1000)
	go func() {
		defer close(all)
		b, _ := io.ReadAll(io.TeeReader(r, lineWriter{all}))
		_ = b
	}()
	return w, func(match string) []string {
		t.Helper()
		re, late := regexp.MustCompile(match), time.After(time.Minute)
		for {
			select {
			case l, open := <-all:
				if !open {
					t.Fatalf("the output ended without %q", match)
				}
				if m := re.FindStringSubmatch(l); m != nil {
					return m
				}
			case <-late:
				t.Fatalf("no %q in time", match)
			}
		}
	}
}

// lineWriter takes whole lines, as loggers and JSON Lines write them.
type lineWriter struct{ to chan<- string }

func (l lineWriter) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		l.to <- line
	}
	return len(b), nil
}

func TestProxyCommand(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer origin.Close()
	ctx, stop := context.WithCancel(t.Context())
	stdout, out := lines(t)
	stderr, log := lines(t)
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"proxy", "--listen", "127.0.0.1:0", "--to", strings.TrimPrefix(origin.URL, "http://"),
			"--admin", "127.0.0.1:0", "--service", "shop", "--json", "--store", "none"}, strings.NewReader(""), stdout, stderr)
		stdout.Close()
		stderr.Close()
	}()
	address := log(`msg=listening .*address=(\S+)`)[1]
	operator := log(`msg=admin address=(\S+)`)[1]
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	get := func(url string) string {
		t.Helper()
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	if got := get("http://" + address + "/cart/7"); got != "hello" {
		t.Errorf("through the proxy: %q", got)
	}
	out(`"name":"GET /cart/\{id\}","span_kind":"server","service":"shop"`)
	if got := get(operator + "/stats"); !strings.Contains(got, "sink.json.written: ") {
		t.Errorf("no sink in\n%s", got)
	}
	stop()
	log(`msg=ended exchanges=2`) // the server's span and the attempt's
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d", c)
	}
}

// Without the engine a run has no history, says so, and goes on.
func TestMissingEngineIsSaidAndNoMore(t *testing.T) {
	t.Setenv(library.EnvPath, filepath.Join(t.TempDir(), "none.so"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := l.Addr().String()
	l.Close()
	var said strings.Builder
	o := &outputs{log: slog.New(slog.NewTextHandler(&said, nil))}
	if dsn, err := o.openEmbedded(t.Context(), launch.Options{Listen: silent, Data: t.TempDir()}); dsn != "" || err != nil {
		t.Fatalf("store %q, error %v", dsn, err)
	}
	if strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "pitot engine") {
		t.Errorf("said %q", said.String())
	}
}

func TestProxyCommandMistakes(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bad := file("bad.yaml", "listeners:\n- address: 127.0.0.1:0\n  cluster: web\n  portocol: tcp\nclusters: [{name: web}]\n")
	good := file("good.yaml", "listeners: [{address: \"127.0.0.1:0\", cluster: web}]\nclusters: [{name: web, endpoints: [\"127.0.0.1:1\"]}]\n")
	for _, c := range []struct {
		args, stdout, stderr string
		code                 int
	}{
		{"proxy", "", "say where from and where to: --listen", exitUsage},
		{"proxy --listen :1", "", "--to host:port", exitUsage},
		{"proxy --listen 1 --to x:1", "", `pitot: --listen: "1" is not an address to listen on`, exitUsage},
		{"proxy --listen :1 --to x", "", `--to[0]: "x" is not valid; must be host:port`, exitUsage},
		{"proxy --listen :1 --to x:1 --protocol gopher", "", `--protocol: "gopher" is not valid; must be one of http`, exitUsage},
		{"proxy --listen :1 --to x:1 --store mysql://", "", `--store: "mysql:" is not valid`, exitUsage},
		{"proxy --listen :1 --to x:1 --json --json-file y", "", "choose one", exitUsage},
		{"proxy -c " + good + " --listen :1", "", "-c FILE says everything", exitUsage},
		{"proxy -c " + bad, "", "bad.yaml:4: listeners[0].portocol: unknown key", exitFailed},
		{"proxy -c nowhere.yaml", "", "nowhere.yaml: no such file", exitFailed},
		{"proxy --listen " + busy.Addr().String() + " --to x:1 --admin none --store none", "", "is in use by another process; stop that one", exitFailed},
		{"proxy --listen 127.0.0.1:0 --to x:1 --admin none --store " + page.URL, "", "is a ClickHouse there?", exitFailed},
		{"proxy --listen 127.0.0.1:0 --to x:1 --admin none --store none --json-file " + dir + "/no/file", "", "name a file that can be written", exitFailed},
		{"check", "", "pitot check -c FILE", exitUsage},
		{"check -c " + good, "good.yaml is good: 1 listener, 1 cluster", "", exitDone},
		{"check -c " + bad, "bad.yaml:5: clusters[0].endpoints: must name at least one", "bad.yaml cannot be used: 2 to mend", exitFailed},
		{"check -c nowhere.yaml", "", "nowhere.yaml: no such file", exitFailed},
	} {
		stdout, stderr, code := pitot(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("pitot %s: exit %d, want %d\n%s%swant %q and %q", c.args, code, c.code, stdout, stderr, c.stdout, c.stderr)
		}
	}
}
