package proxy

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testca"
)

// probed is a listener that tells how it is.
func probed(c *config.Config) {
	c.Admin.Address = "127.0.0.1:0"
	c.Listeners[0].Protocol = config.HTTP
	c.Listeners[0].HealthCheck = config.HealthCheck{Path: "/healthz", GRPC: true, Clusters: config.Pairs{{Name: "main", Value: "50%"}}}
}

// probing is a health client of r's.
func (r *rig) probing(creds credentials.TransportCredentials) health.HealthClient {
	r.t.Helper()
	c, err := grpc.NewClient("passthrough:///"+r.Addr("main").String(), grpc.WithTransportCredentials(creds))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return health.NewHealthClient(c)
}

func (r *rig) post(path string, fields ...string) int {
	r.t.Helper()
	q, err := http.NewRequest("POST", "http://"+r.AdminAddr().String()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		q.Header.Set(fields[i], fields[i+1])
	}
	a, err := r.client().Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	a.Body.Close()
	return a.StatusCode
}

// Checks of HTTP are answered before all routes, on both ways that serve it.
func TestHealthCheckOverHTTP(t *testing.T) {
	ca := testca.New(t)
	for name, change := range map[string]func(*config.Config){
		"plain": probed, "TLS": all(probed, terminating(nil, ca.Issue("front", testca.Year(), "localhost"))),
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, change, origin(t, "upstream"))
			client, scheme := r.client(), "http://"
			if name == "TLS" {
				client, scheme = r.asking(&tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}, true), "https://"
				t.Cleanup(client.CloseIdleConnections)
			}
			url := scheme + r.Addr("main").String()
			for _, c := range []struct {
				fail   string
				status int
				body   string
			}{{"", 200, "ok\n"}, {"/healthcheck/fail", 503, "failed\n"}, {"/healthcheck/ok", 200, "ok\n"}} {
				if c.fail != "" && r.post(c.fail) != 200 {
					t.Fatalf("POST %s is refused", c.fail)
				}
				if a, body := get(t, client, url+"/healthz?why"); a.StatusCode != c.status || body != c.body {
					t.Errorf("after %q: %d %q, want %d %q", c.fail, a.StatusCode, body, c.status, c.body)
				}
				x := r.nextServer()
				if want := map[int]string{200: "health_check_ok", 503: "health_check_failed"}[c.status]; x.Route != "health_check" || x.StatusMessage != want || x.Cluster != "" {
					t.Errorf("told as %s", x.AppendJSON(nil))
				}
			}
			if _, body := get(t, client, url+"/healthz/x"); strings.Contains(body, "ok\n") {
				t.Errorf("another path is answered %q", body)
			}
			if a, err := client.Post(url+"/healthz", "text/plain", nil); err != nil || a.Header.Get("Content-Length") == "3" {
				t.Errorf("POST is answered %v, %v", a, err)
			} else {
				a.Body.Close()
			}
		})
	}
}

// A page of another site cannot have checks fail, though it may send requests
// to this machine.
func TestHealthChecksAreNotFailedByWebPages(t *testing.T) {
	r := run(t, probed, serve(t, echo))
	if s := r.post("/healthcheck/fail", "Origin", "https://evil.example"); s != http.StatusForbidden {
		t.Errorf("status %d", s)
	}
	if s := r.post("/healthcheck/fail", "Sec-Fetch-Site", "cross-site"); s != http.StatusForbidden {
		t.Errorf("status %d", s)
	}
	if s, _ := r.get("/healthcheck/fail"); s != http.StatusMethodNotAllowed {
		t.Errorf("GET is answered %d", s)
	}
	if s, b := r.get("/ready"); s != 200 {
		t.Errorf("/ready: %d %s", s, b)
	}
}

