package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/format"
)

func TestRewrites(t *testing.T) {
	for _, tt := range []struct{ route, line, fields, target, host, original string }{
		{"match: {prefix: /orders}, prefix_rewrite: /", "GET /orders/7?x=1", "", "/7?x=1", "shop.example", "/orders/7?x=1"},
		{"match: {prefix: /orders}, prefix_rewrite: /", "GET /orders", "", "/", "shop.example", "/orders"},
		{"match: {prefix: /orders}, prefix_rewrite: /new", "GET /orders/7", "", "/new/7", "shop.example", "/orders/7"},
		{"match: {prefix: /orders/}, prefix_rewrite: /new", "GET /orders/7", "", "/new/7", "shop.example", "/orders/7"},
		{"match: {prefix: /orders/}, prefix_rewrite: /new/", "GET /orders/7", "", "/new/7", "shop.example", "/orders/7"},
		{"match: {prefix: /orders}, prefix_rewrite: /new/", "GET /orders", "", "/new/", "shop.example", "/orders"},
		{"match: {path: /a}, prefix_rewrite: /b", "GET /a?", "x-envoy-original-path: /lie", "/b?", "shop.example", "/a?"},
		{"match: {prefix: /}, regex_rewrite: {pattern: \"^/v([0-9]+)/(.*)$\", substitution: '/\\2/\\1\\\\'}", "GET /v12/x", "", "/x/12\\", "shop.example", "/v12/x"},
		{"match: {prefix: /}, regex_rewrite: {pattern: \"/+\", substitution: \"/\"}", "GET //a///b", "", "/a/b", "shop.example", "//a///b"},
		{"match: {prefix: /}, regex_rewrite: {pattern: \"^/\", substitution: \"\"}", "GET /a", "", "/a", "shop.example", "/a"},
		{"match: {prefix: /}, host_rewrite: {literal: \"inner:8080\"}", "GET /a", "", "/a", "inner:8080", ""},
		{"match: {prefix: /}, host_rewrite: {header: X-Host}", "GET /a", "x-host: inner", "/a", "inner", ""},
		{"match: {prefix: /}, host_rewrite: {header: X-Host}", "GET /a", "x-host: in/ner", "/a", "shop.example", ""},
		{"match: {prefix: /}, host_rewrite: {header: X-Host}", "GET /a", "", "/a", "shop.example", ""},
		{"match: {prefix: /}, host_rewrite: {auto: true}", "GET /a", "", "/a", "10.0.0.7:80", ""},
	} {
		tab, _ := table(t, "routes:\n- {cluster: a, "+tt.route+"}")
		h := request(t, tt.line, strings.Fields(strings.ReplaceAll(tt.fields, ": ", ":"))...)
		var s Scratch
		r := tab.Find(h)
		r.Rewrite(h, &s)
		r.HostAt(h, h.Fields, "10.0.0.7:80", &s)
		if string(h.Target) != tt.target || string(h.Host) != tt.host || string(h.Get("host")) != tt.host || string(h.Get("x-envoy-original-path")) != tt.original {
			t.Errorf("{%s} of %s: target %s host %s field %s original %s", tt.route, tt.line, h.Target, h.Host, h.Get("host"), h.Get("x-envoy-original-path"))
		}
		if want, _, _ := strings.Cut(tt.target, "?"); string(h.Path) != want {
			t.Errorf("{%s} of %s: path %s", tt.route, tt.line, h.Path)
		}
	}
}

