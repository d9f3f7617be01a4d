package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/pitot-io/pitot/internal/minimongo"
)

// limitedProxy is pitot in front of an origin, asking the service.
func limitedProxy(t *testing.T, l *limiter) *program {
	t.Helper()
	return start(t, fmt.Sprintf(`
listeners:
- name: web
  address: 127.0.0.1:0
  protocol: http
  cluster: origin
  routes:
  - name: rpc
    match: {grpc: "*"}
    cluster: rpc
    rate_limits: [{global: true, actions: [{grpc_method: {}}]}]
  - name: batch
    match: {prefix: /batch}
    cluster: origin
    rate_limits: [{name: batch, global: true, hits_addend: 4, headers: true, actions: [{generic_key: {descriptor_key: plan, descriptor_value: batch}}, {"remote_address": {}}]}]
  - name: quiet
    match: {prefix: /quiet}
    cluster: origin
    rate_limits: [{name: quiet, global: true, enforce: false, actions: [{request_headers: {header_name: x-who, descriptor_key: quiet}}]}]
  rate_limits:
  - {name: tenants, global: true, actions: [{request_headers: {header_name: x-tenant, descriptor_key: tenant}}]}
clusters:
- {name: origin, endpoints: [%q]}
- {name: rpc, protocol: http2, endpoints: [%q]}
- {name: limiter, protocol: http2, endpoints: [%q]}
rate_limit_service: {cluster: limiter, domain: web, timeout: 2s}
admin: {address: "127.0.0.1:0"}
`, origin(t), healthy(t), l.address), "--json")
}

// healthy is a server of gRPC.
func healthy(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	healthv1.RegisterHealthServer(s, health.NewServer())
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { s.Stop(); serving.Wait() })
	return l.Addr().String()
}

// curl asks for a path, with fields, and gives the status and the head.
func curl(t *testing.T, p *program, path string, fields ...string) (status string, head string) {
	t.Helper()
	args := []string{"-s", "-o", os.DevNull, "-D", "-", "--max-time", "20", "http://" + p.at("web") + path}
	for _, f := range fields {
		args = append(args, "-H", f)
	}
	out, err := exec.Command("curl", args...).Output()
	if err != nil {
		t.Fatalf("curl %s: %v", path, err)
	}
	head = strings.ToLower(string(out))
	words := strings.Fields(head)
	if len(words) < 2 {
		t.Fatalf("curl %s: %q", path, head)
	}
	return words[1], head
}

// wants asks again and again, and compares statuses.
func wants(t *testing.T, p *program, path, field string, statuses ...string) {
	t.Helper()
	var got []string
	for range statuses {
		s, _ := curl(t, p, path, field)
		got = append(got, s)
	}
	if fmt.Sprint(got) != fmt.Sprint(statuses) {
		t.Errorf("%s with %q: %v, want %v", path, field, got, statuses)
	}
}

// stat is a number of /stats; -1 when there is none.
func stat(t *testing.T, p *program, name string) (value int) {
	t.Helper()
	a, err := http.Get("http://" + p.at("admin") + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+": "); ok {
			_, _ = fmt.Sscan(rest, &value)
			return value
		}
	}
	return -1
}

