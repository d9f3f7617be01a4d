package relay_test

import (
	"context"
	"fmt"
	"io"
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
	"github.com/pitot-io/pitot/proxy/upstream"
)

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