func TestRedirectsAndDirectResponses(t *testing.T) {
	for _, tt := range []struct{ route, line, host, want string }{
		{"match: {prefix: /}, redirect: {scheme: https}", "GET /a?b=c", "x:8080", "301 https://x/a?b=c"},
		{"match: {prefix: /}, redirect: {scheme: https, port: 8443, code: 308}", "GET /a", "x:8080", "308 https://x:8443/a"},
		{"match: {prefix: /}, redirect: {host: y}", "GET /a", "x:8080", "301 http://y/a"},
		{"match: {prefix: /}, redirect: {port: 81}", "GET /a", "[::1]:80", "301 http://[::1]:81/a"},
		{"match: {prefix: /}, redirect: {path: /b, code: 302}", "GET /a?c", "x:80", "302 http://x:80/b?c"},
		{"match: {prefix: /}, redirect: {path: \"/b?d\"}", "GET /a?c", "x", "301 http://x/b?d"},
		{"match: {prefix: /a}, redirect: {prefix: /b, strip_query: true}", "GET /a/1?c", "x", "301 http://x/b/1"},
		{"match: {prefix: /}, redirect: {strip_query: true}", "GET //evil.example/?c", "", "301 /evil.example/"},
		{"match: {prefix: /}, direct_response: {status: 418, body: tea}", "GET /", "x", "418 text/plain tea"},
		{"match: {prefix: /}, direct_response: {status: 200, body: \"{}\", content_type: application/json}", "GET /", "x", "200 application/json {}"},
		{"match: {prefix: /}, direct_response: {status: 204}", "GET /", "x", "204"},
	} {
		tab, _ := table(t, "routes:\n- {"+tt.route+"}")
		h := request(t, tt.line, "Host: "+cmp.Or(tt.host, "gone"))
		if tt.host == "" {
			h.Host = nil // as a client of HTTP/1.0 may leave it
		}
		r := tab.Find(h)
		if !r.Answers() {
			t.Fatalf("{%s} does not answer", tt.route)
		}
		var s Scratch
		a := r.Reply(h, "http", &s)
		if got := strings.Join(strings.Fields(fmt.Sprint(a.Status, " ", string(a.Location), " ", a.ContentType, " ", a.Body)), " "); got != tt.want {
			t.Errorf("{%s} of %s: %s, want %s", tt.route, tt.line, got, tt.want)
		}
	}
}

func show(fields []http1.Field) string {
	var b strings.Builder
	for i := range fields {
		fmt.Fprintf(&b, "%s: %s|", fields[i].Name, fields[i].Value)
	}
	return b.String()
}

func told(h *http1.Head) *format.Entry {
	x := &event.Exchange{
		HTTP: &event.HTTP{Method: "GET", Version: "1.1", Path: "/a"}, Route: "it", Cluster: "a", Listener: "web", Endpoint: "10.0.0.7:80",
		Client: netip.MustParseAddrPort("192.0.2.7:5000"), TraceID: event.TraceID{15: 1},
	}
	return &format.Entry{X: x, Request: h}
}

// The route's edits come first, then the listener's; of each what is removed,
// then what is set, then what is added.
func TestEdits(t *testing.T) {
	tab, _ := table(t, `
request_headers: {remove: [x-b], set: {x-c: listener}, add: {x-d: "2"}}
routes:
- match: {prefix: /}
  cluster: a
  request_headers:
    remove: [X-A]
    set: {x-b: gone, x-c: "%REQ(X-Tenant?x-other):3%/%ROUTE_NAME%", x-empty: "%REQ(x-none)%", x-host: "to %UPSTREAM_HOST%", x-tenant: "100%%"}
    add: {x-d: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %PROTOCOL% %CLUSTER%", x-t: "%TRACE_ID%"}
`)
	h := request(t, "GET /a", "x-a: 1", "x-a: 2", "x-tenant: acme", "x-d: 0", "x-c: 1", "X-C: 2", "x-empty: stays")
	var s Scratch
	r := tab.Find(h)
	in := told(h)
	fields := r.Request.Apply(h.Fields, in, &s)
	want := "Host: shop.example|x-tenant: 100%|x-d: 0|x-c: listener|x-empty: stays|x-host: to 10.0.0.7:80|" +
		"x-d: 192.0.2.7 HTTP/1.1 a|x-t: 00000000000000000000000000000001|x-d: 2|"
	if got := show(fields); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	in.X.Endpoint = "10.0.0.8:80"
	s.At(fields, in)
	if got := show(fields); got != strings.ReplaceAll(want, "10.0.0.7", "10.0.0.8") {
		t.Errorf("at another host: %s", got)
	}
}

// What a client sends cannot break out of a field's value.
func TestEditsKeepControlCharactersOut(t *testing.T) {
	tab, _ := table(t, "routes:\n- {match: {prefix: /}, cluster: a, request_headers: {set: {x-a: \"%QUERY_PARAM(q)%\"}}}")
	h := request(t, "GET /a?q=1%0d%0aX-Evil:%201%00")
	var s Scratch
	if got := show(tab.Find(h).Request.Apply(h.Fields, told(h), &s)); got != "Host: shop.example|x-a: 1  X-Evil: 1 |" {
		t.Errorf("%q", got)
	}
}

