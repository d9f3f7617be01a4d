package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/testca"
)

// mirror is an upstream that answers with what it got: its first line, then its
// fields in order of names.
func mirror(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "mirror")
		lines := []string{"host=" + r.Host}
		for name, values := range r.Header {
			lines = append(lines, fmt.Sprintf("%s=%s", strings.ToLower(name), strings.Join(values, ",")))
		}
		slices.Sort(lines)
		fmt.Fprintf(w, "%s %s\n%s\n", r.Method, r.RequestURI, strings.Join(lines, "\n"))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// configured has the first listener be as text says, under the name main.
func configured(t *testing.T, text string) func(*config.Config) {
	return configuredAs(t, config.HTTP, text)
}

// configuredAs is configured for a listener of that protocol.
func configuredAs(t *testing.T, protocol, text string) func(*config.Config) {
	return func(c *config.Config) {
		t.Helper()
		parsed, err := config.Parse("f", []byte("listeners:\n- name: main\n  address: 127.0.0.1:0\n  protocol: "+protocol+"\n  cluster: main\n  "+
			strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")+"\nclusters: [{name: main, endpoints: [\"h:1\"]}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		c.Listeners = parsed.Listeners
		c.Tracing.AttemptSpans = false
	}
}

type answer struct {
	status int
	header http.Header
	body   string
	sent   map[string]string // what the mirror got
}

// ask sends a request of fields as "name: value" and follows no redirect.
func (r *rig) ask(method, path string, fields ...string) answer {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+r.Addr("main").String()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if req.Header.Add(name, value); strings.EqualFold(name, "host") {
			req.Host = value
		}
	}
	resp, err := r.client().Transport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	a := answer{resp.StatusCode, resp.Header, string(b), map[string]string{}}
	for line := range strings.Lines(a.body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		a.sent[name] = value
	}
	return a
}

func TestRoutesThroughTheProxy(t *testing.T) {
	upstream := mirror(t)
	r := run(t, configured(t, `
via: pitot-1
x_forwarded_host: true
path: {normalize: true, escaped_slashes: reject}
response_headers: {remove: [server], set: {x-frame-options: DENY}}
request_headers: {set: {x-listener: "%LISTENER%"}}
routes:
- match: {prefix: /, host: "www.*"}
  redirect: {scheme: https, host: shop.example}
- match: {path: /robots.txt}
  direct_response: {status: 200, body: "Disallow: /"}
- name: cart
  match: {template: "/cart/{id}/items", methods: [GET]}
  cluster: main
  response_headers: {set: {x-route: "%ROUTE_NAME% %UPSTREAM_HOST%"}}
- name: api
  match: {prefix: /api}
  cluster: main
  prefix_rewrite: /
  host_rewrite: {auto: true}
  max_body: 10
  request_headers: {remove: [x-secret], set: {x-up: "%UPSTREAM_HOST% %REQ(x-tenant)%"}}
`), upstream)

	a := r.ask("GET", "/x/y?z=1", "Host: www.shop.example:80", "Connection: close")
	if a.status != 301 || a.header.Get("Location") != "https://shop.example/x/y?z=1" || a.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("redirect: %+v", a)
	}
	if x := r.next(); x.HTTP.StatusCode != 301 || x.StatusMessage != "direct_response" || x.Cluster != "" || x.Flags != 0 {
		t.Errorf("span of a redirect: %+v", x)
	}

	a = r.ask("HEAD", "/robots.txt")
	if a.status != 200 || a.body != "" || a.header.Get("Content-Length") != "11" || a.header.Get("Content-Type") != "text/plain" || a.header.Get("Via") != "1.1 pitot-1" {
		t.Errorf("direct response to HEAD: %+v", a)
	}
	if a = r.ask("POST", "/robots.txt"); a.body != "Disallow: /" {
		t.Errorf("direct response: %+v", a)
	}
	r.next()
	r.next()

	a = r.ask("GET", "/x/../cart/7/items", "Host: shop.example", "Via: 1.1 other")
	if !strings.HasPrefix(a.body, "GET /cart/7/items\n") || a.header.Get("X-Route") != "cart "+upstream || a.header.Get("Server") != "" ||
		a.sent["via"] != "1.1 other, 1.1 pitot-1" || a.sent["x-forwarded-host"] != "shop.example" || a.sent["x-listener"] != "main" {
		t.Errorf("template: %+v", a)
	}
	if x := r.next(); x.Name != "GET /cart/{id}/items" || x.HTTP.Route != "/cart/{id}/items" || x.Route != "cart" || x.HTTP.Path != "/x/../cart/7/items" {
		t.Errorf("span of a template: %q %+v", x.Name, x.HTTP)
	}

	a = r.ask("GET", "/api/files?q", "Host: shop.example", "X-Secret: 1", "X-Tenant: acme", "X-Envoy-Original-Path: /lie")
	if !strings.HasPrefix(a.body, "GET /files?q\n") || a.sent["host"] != upstream || a.sent["x-up"] != upstream+" acme" || a.sent["x-secret"] != "" ||
		a.sent["x-envoy-original-path"] != "/api/files?q" || a.sent["x-forwarded-host"] != "shop.example" {
		t.Errorf("rewrite: %+v", a)
	}
	if x := r.next(); x.HTTP.Path != "/api/files" || x.HTTP.Host != "shop.example" {
		t.Errorf("span of a rewrite: %+v", x.HTTP)
	}

	if a = r.ask("GET", "/a%2fb"); a.status != 400 || a.body != "pitot: path_normalization_failed\n" {
		t.Errorf("escaped slash: %+v", a)
	}
	if a = r.ask("GET", "/", "Via: 1.1 pitot-1, 1.0 pitot-1, 2 pitot-1 (comment)", "Via: 1.1 pitot-1"); a.status != 508 {
		t.Errorf("loop: %+v", a)
	}
	if a = r.ask("GET", "/", "Via: 1.1 pitot-1, 1.0 pitot-1, 2 pitot-1, 1.1 pitot-10"); a.status != 200 {
		t.Errorf("no loop: %+v", a)
	}
}

// Targets in absolute form, clients of HTTP/1.0 without a host and upgrades are
// rewritten like the rest.
func TestRewritesOfOtherForms(t *testing.T) {
	ca := testca.New(t)
	t.Run("h1", func(t *testing.T) { testRewrites(t, ca, func(*config.Config) {}) })
	t.Run("relay", func(t *testing.T) {
		testRewrites(t, ca, terminating(nil, ca.Issue("front", testca.Year(), "front.test")))
	})
}

func testRewrites(t *testing.T, ca *testca.CA, secure func(*config.Config)) {
	up := serve(t, func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		var head strings.Builder
		for line := ""; line != "\r\n"; {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				return
			}
			head.WriteString(strings.ReplaceAll(line, "\r\n", "|"))
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", head.Len(), head.String())
	})
	for _, tt := range []struct{ rewrite, request, want string }{
		{"prefix_rewrite: /new", "GET http://shop.example/a?b HTTP/1.1\r\nHost: shop.example\r\n", "GET /new/a?b HTTP/1.1|host: shop.example|"},
		{"prefix_rewrite: /new", "GET http://shop.example HTTP/1.1\r\nHost: shop.example\r\n", "GET /new HTTP/1.1|host: shop.example|"},
		{"host_rewrite: {literal: inner}", "GET http://shop.example/ HTTP/1.1\r\nHost: shop.example\r\n", "GET / HTTP/1.1|host: inner|"},
		{"host_rewrite: {literal: inner}", "GET / HTTP/1.0\r\n", "GET / HTTP/1.1|host: inner|"},
		{"host_rewrite: {auto: true}", "GET / HTTP/1.0\r\n", "GET / HTTP/1.1|host: " + up + "|"},
		{"host_rewrite: {auto: true}", "GET http://shop.example/ HTTP/1.1\r\nHost: shop.example\r\n", "GET / HTTP/1.1|host: " + up + "|"},
		{"host_rewrite: {auto: true}", "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", "GET / HTTP/1.1|Host: " + up + "|"},
	} {
		r := run(t, all(configured(t, "routes: [{match: {prefix: /}, cluster: main, "+tt.rewrite+"}]"), secure), up)
		var c net.Conn = r.dial()
		if r.settings().Listeners[0].TLS != nil {
			c = tls.Client(c, &tls.Config{RootCAs: ca.Pool, ServerName: "front.test"})
		}
		say(t, c, tt.request+"\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got := string(b); !strings.HasPrefix(got, tt.want) || strings.Count(strings.ToLower(got), "host: ") != 1 {
			t.Errorf("{%s} of %q: %s\nwant %s", tt.rewrite, tt.request, got, tt.want)
		}
		r.stop()
	}
}

// A request's body is bounded by its route, whether its length is told or not.
func TestRoutesBoundBodies(t *testing.T) {
	r := run(t, configured(t, "limits: {body: 5}\nroutes: [{match: {path: /ten}, cluster: main, max_body: 10}, {match: {path: /any}, cluster: main, max_body: 0}]"), mirror(t))
	for _, tt := range []struct {
		path string
		n    int
		want int
	}{{"/", 5, 200}, {"/", 6, 413}, {"/ten", 10, 200}, {"/ten", 11, 413}, {"/any", 1000, 200}} {
		body := strings.Repeat("x", tt.n)
		for _, head := range []string{
			fmt.Sprintf("Content-Length: %d\r\n\r\n%s", tt.n, body), fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", tt.n, body),
		} {
			c := r.dial()
			say(t, c, "POST "+tt.path+" HTTP/1.1\r\nHost: a\r\n"+head)
			hear(t, c, fmt.Sprintf("HTTP/1.1 %d ", tt.want))
			c.Close()
		}
	}
}

// Who the client is follows from x-forwarded-for and the hops that are believed.
func TestTrustedHops(t *testing.T) {
	upstream := mirror(t)
	for _, tt := range []struct{ listener, forwarded, remote, sent, proto string }{
		{"", "192.0.2.1", "127.0.0.1", "192.0.2.1, 127.0.0.1", "http"},
		{"xff_num_trusted_hops: 1", "192.0.2.1, 192.0.2.2", "192.0.2.2", "192.0.2.1, 192.0.2.2, 127.0.0.1", "https"},
		{"xff_num_trusted_hops: 2", "192.0.2.1, [2001:db8::1]:443", "192.0.2.1", "192.0.2.1, [2001:db8::1]:443, 127.0.0.1", "https"},
		{"xff_num_trusted_hops: 3", "192.0.2.1, 192.0.2.2", "127.0.0.1", "192.0.2.1, 192.0.2.2, 127.0.0.1", "https"},
		{"xff_num_trusted_hops: 1", "unknown", "127.0.0.1", "unknown, 127.0.0.1", "https"},
		{"use_remote_address: false", "192.0.2.1, 192.0.2.2", "192.0.2.2", "192.0.2.1, 192.0.2.2", "https"},
		{"use_remote_address: false\nxff_num_trusted_hops: 1", "192.0.2.1, 192.0.2.2", "192.0.2.1", "192.0.2.1, 192.0.2.2", "https"},
	} {
		r := run(t, configured(t, "request_headers: {set: {x-client: \"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\"}}\n"+tt.listener), upstream)
		a := r.ask("GET", "/", "X-Forwarded-For: "+tt.forwarded, "X-Forwarded-Proto: https")
		if a.sent["x-client"] != tt.remote || a.sent["x-forwarded-for"] != tt.sent || a.sent["x-forwarded-proto"] != tt.proto {
			t.Errorf("%s of %s: %+v", tt.listener, tt.forwarded, a.sent)
		}
		r.stop()
	}
}

func TestRequestIDs(t *testing.T) {
	upstream := mirror(t)
	for mode, keeps := range map[string]bool{"keep": true, "make": false} {
		r := run(t, configured(t, "request_id: "+mode+"\nresponse_headers: {set: {x-request-id: \"%REQUEST_ID%\"}}"), upstream)
		a := r.ask("GET", "/", "X-Request-Id: mine")
		if (a.sent["x-request-id"] == "mine") != keeps || a.header.Get("X-Request-Id") != a.sent["x-request-id"] {
			t.Errorf("%s: %+v", mode, a)
		}
		if a = r.ask("GET", "/"); len(a.sent["x-request-id"]) != 36 {
			t.Errorf("%s: made %q", mode, a.sent["x-request-id"])
		}
		r.stop()
	}
}

// With several hosts the one that is tried after another gets its own name.
func TestHostAndFieldsOfTheHostThatAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	upstream := mirror(t)
	r := run(t, configured(t, "routes: [{match: {prefix: /}, cluster: main, host_rewrite: {auto: true}, request_headers: {set: {x-up: \"%UPSTREAM_HOST%\"}}}]"), dead, upstream)
	for range 3 {
		if a := r.ask("GET", "/"); a.sent["host"] != upstream || a.sent["x-up"] != upstream {
			t.Errorf("%+v", a)
		}
	}
}
