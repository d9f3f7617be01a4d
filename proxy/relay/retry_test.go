package relay_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/retry"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// retries is a policy on these conditions.
func retries(t testing.TB, on string, change ...func(*config.Retry)) func(*relay.Options, *hop.Route) {
	c := config.DefaultRetry()
	c.On, c.BackOff = strings.Fields(on), config.RetryBackOff{Base: time.Millisecond, Max: 10 * time.Millisecond}
	for _, f := range change {
		f(&c)
	}
	p, err := retry.New(&c, route.MatchField)
	if err != nil {
		t.Fatal(err)
	}
	return func(_ *relay.Options, r *hop.Route) { r.Retry = p }
}

// among has the requests go to several hosts.
func among(t testing.TB, hosts ...string) func(*relay.Options, *hop.Route) {
	c := upstream.New(upstream.Options{Name: "origin", Endpoints: upstream.Addresses(hosts...)})
	t.Cleanup(c.Close)
	return func(_ *relay.Options, r *hop.Route) { r.Cluster = c }
}

// tried waits for the exchange's span, and gives those of its n tries in order.
func (p *proxy) tried(n int) (x *event.Exchange, tries []*event.Exchange) {
	p.t.Helper()
	t := p.t.(*testing.T)
	x = p.spans.find(t, ofKind(event.Server))
	for i := range n {
		tries = append(tries, p.spans.find(t, func(a *event.Exchange) bool {
			return a.Kind == event.Client && a.ParentID == x.SpanID && int(a.Attempt) == i
		}))
	}
	p.spans.mu.Lock()
	defer p.spans.mu.Unlock()
	all := 0
	for i := range p.spans.batch.Exchanges {
		if a := &p.spans.batch.Exchanges[i]; a.Kind == event.Client && a.ParentID == x.SpanID {
			all++
		}
	}
	if all != n || int(x.Attempt) != n-1 {
		t.Errorf("%d tries were told, and %d counted; want %d", all, x.Attempt+1, n)
	}
	return x, tries
}

func (p *proxy) stat(name string) uint64 {
	for _, s := range p.route.Cluster.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	p.t.Fatalf("no number %s", name)
	return 0
}

// quiet waits until nothing is counted active any more.
func (p *proxy) quiet() {
	p.t.Helper()
	for limit := time.Now().Add(patience); p.stat("upstream_rq_active") != 0 || p.stat("upstream_rq_retry_active") != 0; {
		if time.Now().After(limit) {
			p.t.Fatal("something is counted active still")
		}
		time.Sleep(time.Millisecond)
	}
}

// flaky answers 503 so many times, then with what it got.
func flaky(failures int) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if n.Add(1) <= int64(failures) {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("X-Trailer", r.Trailer.Get("X-Sum"))
		fmt.Fprintf(w, "%d %x", len(b), sum(b))
	}
}

func sum(b []byte) (n uint32) {
	for _, c := range b {
		n = n*31 + uint32(c)
	}
	return n
}

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

// slow is a body that comes in steps.
type slow struct {
	data []byte
	step int
}

func (s *slow) Read(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.data[:min(s.step, len(s.data))])
	s.data = s.data[n:]
	return n, nil
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

