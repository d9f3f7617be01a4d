package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// slow is an HTTP server whose answers wait to be let go, and how many requests
// it has had at once.
type slow struct {
	*httptest.Server
	asked     chan struct{}
	let       chan struct{}
	now, most atomic.Int64
}

func newSlow(t *testing.T, http2 bool) *slow {
	s := &slow{asked: make(chan struct{}, 1024), let: make(chan struct{}, 1024)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.now.Add(1)
		defer s.now.Add(-1)
		for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
		}
		s.asked <- struct{}{}
		select {
		case <-s.let:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "done")
	}))
	if http2 {
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *slow) address() string { return strings.TrimPrefix(s.URL, "http://") }

func stat(t *testing.T, c *upstream.Cluster, name string) uint64 {
	t.Helper()
	for _, s := range c.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("in vain: " + what)
		}
	}
}

// clientOf speaks HTTP/1.1, a connection for each request, or HTTP/2.
func clientOf(t *testing.T, http2 bool) *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(!http2)
	tr.Protocols.SetUnencryptedHTTP2(http2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: patience}
}

// In both engines, and with HTTP/2 to the upstream: what is more than the
// upstream may have waits in line, as long as the line is; what comes then is
// refused at once. Everything that waited is answered.
func TestConnectionLimitQueuesAndRefuses(t *testing.T) {
	for _, c := range []struct {
		name         string
		client, host bool // speak HTTP/2
	}{
		{"HTTP/1.1", false, false},
		{"the engine, HTTP/1.1 to the upstream", true, false},
		{"HTTP/2 both ways", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newSlow(t, c.host)
			per := 1 // requests at once
			if c.host {
				per = 100
			}
			r := run(t, func(cfg *config.Config) {
				cfg.Listeners[0].Protocol = config.HTTP
				cl := &cfg.Clusters[0]
				cl.CircuitBreakers = &config.CircuitBreakers{Default: config.Breaker{MaxConnections: 1, MaxPending: 2, MaxRequests: 1000}}
				if c.host {
					cl.Protocol = config.HTTP2
				}
			}, o.address())
			cluster := r.clusters["main"].Cluster
			client := clientOf(t, c.client)
			ask := func() (*http.Response, error) {
				resp, err := client.Get("http://" + r.Addr("main").String() + "/")
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				return resp, err
			}
			var all sync.WaitGroup
			in := func(n int) {
				for range n {
					all.Go(func() {
						if resp, err := ask(); err != nil || resp.StatusCode != 200 {
							t.Errorf("%v, %v", resp, err)
						}
					})
				}
			}
			in(1)
			<-o.asked
			in(per - 1)
			for range per - 1 {
				<-o.asked
			}
			in(2)
			await(t, "two wait", func() bool { return stat(t, cluster, "upstream_rq_pending_active") == 2 })
			resp, err := ask()
			if err != nil || resp.StatusCode != 503 || resp.Header.Get("x-envoy-overloaded") != "true" {
				t.Errorf("one more: %v, %v", resp, err)
			}
			if x := r.next(); x.Flags != event.FlagUO || stat(t, cluster, "upstream_rq_pending_overflow") != 1 || x.Kind != event.Client && x.Kind != event.Server {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
			for range per + 2 {
				o.let <- struct{}{}
			}
			all.Wait()
			if n := stat(t, cluster, "upstream_cx_total"); n != 1 || o.most.Load() != int64(per) {
				t.Errorf("%d connections, %d requests at once", n, o.most.Load())
			}
			await(t, "nothing is left counted", func() bool {
				requests, pending := cluster.UnderWay(false)
				return requests == 0 && pending == 0
			})
		})
	}
}

