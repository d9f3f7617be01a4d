package relay_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/retry"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// A request is sent again with all of its body and trailers, whatever the
// versions and however the body comes.
func TestRetry(t *testing.T) {
	versions(t, func(t *testing.T, client, upstream int) {
		for _, tt := range []struct {
			name    string
			size    int
			chunked bool
		}{{"none", -1, false}, {"empty", 0, true}, {"small", 100, false}, {"chunks", 30_000, true}, {"large", 60_000, false}, {"larger", 200_000, true}} {
			t.Run(tt.name, func(t *testing.T) {
				p := start(t, origin(t, flaky(2)), upstream, retries(t, "5xx", func(c *config.Retry) { c.Most, c.BodyLimit = 3, 256<<10 }))
				data := bytes.Repeat([]byte("0123456789"), max(0, tt.size)/10)
				var body0 io.Reader
				if tt.size >= 0 {
					body0 = bytes.NewReader(data)
				}
				r, err := http.NewRequest("POST", p.url("/"), body0)
				if err != nil {
					t.Fatal(err)
				}
				if tt.chunked {
					r.Body, r.ContentLength, r.Trailer = io.NopCloser(&slow{data: data, step: 9000}), -1, http.Header{"X-Sum": {"7"}}
				}
				a, err := p.client(client).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("%d %x", len(data), sum(data))
				if got := body(t, a); got != want || a.StatusCode != 200 || tt.chunked && a.Header.Get("X-Trailer") != "7" {
					t.Errorf("%s %q, want %q; trailer %q", a.Status, got, want, a.Header.Get("X-Trailer"))
				}
				x, tries := p.tried(3)
				if x.Flags != 0 || x.HTTP.StatusCode != 200 || x.HTTP.RequestBody != int64(len(data)) || x.Retried != "" {
					t.Errorf("span %s", x.AppendJSON(nil))
				}
				for i, a := range tries {
					status, reason := 503, "5xx"
					if i == 2 {
						status = 200
					}
					if i == 0 {
						reason = ""
					}
					if a.HTTP.StatusCode != status || a.Retried != reason || a.HTTP.RequestBody != int64(len(data)) || a.Picked == "" ||
						(a.Status == event.Error) != (i < 2) || a.Server.String() != a.Endpoint {
						t.Errorf("try %d: %s", i, a.AppendJSON(nil))
					}
				}
				if p.stat("upstream_rq_retry") != 2 || p.stat("upstream_rq_retry_success") != 1 {
					t.Errorf("retries %d, successes %d", p.stat("upstream_rq_retry"), p.stat("upstream_rq_retry_success"))
				}
				p.quiet()
			})
		}
	})
}