func TestHealthServiceOfGRPC(t *testing.T) {
	ca := testca.New(t)
	for name, c := range map[string]struct {
		change func(*config.Config)
		creds  credentials.TransportCredentials
	}{
		"h2c": {probed, insecure.NewCredentials()},
		"TLS": {all(probed, terminating(nil, ca.Issue("front", testca.Year(), "localhost"))),
			credentials.NewTLS(&tls.Config{RootCAs: ca.Pool, ServerName: "localhost"})},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, c.change, origin(t, "upstream"))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			client := r.probing(c.creds)
			check := func(service string, want health.HealthCheckResponse_ServingStatus) {
				t.Helper()
				a, err := client.Check(ctx, &health.HealthCheckRequest{Service: service})
				if err != nil || a.Status != want {
					t.Errorf("%q is %v, %v, want %v", service, a, err, want)
				}
			}
			check("", health.HealthCheckResponse_SERVING)
			// before the next call: a client has its answer before the span is told
			if x := r.nextServer(); x.HTTP.RequestBody != 5 || x.HTTP.ResponseBody != 7 || x.Route != "health_check" || x.Status == event.Error || x.Flags != 0 {
				t.Errorf("told as %s", x.AppendJSON(nil))
			}
			check("main", health.HealthCheckResponse_SERVING)
			if _, err := client.Check(ctx, &health.HealthCheckRequest{Service: "other"}); status.Code(err) != codes.NotFound {
				t.Errorf("an unknown service gives %v", err)
			}
			list, err := client.List(ctx, &health.HealthListRequest{})
			if err != nil || len(list.Statuses) != 2 || list.Statuses["main"].GetStatus() != health.HealthCheckResponse_SERVING || list.Statuses[""] == nil {
				t.Errorf("list %v, %v", list, err)
			}
			watch, err := client.Watch(ctx, &health.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			unknown, err := client.Watch(ctx, &health.HealthCheckRequest{Service: "other"})
			if err != nil {
				t.Fatal(err)
			}
			next := func(w grpc.ServerStreamingClient[health.HealthCheckResponse], want health.HealthCheckResponse_ServingStatus) {
				t.Helper()
				if a, err := w.Recv(); err != nil || a.Status != want {
					t.Errorf("the watch tells %v, %v, want %v", a, err, want)
				}
			}
			next(watch, health.HealthCheckResponse_SERVING)
			next(unknown, health.HealthCheckResponse_SERVICE_UNKNOWN)
			r.post("/healthcheck/fail")
			next(watch, health.HealthCheckResponse_NOT_SERVING)
			check("main", health.HealthCheckResponse_NOT_SERVING)
			r.post("/healthcheck/ok")
			next(watch, health.HealthCheckResponse_SERVING)
			if s, _ := r.get("/ready"); s != 200 {
				t.Errorf("/ready: %d", s)
			}
			over := make(chan struct{})
			go func() { defer close(over); r.stop() }()
			next(watch, health.HealthCheckResponse_NOT_SERVING) // while it drains
			if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
				t.Errorf("the watch ends with %v", err)
			}
			<-over
		})
	}
}

// A call that cannot be read is answered in gRPC's words; what is no call goes to
// the routes.
func TestHealthServiceRefuses(t *testing.T) {
	r := run(t, probed, origin(t, "upstream"))
	client := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}, Timeout: patience}
	client.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(client.CloseIdleConnections)
	for _, c := range []struct{ name, method, kind, body, want string }{
		{"two messages", "Check", "application/grpc", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "13"},
		{"no message", "Check", "application/grpc", "", "13"},
		{"half a prefix", "Check", "application/grpc", "\x00\x00", "13"},
		{"compressed", "Check", "application/grpc", "\x01\x00\x00\x00\x00", "12"},
		{"no protobuf", "Check", "application/grpc", "\x00\x00\x00\x00\x02\x0a\x7f", "13"},
		{"unknown method", "Fetch", "application/grpc", "\x00\x00\x00\x00\x00", "12"},
		{"much", "Check", "application/grpc", "\x00\x00\x02\x00\x00" + strings.Repeat("\x00", 128<<10), "2"},
		{"no call", "Check", "text/plain", "", ""},
	} {
		a, err := client.Post("http://"+r.Addr("main").String()+"/grpc.health.v1.Health/"+c.method, c.kind, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if got := a.Header.Get("Grpc-Status"); got != c.want {
			t.Errorf("%s: status %q, want %q: %s", c.name, got, c.want, a.Header.Get("Grpc-Message"))
		}
	}
	a, err := r.client().Post("http://"+r.Addr("main").String()+"/grpc.health.v1.Health/Check", "application/grpc", strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Body.Close(); a.StatusCode != http.StatusHTTPVersionNotSupported {
		t.Errorf("over HTTP/1.1: %s", a.Status)
	}
}

// With a delay, connections are accepted for a while when a drain begins, and
// checks on them fail.
func TestChecksFailBeforeADrain(t *testing.T) {
	r := run(t, all(probed, func(c *config.Config) { c.Drain.Delay = 2 * time.Second }), origin(t, "upstream"))
	over := make(chan struct{})
	go func() { defer close(over); r.stop() }()
	for began := time.Now(); ; {
		a, err := r.client().Get("http://" + r.Addr("main").String() + "/healthz")
		if err != nil {
			t.Fatalf("turned away after %v: %v", time.Since(began), err)
		}
		if a.Body.Close(); a.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	<-over
}