// A client that leaves the line gives its place up, and a request whose time is
// over is answered so.
func TestWaitingInLineEndsEarly(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("HTTP/2 ", http2), func(t *testing.T) {
			o := newSlow(t, false)
			r := run(t, func(cfg *config.Config) {
				cfg.Listeners[0].Protocol = config.HTTP
				cfg.Listeners[0].Timeouts.Route = 2 * time.Second
				cfg.Clusters[0].CircuitBreakers = &config.CircuitBreakers{Default: config.Breaker{MaxConnections: 1, MaxPending: 9, MaxRequests: 9}}
			}, o.address())
			cluster := r.clusters["main"].Cluster
			first, late, gone := clientOf(t, http2), clientOf(t, http2), clientOf(t, http2)
			url := "http://" + r.Addr("main").String() + "/"
			status := make(chan int, 2)
			get := func(c *http.Client) {
				if resp, err := c.Get(url); err != nil {
					t.Error(err)
					status <- 0
				} else {
					_ = resp.Body.Close()
					status <- resp.StatusCode
				}
			}
			go get(first)
			<-o.asked
			ctx, leave := context.WithCancel(t.Context())
			q, err := http.NewRequestWithContext(ctx, "GET", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			left := make(chan error, 1)
			go func() {
				_, err := gone.Do(q)
				left <- err
			}()
			await(t, "it waits", func() bool { return stat(t, cluster, "upstream_rq_pending_active") == 1 })
			leave()
			if err := <-left; err == nil {
				t.Error("it was answered")
			}
			await(t, "who has gone waits no more", func() bool {
				return stat(t, cluster, "upstream_rq_pending_total") == 1 && stat(t, cluster, "upstream_rq_pending_active") == 0
			})
			began := time.Now()
			go get(late)
			for range 2 {
				if s := <-status; s != 504 {
					t.Errorf("status %d, want 504", s)
				}
			}
			if d := time.Since(began); d > patience/2 {
				t.Errorf("it took %v", d)
			}
			close(o.let)
		})
	}
}

// More requests than may be under way are refused, by priority of their route.
func TestRequestLimitOfEachPriority(t *testing.T) {
	o := newSlow(t, false)
	r := run(t, func(cfg *config.Config) {
		l := &cfg.Listeners[0]
		l.Protocol = config.HTTP
		l.Routes = []config.Route{{Name: "vip", Match: config.Match{Prefix: "/vip"}, Cluster: "main", Priority: config.PriorityHigh, Timeout: patience}}
		b := config.Breaker{MaxConnections: 9, MaxRequests: 1}
		cfg.Clusters[0].CircuitBreakers = &config.CircuitBreakers{Default: b, High: b}
	}, o.address())
	client := clientOf(t, false)
	url := "http://" + r.Addr("main").String()
	var all sync.WaitGroup
	ask := func(path string) int {
		resp, err := client.Get(url + path)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for _, path := range []string{"/", "/vip"} {
		all.Go(func() {
			if got := ask(path); got != 200 {
				t.Errorf("%s: %d", path, got)
			}
		})
		<-o.asked
		if got := ask(path); got != 503 {
			t.Errorf("a second %s: %d", path, got)
		}
	}
	c := r.clusters["main"].Cluster
	if stat(t, c, "circuit_breakers.default.rq_open") != 1 || stat(t, c, "circuit_breakers.high.rq_open") != 1 {
		t.Errorf("%v", c.Stats())
	}
	o.let <- struct{}{}
	o.let <- struct{}{}
	all.Wait()
}

// A connection that is forwarded as it is does not wait: it is reset.
func TestConnectionLimitResetsTCP(t *testing.T) {
	r := run(t, func(cfg *config.Config) {
		cfg.Clusters[0].CircuitBreakers = &config.CircuitBreakers{Default: config.Breaker{MaxConnections: 1}}
	}, serve(t, echo))
	one := r.dial()
	say(t, one, "ping")
	hear(t, one, "ping")
	if err := r.turnedAway(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v; want a reset", err)
	}
	if x := r.next(); x.Flags != event.FlagUO || x.ErrorType != "overflow" {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
	if n := stat(t, r.clusters["main"].Cluster, "upstream_cx_overflow"); n != 1 {
		t.Errorf("%d counted", n)
	}
	one.Close()
	await(t, "the place is free", func() bool { return r.clusters["main"].Open() == 0 })
	next := r.dial()
	say(t, next, "pong")
	hear(t, next, "pong")
}
