package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/testca"
)

// limiter is a rate limit service that says the same to everybody.
type limiter struct {
	rls.UnimplementedRateLimitServiceServer
	code  rls.RateLimitResponse_Code
	asked atomic.Int64

	judge atomic.Pointer[func(context.Context, *rls.RateLimitRequest) rls.RateLimitResponse_Code] // where it does not
}

func (l *limiter) ShouldRateLimit(ctx context.Context, r *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
	l.asked.Add(1)
	if f := l.judge.Load(); f != nil {
		return &rls.RateLimitResponse{OverallCode: (*f)(ctx, r)}, nil
	}
	return &rls.RateLimitResponse{OverallCode: l.code}, nil
}

func serveLimiter(t *testing.T, code rls.RateLimitResponse_Code, o ...grpc.ServerOption) (*limiter, string) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, s := &limiter{code: code}, grpc.NewServer(o...)
	rls.RegisterRateLimitServiceServer(s, l)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(socket) })
	t.Cleanup(func() { s.Stop(); serving.Wait() })
	return l, socket.Addr().String()
}

// globally limits a listener by a service; more are further lines of the file.
func globally(t *testing.T, service, more string) func(*config.Config) {
	return func(c *config.Config) {
		t.Helper()
		parsed, err := config.Parse("f", []byte(fmt.Sprintf(`
listeners:
- {name: main, address: "127.0.0.1:0", protocol: http, cluster: main, rate_limits: [{name: clients, global: true, actions: [{remote_address: {}}]}]}
clusters:
- {name: main, endpoints: ["h:1"]}
%s
rate_limit_service: %s
`, more, service)))
		if err != nil {
			t.Fatal(err)
		}
		c.Listeners, c.RateLimitService = parsed.Listeners, parsed.RateLimitService
		c.Clusters = append(c.Clusters, parsed.Clusters[1:]...)
	}
}

// The service is spoken to in TLS, as clusters are.
func TestRateLimitServiceOverTLS(t *testing.T) {
	ca := testca.New(t)
	pair := ca.Issue("limiter", testca.Year(), "limiter.internal")
	own, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, address := serveLimiter(t, rls.RateLimitResponse_OVER_LIMIT, grpc.Creds(credentials.NewServerTLSFromCert(&own)))
	for name, want := range map[string]int{"limiter.internal": 429, "other.internal": 500} {
		t.Run(name, func(t *testing.T) {
			r := run(t, globally(t, fmt.Sprintf("{address: %q, domain: web, timeout: 5s, failure_mode_deny: true, tls: {ca: %q, sni: %s}}", address, ca.File, name), ""), origin(t, "shop"))
			if status, body := fetch(t, r, "/"); status != want {
				t.Errorf("%d %s, want %d", status, body, want)
			}
		})
	}
	if l.asked.Load() != 1 {
		t.Errorf("asked %d times", l.asked.Load())
	}
}

// A new configuration has another service asked, be it another address or that
// of the cluster; and none, where it names none.
func TestRateLimitServiceChangesUnderReload(t *testing.T) {
	no, strict := serveLimiter(t, rls.RateLimitResponse_OVER_LIMIT)
	_, mild := serveLimiter(t, rls.RateLimitResponse_OK)
	shop := origin(t, "shop")
	cluster := func(address string) string {
		return fmt.Sprintf("- {name: rls, protocol: http2, endpoints: [%q]}", address)
	}
	const named = "{cluster: rls, domain: web, timeout: 5s}"
	r := run(t, globally(t, fmt.Sprintf("{address: %q, domain: web, timeout: 5s}", strict), ""), shop)
	expect := func(what string, want int) {
		t.Helper()
		status, body := fetch(t, r, "/")
		for late := time.Now().Add(patience); status != want && time.Now().Before(late); { // a connection may just be breaking
			status, body = fetch(t, r, "/")
		}
		if status != want {
			t.Errorf("%s: %d %s, want %d", what, status, body, want)
		}
	}
	reload := func(change func(*config.Config)) {
		t.Helper()
		cfg := config.FromFlags("127.0.0.1:0", shop)
		cfg.Admin.Address = config.None
		change(cfg)
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := r.Reload(cfg); err != nil {
			t.Fatal(err)
		}
	}
	expect("at first", 429)
	reload(globally(t, fmt.Sprintf("{address: %q, domain: web, timeout: 5s}", mild), ""))
	expect("another address", 200)
	reload(globally(t, named, cluster(mild)))
	expect("a cluster", 200)
	reload(globally(t, named, cluster(strict)))
	expect("another cluster of that name", 429)
	asked := no.asked.Load()
	reload(func(c *config.Config) { configured(t, "max_via: 3")(c) })
	expect("no limit", 200)
	if asked != no.asked.Load() || r.limits.ServiceStats() != nil {
		t.Error("the service is still asked")
	}
}

// What cannot be used changes nothing.
func TestRateLimitServiceThatCannotBeUsed(t *testing.T) {
	_, strict := serveLimiter(t, rls.RateLimitResponse_OVER_LIMIT)
	shop := origin(t, "shop")
	r := run(t, globally(t, fmt.Sprintf("{address: %q, domain: web, timeout: 5s}", strict), ""), shop)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.FromFlags("127.0.0.1:0", shop)
	cfg.Admin.Address = config.None
	globally(t, fmt.Sprintf("{address: %q, domain: web, tls: {ca: %q}}", strict, file), "")(cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(cfg); err == nil || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("%v", err)
	}
	if status, _ := fetch(t, r, "/"); status != 429 {
		t.Errorf("%d after a reload that failed", status)
	}
}

// Nobody waits for the service where a wait could not be ended: in the short way.
func TestGlobalLimitsAreTheEnginesOwn(t *testing.T) {
	c := config.FromFlags("127.0.0.1:0", "127.0.0.1:1")
	configured(t, perClient)(c)
	if engaged(&c.Listeners[0], nil) {
		t.Error("buckets need the engine")
	}
	globally(t, `{address: "127.0.0.1:1", domain: web}`, "")(c)
	if !engaged(&c.Listeners[0], nil) {
		t.Error("a global limit does not need the engine")
	}
	l := &c.Listeners[0]
	l.Routes, l.RateLimits = []config.Route{{RateLimits: l.RateLimits}}, nil
	if !engaged(l, nil) {
		t.Error("that of a route does not need the engine")
	}
}