// When no retry is left, the client gets the last answer, and the span says so.
func TestRetriesExhausted(t *testing.T) {
	versions(t, func(t *testing.T, client, upstream int) {
		p := start(t, origin(t, flaky(100)), upstream, retries(t, "gateway-error", func(c *config.Retry) { c.Most = 2 }))
		a, err := p.client(client).Get(p.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		if b := body(t, a); a.StatusCode != 503 || b != "not now\n" {
			t.Errorf("%s %q", a.Status, b)
		}
		x, _ := p.tried(3)
		if x.Flags != event.FlagURX || x.Retried != "not retried: no retries left" {
			t.Errorf("span %s", x.AppendJSON(nil))
		}
		if p.stat("upstream_rq_retry_limit_exceeded") != 1 || p.stat("upstream_rq_retry_success") != 0 {
			t.Error("it was not counted")
		}
	})
}

// What the policy does not name is not sent again.
func TestNotRetried(t *testing.T) {
	for on, status := range map[string]int{"gateway-error": 500, "reset connect-failure refused-stream": 503, "": 503, "retriable-4xx": 404} {
		p := start(t, origin(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }), 1, retries(t, on))
		a, err := p.client(1).Get(p.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		body(t, a)
		if x, _ := p.tried(1); a.StatusCode != status || x.Flags != 0 || x.Retried != "" {
			t.Errorf("%q after %d: %s %s", on, status, a.Status, x.AppendJSON(nil))
		}
	}
}

// A body that is longer than what is kept goes to one host, and no other.
func TestBodyTooLargeToReplay(t *testing.T) {
	versions(t, func(t *testing.T, client, upstream int) {
		p := start(t, origin(t, flaky(1)), upstream, retries(t, "5xx", func(c *config.Retry) { c.BodyLimit = 1000 }))
		for _, size := range []int{1001, 300_000} {
			data := bytes.Repeat([]byte("x"), size)
			r, _ := http.NewRequest("POST", p.url("/"), &slow{data: data, step: 700})
			a, err := p.client(client).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if b := body(t, a); size == 1001 && a.StatusCode != 503 || size != 1001 && b != fmt.Sprintf("%d %x", size, sum(data)) {
				t.Errorf("%d bytes: %s %q", size, a.Status, b)
			}
		}
		p.spans.find(t, func(x *event.Exchange) bool {
			return x.Retried == "not retried: body too large to replay" && x.HTTP.StatusCode == 503
		})
		if n := p.stat("upstream_rq_retry_abandoned"); n != 1 {
			t.Errorf("%d were abandoned", n)
		}
	})
}

// A retry begins while the rest of the body still comes.
func TestRetryInTheRequest(t *testing.T) {
	versions(t, func(t *testing.T, client, upstream int) {
		var n atomic.Int64
		again := make(chan struct{})
		p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				_ = http.NewResponseController(w).EnableFullDuplex() // else it waits for the end
				io.ReadFull(r.Body, make([]byte, 5))
				w.WriteHeader(503)
				return
			}
			close(again)
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		}), upstream, retries(t, "5xx"))
		out, in := io.Pipe()
		go func() {
			io.WriteString(in, "begin,")
			<-again
			io.WriteString(in, "end")
			in.Close()
		}()
		r, _ := http.NewRequest("POST", p.url("/"), out)
		a, err := p.client(client).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if b := body(t, a); b != "begin,end" {
			t.Errorf("%s %q", a.Status, b)
		}
		if x, _ := p.tried(2); x.HTTP.RequestBody != 9 {
			t.Errorf("span %s", x.AppendJSON(nil))
		}
	})
}

// What goes wrong without an answer is retried by its own condition.
func TestRetryWithoutAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, on, reason string
		first            func(c *net.TCPConn, r *bufio.Reader)
		flags            event.ResponseFlags
	}{
		{"reset", "reset", "reset", func(c *net.TCPConn, r *bufio.Reader) { readHead(r); c.SetLinger(0) }, event.FlagUR | event.FlagUC},
		{"closed", "5xx", "5xx", func(c *net.TCPConn, r *bufio.Reader) { readHead(r) }, event.FlagUC},
		{"in the head", "gateway-error", "gateway-error", func(c *net.TCPConn, r *bufio.Reader) { readHead(r); io.WriteString(c, "HTTP/1.1 200 OK\r\nA: ") }, event.FlagUC},
		{"nonsense", "reset", "reset", func(c *net.TCPConn, r *bufio.Reader) { readHead(r); io.WriteString(c, "HTTP/1.1 200 OK\r\n: \r\n\r\n") }, event.FlagUPE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int64
			p := start(t, raw(t, func(c *net.TCPConn, r *bufio.Reader) {
				if n.Add(1) == 1 {
					tt.first(c, r)
					return
				}
				readHead(r)
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
			}), 1, retries(t, tt.on))
			a, err := p.client(1).Post(p.url("/"), "text/plain", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			if b := body(t, a); b != "fine" {
				t.Errorf("%s %q", a.Status, b)
			}
			x, tries := p.tried(2)
			if x.Flags != 0 || tries[0].Flags&tt.flags == 0 || tries[1].Retried != tt.reason || tries[0].Decode&event.NoResponse == 0 {
				t.Errorf("spans %s\n%s", tries[0].AppendJSON(nil), tries[1].AppendJSON(nil))
			}
		})
	}
}