func readHead(r *bufio.Reader) (lines []string) {
	for {
		s, err := r.ReadString('\n')
		if err != nil || s == "\r\n" {
			return lines
		}
		lines = append(lines, strings.TrimSpace(s))
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

// A try that takes too long is given up for another.
func TestPerTryTimeout(t *testing.T) {
	const perTry = 200 * time.Millisecond // on a busy machine others may take longer, too
	versions(t, func(t *testing.T, client, upstream int) {
		t.Parallel()
		var arrived, gone atomic.Int64
		p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if firstTry(r) {
				arrived.Add(1)
				<-r.Context().Done()
				gone.Add(1)
				return
			}
			fmt.Fprint(w, r.Header.Get("x-envoy-attempt-count"), r.Header.Get("x-envoy-is-timeout-retry"))
		}), upstream, retries(t, "5xx", func(c *config.Retry) {
			c.PerTry, c.Most, c.AttemptCount, c.TimeoutRetry = perTry, 20, true, true
		}))
		a, err := p.client(client).Post(p.url("/"), "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		b := body(t, a)
		eventually(t, "cancelled", func() bool { return gone.Load() == arrived.Load() })
		x := p.spans.find(t, ofKind(event.Server))
		_, tries := p.tried(int(x.Attempt) + 1)
		if b != fmt.Sprint(len(tries), "true") || len(tries) < 2 {
			t.Errorf("%s %q after %d tries", a.Status, b, len(tries))
		}
		if d := time.Duration(tries[0].Duration()); tries[0].Flags != event.FlagUT || tries[0].StatusMessage != "upstream_per_try_timeout" || d < perTry || d > patience/2 ||
			tries[1].Retried != "5xx" {
			t.Errorf("spans %s\n%s", tries[0].AppendJSON(nil), tries[1].AppendJSON(nil))
		}
		if p.stat("upstream_rq_per_try_timeout") != uint64(x.Attempt) {
			t.Error("it was not counted")
		}
	})
}

// The same for one of which nothing comes.
func TestPerTryIdleTimeout(t *testing.T) {
	stuck := origin(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := start(t, stuck, 2, retries(t, "reset", func(c *config.Retry) { c.PerTryIdle, c.Most = 30*time.Millisecond, 1 }))
	a, err := p.client(2).Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	body(t, a)
	if x, _ := p.tried(2); a.StatusCode != 504 || x.Flags != event.FlagSI|event.FlagURX || x.StatusMessage != "upstream_per_try_idle_timeout" {
		t.Errorf("%s %s", a.Status, x.AppendJSON(nil))
	}
}

// The route's timeout covers all tries and what is waited between them.
func TestRouteTimeoutCoversRetries(t *testing.T) {
	t.Parallel()
	const limit = 400 * time.Millisecond
	p := start(t, origin(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), 1,
		retries(t, "5xx", func(c *config.Retry) { c.PerTry, c.Most = 50*time.Millisecond, 100 }),
		func(_ *relay.Options, r *hop.Route) { r.Timeout = limit })
	began := time.Now()
	a, err := p.client(1).Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	body(t, a)
	x := p.spans.find(t, ofKind(event.Server))
	if d := time.Since(began); a.StatusCode != 504 || x.Flags&event.FlagUT == 0 || d < limit*9/10 || d > patience/2 || x.Attempt < 1 {
		t.Errorf("%s after %v: %s", a.Status, d, x.AppendJSON(nil))
	}
}

// An answer may ask for time; when that is more than there is, it is the answer.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	h := func(after string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) == 1 {
				w.Header().Set("Retry-After", after)
				w.WriteHeader(429)
			}
		}
	}
	policy := retries(t, "retriable-status-codes", func(c *config.Retry) { c.StatusCodes = []int{429} })
	p := start(t, origin(t, h("1")), 1, policy)
	began := time.Now()
	a, err := p.client(1).Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	body(t, a)
	if d := time.Since(began); a.StatusCode != 200 || d < time.Second || d > patience || p.stat("upstream_rq_retry_backoff_ratelimited") != 1 {
		t.Errorf("%s after %v", a.Status, d)
	}
	n.Store(0)
	p = start(t, origin(t, h("60")), 1, policy)
	if a, err = p.client(1).Get(p.url("/")); err != nil {
		t.Fatal(err)
	}
	body(t, a)
	if x, _ := p.tried(1); a.StatusCode != 429 || x.Retried != "not retried: the wait is longer than the timeout" {
		t.Errorf("%s %s", a.Status, x.AppendJSON(nil))
	}
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