func TestRealRateLimitServiceCountsDescriptors(t *testing.T) {
	p := limitedProxy(t, newLimiter(t))
	wants(t, p, "/", "x-tenant: acme", "200", "200", "429", "429")
	wants(t, p, "/", "x-tenant: other", "200", "200", "429")
	wants(t, p, "/", "x-tenant: gold", "200", "200", "200", "200", "200", "429")
	wants(t, p, "/", "x-tenant: shadow", "200", "200", "200") // the service's own shadow mode
	wants(t, p, "/", "x-other: acme", "200", "200", "200")    // no descriptor
	wants(t, p, "/quiet", "x-who: me", "200", "200", "200")   // pitot's shadow mode
	status, head := curl(t, p, "/", "x-tenant: acme")
	if status != "429" || !strings.Contains(head, "x-envoy-ratelimited: true") {
		t.Errorf("%s", head)
	}
	for i, want := range []string{"200 6", "200 2", "429 0"} { // 4 hits each, of 10
		status, head := curl(t, p, "/batch/1")
		if got := fmt.Sprintf("%s %s", status, field(head, "x-ratelimit-remaining")); got != want {
			t.Errorf("batch %d: %s, want %s", i, got, want)
		}
		if limit := field(head, "x-ratelimit-limit"); limit != "10, 10;w=86400" || field(head, "x-ratelimit-reset") == "" {
			t.Errorf("batch %d: %s", i, head)
		}
	}
	for name, want := range map[string]int{
		"rate_limit.tenants.enforced": 5, "rate_limit.tenants.ok": 2 + 2 + 5 + 3, "rate_limit.quiet.rate_limited": 2, "rate_limit.quiet.enforced": 0,
		"rate_limit_service.error": 0, "rate_limit_service.away": 0, "cluster.limiter.upstream_cx_total": 1,
	} {
		if got := stat(t, p, name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	p.stop()
	for _, want := range []string{"would refuse requests of quiet=me", "refuses requests of tenant=acme", "refuses requests of tenant=acme no more, after 3"} {
		if n := strings.Count(p.output(), want+`"`); n != 1 {
			t.Errorf("%q was told %d times", want, n)
		}
	}
}

func field(head, name string) string {
	for line := range strings.Lines(head) {
		if v, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// A call beyond the limit ends in gRPC's words.
func TestRealRateLimitServiceAndGRPC(t *testing.T) {
	p := limitedProxy(t, newLimiter(t))
	c, err := grpc.NewClient(p.at("web"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i, want := range []codes.Code{codes.OK, codes.ResourceExhausted, codes.ResourceExhausted} {
		_, err := healthv1.NewHealthClient(c).Check(ctx, &healthv1.HealthCheckRequest{})
		if status.Code(err) != want || want != codes.OK && status.Convert(err).Message() != "request_rate_limited" {
			t.Errorf("call %d: %v, want %v", i, err, want)
		}
	}
}

// A service that is killed holds nobody up, and is asked again when it is back.
func TestRealRateLimitServiceGoesAndComesBack(t *testing.T) {
	l := newLimiter(t)
	p := limitedProxy(t, l)
	wants(t, p, "/", "x-tenant: acme", "200", "200", "429")
	l.stop()
	began := time.Now()
	for range 30 {
		wants(t, p, "/", "x-tenant: acme", "200")
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("30 requests took %v while the service was away", d)
	}
	if away, allowed := stat(t, p, "rate_limit_service.away"), stat(t, p, "rate_limit_service.failure_mode_allowed"); away != 1 || allowed != 30 {
		t.Errorf("away is %d, %d went on", away, allowed)
	}
	l.begin(t) // Redis has kept the count
	eventually(t, "the limit is in force again", func() bool { s, _ := curl(t, p, "/", "x-tenant: acme"); return s == "429" })
	if away := stat(t, p, "rate_limit_service.away"); away != 0 {
		t.Errorf("away is %d", away)
	}
}

// Limits that pitot counts itself, as curl and a client of gRPC meet them.
func TestLocalRateLimits(t *testing.T) {
	p := start(t, fmt.Sprintf(`
listeners:
- name: web
  address: 127.0.0.1:0
  protocol: http
  cluster: origin
  routes:
  - name: rpc
    match: {grpc: "*"}
    cluster: rpc
    rate_limits: [{name: calls, actions: [{grpc_method: {}}], token_bucket: {max_tokens: 1, fill_interval: 1h}, rate_limited_as_resource_exhausted: false}]
    ignore_listener_rate_limits: true
  rate_limits:
  - {name: clients, headers: true, actions: [{"remote_address": {}}, {request_headers: {header_name: x-tenant, skip_if_absent: true}}], token_bucket: {max_tokens: 2, fill_interval: 1h}}
clusters:
- {name: origin, endpoints: [%q]}
- {name: rpc, protocol: http2, endpoints: [%q]}
admin: {address: "127.0.0.1:0"}
`, origin(t), healthy(t)), "--json")
	wants(t, p, "/", "x-tenant: a", "200", "200", "429", "429")
	wants(t, p, "/", "x-tenant: b", "200", "200", "429")
	if _, head := curl(t, p, "/"); field(head, "x-ratelimit-remaining") != "1" || field(head, "x-ratelimit-limit") != "2" {
		t.Errorf("%s", head)
	}
	c, err := grpc.NewClient(p.at("web"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i, want := range []codes.Code{codes.OK, codes.Unavailable} {
		if _, err := healthv1.NewHealthClient(c).Check(ctx, &healthv1.HealthCheckRequest{}); status.Code(err) != want {
			t.Errorf("call %d: %v, want %v", i, err, want)
		}
	}
	for name, want := range map[string]int{"rate_limit.clients.enabled": 8, "rate_limit.clients.enforced": 3, "rate_limit.clients.keys": 3, "rate_limit.calls.enforced": 1} {
		if got := stat(t, p, name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	p.stop()
	if n := strings.Count(p.output(), `"response_flags":"RL"`); n != 4 {
		t.Errorf("%d spans tell of a limit", n)
	}
	if n := strings.Count(p.output(), `"pitot.phase":"begin"`); n != 3 {
		t.Errorf("%d keys are told", n)
	}
}

// The service goes by the limit that a question brings along, of which its own
// configuration knows nothing: for requests, and for commands of MongoDB.
func TestRealRateLimitServiceTakesOverrides(t *testing.T) {
	db, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p := start(t, fmt.Sprintf(`
listeners:
- name: web
  address: 127.0.0.1:0
  protocol: http
  cluster: origin
  rate_limits:
  - {global: true, limit_override: {requests_per_unit: 2, unit: day}, actions: [{request_headers: {header_name: x-user, descriptor_key: user}}]}
- name: db
  address: 127.0.0.1:0
  protocol: mongodb
  cluster: db
  rate_limits:
  - {global: true, limit_override: {requests_per_unit: 1, unit: day}, actions: [{mongodb_command: {only: [find]}}, {mongodb_collection: {}}, {mongodb_application: {}}]}
clusters:
- {name: origin, endpoints: [%q]}
- {name: db, endpoints: [%q]}
- {name: limiter, protocol: http2, endpoints: [%q]}
rate_limit_service: {cluster: limiter, domain: web, timeout: 2s}
admin: {address: "127.0.0.1:0"}
`, origin(t), db.Addr(), newLimiter(t).address), "--json")
	wants(t, p, "/", "x-user: ann", "200", "200", "429")
	wants(t, p, "/", "x-user: bob", "200")
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + p.at("db") + "/?directConnection=true&appName=checkout").SetMaxAdaptiveRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.Background())
	for i, refused := range []bool{false, true, true} {
		err := client.Database("shop").Collection("carts").FindOne(t.Context(), bson.D{}).Err()
		var e mongo.CommandError
		if got := errors.As(err, &e) && e.Code == 462; got != refused || !refused && !errors.Is(err, mongo.ErrNoDocuments) {
			t.Errorf("find %d: %v", i, err)
		}
	}
}