// A request may have been acted on: it is not sent again by default.
func TestNotRetriedByDefault(t *testing.T) {
	p := start(t, raw(t, func(c *net.TCPConn, r *bufio.Reader) { readHead(r) }), 1,
		func(_ *relay.Options, r *hop.Route) {
			d := config.DefaultRetry()
			r.Retry, _ = retry.New(&d, route.MatchField)
		})
	a, err := p.client(1).Post(p.url("/"), "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	body(t, a)
	if x, _ := p.tried(1); a.StatusCode != 503 || x.Flags != event.FlagUC {
		t.Errorf("%s %s", a.Status, x.AppendJSON(nil))
	}
}

// A host that cannot be reached is waited for where there is no other.
func TestConnectFailure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	t.Run("another host", func(t *testing.T) {
		p := start(t, dead, 1, retries(t, ""), among(t, dead, origin(t, flaky(0))))
		for range 4 {
			a, err := p.client(1).Get(p.url("/"))
			if err != nil {
				t.Fatal(err)
			}
			if body(t, a); a.StatusCode != 200 {
				t.Error(a.Status)
			}
		}
		two := p.spans.find(t, func(x *event.Exchange) bool { return x.Attempt == 1 && x.Kind == event.Client })
		if two.Retried != "no connection" || p.stat("upstream_rq_retry") != 0 {
			t.Errorf("span %s", two.AppendJSON(nil))
		}
	})
	t.Run("all dead", func(t *testing.T) {
		p := start(t, dead, 1, retries(t, "connect-failure", func(c *config.Retry) { c.Most = 2 }))
		a, err := p.client(1).Get(p.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		body(t, a)
		x, tries := p.tried(3)
		if a.StatusCode != 503 || x.Flags != event.FlagUF|event.FlagURX || tries[2].Retried != "connect-failure" {
			t.Errorf("%s %s", a.Status, x.AppendJSON(nil))
		}
	})
}

// Hosts that were tried are not tried again while there are others, nor those
// that the policy does not want.
func TestHostPredicates(t *testing.T) {
	bad := origin(t, flaky(1000))
	good := origin(t, flaky(0))
	canary := origin(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) })
	c := upstream.New(upstream.Options{Name: "origin", Endpoints: []upstream.Endpoint{
		{Address: bad}, {Address: canary, Metadata: map[string]string{"canary": "true"}}, {Address: good}}})
	t.Cleanup(c.Close)
	p := start(t, bad, 1, retries(t, "5xx", func(c *config.Retry) {
		c.HostPredicates, c.HostAttempts = []string{config.PreviousHosts, config.OmitCanaryHosts}, 5
	}), func(_ *relay.Options, r *hop.Route) { r.Cluster = c })
	client := p.client(1)
	canaries := 0
	for i := range 9 {
		a, err := client.Get(p.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		body(t, a)
		switch a.StatusCode {
		case 418:
			canaries++
		case 503:
			t.Errorf("request %d: %s", i, a.Status)
		}
	}
	if canaries != 3 { // those that were for it from the start
		t.Errorf("%d requests went to the canary", canaries)
	}
	p.quiet()
}

// A trusted caller says by fields how its request is sent again; they go no
// further, whoever sent them.
func TestCallersSay(t *testing.T) {
	for _, trust := range []bool{true, false} {
		var n atomic.Int64
		p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
			for name := range r.Header {
				if strings.HasPrefix(name, "X-Envoy-") {
					t.Errorf("%s is passed on", name)
				}
			}
			if n.Add(1) <= 3 {
				w.WriteHeader(503)
			}
		}), 1, retries(t, ""), func(o *relay.Options, _ *hop.Route) { o.Trust = trust })
		r, _ := http.NewRequest("GET", p.url("/"), nil)
		r.Header.Set("X-Envoy-Max-Retries", "3")
		r.Header.Set("X-Envoy-Retry-On", "gateway-error")
		a, err := p.client(1).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if body(t, a); (a.StatusCode == 200) != trust {
			t.Errorf("trusted %t: %s", trust, a.Status)
		}
	}
}