// A client that leaves ends the wait before a retry; so does the proxy's end.
func TestGivenUpInBackOff(t *testing.T) {
	versions(t, func(t *testing.T, client, upstream int) {
		for _, drain := range []bool{false, true} {
			asked := make(chan bool, 4)
			p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "5")
				w.WriteHeader(503)
				asked <- true
			}), upstream, retries(t, "5xx"))
			ctx, cancel := context.WithCancel(context.Background())
			r, _ := http.NewRequestWithContext(ctx, "GET", p.url("/"), nil)
			over := make(chan error, 1)
			c := p.client(client)
			go func() {
				a, err := c.Do(r)
				if err == nil {
					a.Body.Close()
				}
				over <- err
			}()
			<-asked
			for p.stat("upstream_rq_retry_active") == 0 { // the answer may be on its way
				time.Sleep(time.Millisecond)
			}
			want := event.FlagDC
			if drain {
				p.engine.Drain() // lets it end
				p.engine.Close()
				want = event.FlagLR
			} else {
				cancel()
			}
			<-over
			cancel()
			if x, _ := p.tried(1); x.Flags != want || time.Duration(x.Duration()) > 4*time.Second {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
			p.quiet()
		}
	})
}

// Exchanges under way end in order while the proxy drains, their retries among
// them.
func TestRetryWhileDraining(t *testing.T) {
	first, begun := make(chan bool), make(chan bool)
	var n atomic.Int64
	p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			begun <- true
			<-first
			w.WriteHeader(503)
		}
	}), 1, retries(t, "5xx"))
	over := make(chan int, 1)
	c := p.client(1)
	go func() {
		a, err := c.Get(p.url("/"))
		if err != nil {
			over <- 0
			return
		}
		a.Body.Close()
		over <- a.StatusCode
	}()
	<-begun
	p.engine.Drain()
	close(first)
	if got := <-over; got != 200 {
		t.Errorf("status %d", got)
	}
}

// However many retries are wanted at once, no more are made than the budget
// allows; what is refused is told once.
// An exchange counts as under way for a moment longer than its client waits, so
// 5 % of those of ten clients are less than three at any time.
func TestBudget(t *testing.T) {
	var now, most, total atomic.Int64
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if n, _ := strconv.Atoi(r.Header.Get("x-envoy-attempt-count")); n > 1 {
			most.Store(max(most.Load(), now.Add(1))) // too small at worst
			defer now.Add(-1)
			total.Add(1)
			time.Sleep(5 * time.Millisecond) // so that they meet
		}
		w.WriteHeader(503)
	})
	var mu sync.Mutex
	var notices []string
	c := upstream.New(upstream.Options{Name: "origin", Endpoints: upstream.Addresses(o), Budget: &upstream.Budget{Percent: 5, Min: 3},
		Tell: func(n *event.Notice) { mu.Lock(); notices = append(notices, n.Name); mu.Unlock() }})
	t.Cleanup(c.Close)
	p := start(t, o, 2, retries(t, "5xx", func(c *config.Retry) { c.Most, c.AttemptCount = 3, true }), func(_ *relay.Options, r *hop.Route) { r.Cluster = c })
	client := p.client(2)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 30 {
				a, err := client.Get(p.url("/"))
				if err != nil {
					t.Error(err)
					return
				}
				a.Body.Close()
			}
		})
	}
	all.Wait()
	if most.Load() > 3 || total.Load() == 0 || p.stat("upstream_rq_retry_overflow") == 0 || uint64(total.Load()) != p.stat("upstream_rq_retry") {
		t.Errorf("%d retries at once, %d in all, %d refused", most.Load(), total.Load(), p.stat("upstream_rq_retry_overflow"))
	}
	p.spans.find(t, func(x *event.Exchange) bool {
		return x.Flags == event.FlagUO && x.Retried == "not retried: the cluster has as many retries under way as it may"
	})
	if mu.Lock(); len(notices) != 1 || notices[0] != event.EventRetriesOver {
		t.Errorf("told %q", notices)
	}
	mu.Unlock()
}