func TestActionsAllocateNothing(t *testing.T) {
	tab, l := table(t, `
path: {normalize: true, merge_slashes: true, escaped_slashes: unescape}
routes:
- match: {prefix: /orders}
  cluster: a
  prefix_rewrite: /
  host_rewrite: {auto: true}
  request_headers: {remove: [x-a], set: {x-b: "%REQ(x-c)% %START_TIME% %UPSTREAM_HOST%"}, add: {x-d: "%HOSTNAME% %QUERY_PARAM(a)%"}}
`)
	h := request(t, "GET //orders/./7?a=%20b", "x-a: 1", "x-c: 2")
	kept, path, target, host := append([]http1.Field(nil), h.Fields...), h.Path, h.Target, h.Host
	n := NewNormal(l.Path)
	var s Scratch
	in := told(h)
	once := func() {
		s.Reset()
		h.Fields = append(h.Fields[:0], kept...)
		h.Path, h.Target, h.Host = path, target, host
		n.Path(h, &s)
		r := tab.Find(h)
		r.Rewrite(h, &s)
		h.Fields = r.Request.Apply(h.Fields, in, &s)
		r.HostAt(h, h.Fields, "10.0.0.7:80", &s)
		s.At(h.Fields, in)
	}
	once()
	if string(h.Target) != "/7?a=%20b" {
		t.Fatalf("target %s", h.Target)
	}
	if a := testing.AllocsPerRun(1000, once); a > 0 && !raceDetector {
		t.Errorf("%v allocations", a)
	}
}

func TestPathsAreNormalised(t *testing.T) {
	all := config.PathOptions{Normalize: true, MergeSlashes: true, EscapedSlashes: config.Unescape}
	dots := config.PathOptions{Normalize: true, EscapedSlashes: config.Keep}
	for _, tt := range []struct {
		o          config.PathOptions
		path, want string
	}{
		{config.PathOptions{EscapedSlashes: config.Keep}, "/a/../b//c%2fd", "/a/../b//c%2fd"},
		{dots, "/a/./b/../c", "/a/c"},
		{dots, "/a/b/..", "/a/"},
		{dots, "/a/.", "/a/"},
		{dots, "/..", "/"},
		{dots, "/../../etc/passwd", "/etc/passwd"},
		{dots, "/a/%2e%2E/b", "/b"},
		{dots, "/a\\..\\b", "/b"},
		{dots, "/%61%7e%2f%zz%4", "/a~%2f%zz%4"},
		{dots, "/%0%30", "/%0%30"}, {dots, "/%%300", "/%%300"}, {dots, "/%41%30", "/A0"}, {dots, "/%2f%30", "/%2f0"},
		{dots, "/a//b", "/a//b"},
		{dots, "/...", "/..."},
		{dots, "/a/..b/.c", "/a/..b/.c"},
		{dots, "/a%00b", ""},
		{config.PathOptions{MergeSlashes: true, EscapedSlashes: config.Keep}, "//a///b/", "/a/b/"},
		{config.PathOptions{EscapedSlashes: config.Reject}, "/a%2Fb", ""},
		{config.PathOptions{EscapedSlashes: config.Reject}, "/a%5cb", ""},
		{config.PathOptions{EscapedSlashes: config.Unescape}, "/a%2Fb%5C", "/a/b\\"},
		{all, "/a%2f..%2f%2Fb", "/b"},
		{all, "/a/%5c..%5cb", "/a/b"},
	} {
		h := request(t, "GET "+tt.path+"?q=%2f..")
		var s Scratch
		ok := NewNormal(tt.o).Path(h, &s)
		if ok != (tt.want != "") {
			t.Errorf("%+v of %s: %v", tt.o, tt.path, ok)
		} else if ok && (string(h.Path) != tt.want || string(h.Target) != tt.want+"?q=%2f..") {
			t.Errorf("%+v of %s: %s, target %s, want %s", tt.o, tt.path, h.Path, h.Target, tt.want)
		}
	}
	h := request(t, "OPTIONS *")
	if !NewNormal(all).Path(h, new(Scratch)) || string(h.Target) != "*" {
		t.Errorf("* became %s", h.Target)
	}
}
