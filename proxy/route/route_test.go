package route

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// table compiles the routes of a listener as a file has them.
func table(t testing.TB, listener string) (*Table, *config.Listener) {
	t.Helper()
	text := "listeners:\n- address: 127.0.0.1:0\n  protocol: http\n  " + strings.ReplaceAll(strings.TrimSpace(listener), "\n", "\n  ") +
		"\nclusters: [{name: a, endpoints: [\"h:1\"]}, {name: b, endpoints: [\"h:2\"]}]\n"
	c, err := config.Parse("f", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	clusters := map[string]*upstream.Cluster{"a": upstream.New(upstream.Options{Name: "a"}), "b": upstream.New(upstream.Options{Name: "b"})}
	tab, err := New(&c.Listeners[0], func(name string) (*upstream.Cluster, string) { return clusters[name], name }, func(*config.Route) ([]Guard, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	return tab, &c.Listeners[0]
}

// request reads a request's head: its first line, then fields as "name: value".
func request(t testing.TB, line string, fields ...string) *http1.Head {
	t.Helper()
	text := line + " HTTP/1.1\r\n"
	if !strings.Contains(strings.ToLower("\n"+strings.Join(fields, "\n")), "\nhost:") {
		text += "Host: shop.example\r\n"
	}
	for _, f := range fields {
		text += f + "\r\n"
	}
	h := new(http1.Head)
	if n, err := h.ParseRequest([]byte(text+"\r\n"), http1.Strict, decode.DefaultLimits()); n == 0 || err != nil {
		t.Fatalf("%q: %d, %v", text, n, err)
	}
	return h
}

func nameOf(r *Route) string {
	if r == nil {
		return "none"
	}
	return r.Name
}

func TestMatches(t *testing.T) {
	grpc := "content-type: application/grpc+proto"
	for _, tt := range []struct {
		match, line, fields string
		want                bool
	}{
		{"prefix: /", "GET /a", "", true},
		{"prefix: /", "OPTIONS *", "", false},
		{"prefix: /", "GET http://shop.example", "", true},
		{"prefix: /orders", "GET /orders", "", true},
		{"prefix: /orders", "GET /orders?x=1", "", true},
		{"prefix: /orders", "GET /orders/7", "", true},
		{"prefix: /orders/", "GET /orders/7", "", true},
		{"prefix: /orders/", "GET /orders", "", false},
		{"prefix: /orders", "GET /ordersheet", "", false},
		{"path: /a", "GET /a", "", true},
		{"path: /a", "GET /a/", "", false},
		{"template: \"/cart/{id}/items\"", "GET /cart/7/items?y", "", true},
		{"template: \"/cart/{id}/items\"", "GET /cart/7", "", false},
		{"regex: \"/v[0-9]+/.*\"", "GET /v12/x", "", true},
		{"regex: \"/v[0-9]+\"", "GET /v12/x", "", false},
		{"regex: \"a|/b\"", "GET /b", "", true},
		{"prefix: /, host: Shop.example", "GET /", "Host: SHOP.example:8080", true},
		{"prefix: /, host: shop.example", "GET /", "Host: other.example", false},
		{"prefix: /, methods: [GET, HEAD]", "HEAD /", "", true},
		{"prefix: /, methods: [GET, HEAD]", "POST /", "", false},
		{"prefix: /, headers: [{name: X-A, exact: b}]", "GET /", "x-a: b", true},
		{"prefix: /, headers: [{name: X-A, exact: b}]", "GET /", "x-a: B", false},
		{"prefix: /, headers: [{name: X-A, exact: b}]", "GET /", "x-a: a|x-a: b", true},
		{"prefix: /, headers: [{name: X-A, prefix: b}]", "GET /", "x-a: bc", true},
		{"prefix: /, headers: [{name: X-A, suffix: b}]", "GET /", "x-a: cb", true},
		{"prefix: /, headers: [{name: X-A, suffix: b}]", "GET /", "x-a: bc", false},
		{"prefix: /, headers: [{name: X-A, contains: b}]", "GET /", "x-a: abc", true},
		{"prefix: /, headers: [{name: X-A, regex: \"b+\"}]", "GET /", "x-a: bbb", true},
		{"prefix: /, headers: [{name: X-A, regex: \"b+\"}]", "GET /", "x-a: bbbc", false},
		{"prefix: /, headers: [{name: X-A, present: true}]", "GET /", "x-a:", true},
		{"prefix: /, headers: [{name: X-A, present: true}]", "GET /", "", false},
		{"prefix: /, headers: [{name: X-A, absent: true}]", "GET /", "", true},
		{"prefix: /, headers: [{name: X-A, absent: true}]", "GET /", "x-a: 1", false},
		{"prefix: /, headers: [{name: X-A, range: 10-19}]", "GET /", "x-a: 19", true},
		{"prefix: /, headers: [{name: X-A, range: 10-19}]", "GET /", "x-a: 20", false},
		{"prefix: /, headers: [{name: X-A, range: 10-}]", "GET /", "x-a: 9223372036854775807", false},
		{"prefix: /, headers: [{name: X-A, range: 10-}]", "GET /", "x-a: ten", false},
		{"prefix: /, headers: [{name: X-A, exact: b}, {name: X-B, present: true}]", "GET /", "x-a: b", false},
		{"prefix: /, headers: [{name: \":authority\", suffix: \".example\"}]", "GET /", "", true},
		{"prefix: /, headers: [{name: Host, exact: \"shop.example\"}]", "GET /", "", true},
		{"prefix: /, query: [{name: a, exact: \"1\"}]", "GET /?b=2&a=1", "", true},
		{"prefix: /, query: [{name: a, exact: \"1 2\"}]", "GET /?a=1+2", "", true},
		{"prefix: /, query: [{name: a, exact: \"1/2\"}]", "GET /?%61=1%2f2", "", true},
		{"prefix: /, query: [{name: a, exact: \"1\"}]", "GET /?ab=1", "", false},
		{"prefix: /, query: [{name: a, absent: true}]", "GET /?b", "", true},
		{"prefix: /, query: [{name: a, absent: true}]", "GET /?a", "", false},
		{"prefix: /, query: [{name: a, present: true}]", "GET /?a", "", true},
		{"prefix: /, query: [{name: a, range: 1-3}]", "GET /?a=%32", "", true},
		{"grpc: shop.Cart/Get", "POST /shop.Cart/Get", grpc, true},
		{"grpc: shop.Cart/Get", "POST /shop.Cart/Get", "", false},
		{"grpc: shop.Cart/Get", "POST /shop.Cart/Put", grpc, false},
		{"grpc: shop.Cart", "POST /shop.Cart/Put", grpc, true},
		{"grpc: shop.Cart", "POST /shop.Cart2/Put", grpc, false},
		{"grpc: shop.Cart", "POST /shop.Cart", grpc, false},
		{"grpc: \"*\"", "POST /x/y", "content-type: application/grpc-web-text+proto", true},
		{"grpc: \"*\"", "POST /x/y", "content-type: application/grpcish", false},
		{"prefix: /x, grpc: \"*\"", "POST /y/z", grpc, false},
	} {
		tab, _ := table(t, "routes:\n- {cluster: a, name: it, match: {"+tt.match+"}}")
		var fields []string
		if tt.fields != "" {
			fields = strings.Split(tt.fields, "|")
		}
		if r := tab.Find(request(t, tt.line, fields...)); (r != nil) != tt.want {
			t.Errorf("{%s} and %s %s: %v, want %v", tt.match, tt.line, tt.fields, r != nil, tt.want)
		}
	}
}

// The first route that takes a request decides, among those of the host pattern
// that fits best and those without one.
func TestHosts(t *testing.T) {
	tab, _ := table(t, `
cluster: b
routes:
- {name: health, match: {path: /health}, cluster: a}
- {name: any, match: {prefix: /, host: "*"}, cluster: a}
- {name: example, match: {prefix: /, host: "*.example"}, cluster: a}
- {name: shop, match: {prefix: /, hosts: ["*.shop.example", "*-shop.example"]}, cluster: a}
- {name: exact, match: {prefix: /x, host: www.shop.example}, cluster: a}
- {name: prefix, match: {prefix: /, host: "shop.*"}, cluster: a}
- {name: longer, match: {prefix: /, host: "shop.other.*"}, cluster: a}
- {name: late, match: {path: /late}, cluster: a}
`)
	for host, want := range map[string]string{
		"www.shop.example/health":              "health",
		"www.shop.example/x":                   "exact",
		"www.shop.example/late":                "late",
		"www.shop.example/":                    "", // the best pattern has no route for it: what no route takes
		"WWW2.Shop.Example/":                   "shop",
		"a-shop.example/":                      "shop",
		"shop.example/":                        "example",
		"shop.test/":                           "prefix",
		"shop.other.test/":                     "longer",
		"elsewhere/":                           "any",
		"elsewhere/health":                     "health",
		"example/":                             "any",
		".example/":                            "any",
		strings.Repeat("a", 300) + ".example/": "any",
	} {
		name, path, _ := strings.Cut(host, "/")
		if got := nameOf(tab.Find(request(t, "GET /"+path, "Host: "+name+":80"))); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	tab, _ := table(t, `
routes:
- {match: {prefix: /x, host: "*.example"}, cluster: a}
- {match: {template: "/cart/{id}", query: [{name: a, regex: "[0-9]+ 2"}]}, cluster: a, name: other}
- {match: {regex: "/cart/[0-9]+", headers: [{name: x-a, range: 1-2}], query: [{name: a, exact: "1 3"}], methods: [GET]}, cluster: a, name: it}
`)
	h := request(t, "GET /cart/7?a=1%203", "Host: Shop.Example", "X-A: 2")
	if r := tab.Find(h); nameOf(r) != "it" {
		t.Fatalf("found %q", nameOf(r))
	}
	if n := testing.AllocsPerRun(1000, func() { tab.Find(h) }); n > 0 && !raceDetector {
		t.Errorf("%v allocations", n)
	}
}

func TestRoutesKnowTheirLimits(t *testing.T) {
	tab, _ := table(t, `
cluster: b
timeouts: {route: 3s, stream: 1m}
limits: {body: 1MiB}
routes:
- {match: {path: /a}, cluster: a}
- {match: {path: /b}, cluster: a, timeout: 0, idle_timeout: 5s, max_body: 2KiB, max_grpc_timeout: 9s}
`)
	for path, want := range map[string]Route{
		"/a": {Timeout: 3 * time.Second, Idle: time.Minute, Body: 1 << 20},
		"/b": {Idle: 5 * time.Second, Body: 2 << 10, MaxGRPCTimeout: 9 * time.Second},
		"/c": {Timeout: 3 * time.Second, Idle: time.Minute, Body: 1 << 20},
	} {
		r := tab.Find(request(t, "GET "+path))
		if r.Timeout != want.Timeout || r.Idle != want.Idle || r.Body != want.Body || r.MaxGRPCTimeout != want.MaxGRPCTimeout {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

func TestSpansAreNamedByPatterns(t *testing.T) {
	tab, _ := table(t, "cluster: b\nroutes:\n- {name: cart, match: {template: \"/cart/{id}\"}, cluster: a}\n- {match: {path: /a}, cluster: a}")
	for line, want := range map[string]string{
		"GET /cart/x": "cart a GET /cart/{id} /cart/{id}", "BREW /cart/x": "cart a HTTP /cart/{id} /cart/{id}",
		"POST /a": "/a a POST /a /a", "GET /b": " b before ",
	} {
		h := request(t, line)
		x := event.Exchange{Name: "before", HTTP: &event.HTTP{Method: string(h.Method)}}
		tab.Find(h).Tell(&x)
		if got := strings.Join([]string{x.Route, x.Cluster, x.Name, x.HTTP.Route}, " "); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
