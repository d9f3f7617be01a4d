package health

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pitot-io/pitot/internal/testca"
)

// web is a server of HTTP/1.1 and HTTP/2; conns counts connections.
func web(t *testing.T, ca *testca.CA, h http.HandlerFunc) (address string, conns *atomic.Int64) {
	t.Helper()
	conns = new(atomic.Int64)
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	both.SetHTTP2(true)
	s.Config.Protocols = &both
	if ca == nil {
		s.Start()
	} else {
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue("web", testca.Year(), "web.test").TLS}}
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), conns
}

func get() *HTTP {
	return &HTTP{Method: "GET", Path: "/healthz?full=1", Cluster: "shop", Expected: []Statuses{{200, 200}}}
}

func TestHTTP(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*HTTP)
		answer  http.HandlerFunc
		outcome Outcome
		why     string
		check   func(Answer) bool
	}{
		{"200", nil, func(http.ResponseWriter, *http.Request) {}, Success, "status 200", nil},
		{"204", nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, Failure, "status 204", nil},
		{"a range", func(c *HTTP) { c.Expected = []Statuses{{100, 199}, {200, 299}} }, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, Success, "status 204", nil},
		{"retriable", func(c *HTTP) { c.Retriable = []Statuses{{503, 503}} }, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, Weak, "status 503", nil},
		{"HEAD", func(c *HTTP) { c.Method = "HEAD" }, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "HEAD" {
				w.WriteHeader(405)
			}
		}, Success, "status 200", nil},
		{"what is sent", func(c *HTTP) { c.Host, c.Header = "shop.test", http.Header{"X-A": {"1"}, "User-Agent": {"me"}} }, func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "shop.test" || r.RequestURI != "/healthz?full=1" || r.Header.Get("X-A") != "1" || r.UserAgent() != "me" {
				w.WriteHeader(400)
			}
		}, Success, "", nil},
		{"the cluster's name", nil, func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "shop" || r.UserAgent() != "pitot-health-check" {
				w.WriteHeader(400)
			}
		}, Success, "", nil},
		{"body", func(c *HTTP) { c.Prefix = []byte("all w") }, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "all well") }, Success, "", nil},
		{"short body", func(c *HTTP) { c.Prefix = []byte("all w") }, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "all") }, Failure, "the body does not begin", nil},
		{"other body", func(c *HTTP) { c.Prefix = []byte("all w") }, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "not well") }, Failure, "the body does not begin", nil},
		{"degraded", nil, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("x-envoy-degraded", "") }, Success, "", func(a Answer) bool { return a.Degraded }},
		{"immediate", nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-envoy-immediate-health-check-fail", "1")
		}, Failure, "it says that it fails", func(a Answer) bool { return a.Excluded }},
		{"the right one", func(c *HTTP) { c.Service = "sh" }, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-envoy-upstream-healthchecked-cluster", "shop-7")
		}, Success, "", func(a Answer) bool { return a.Verified && !a.Wrong }},
		{"somebody else", func(c *HTTP) { c.Service = "sh" }, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-envoy-upstream-healthchecked-cluster", "cart")
		}, Failure, "somebody else answers", func(a Answer) bool { return a.Verified && a.Wrong }},
		{"a long body", nil, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 300<<10)) }, Success, "status 200", nil},
		{"interim answers", nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(200) }, Success, "status 200", nil},
	} {
		for _, version := range []Version{HTTP1, HTTP2} {
			t.Run(fmt.Sprint(c.name, " ", version), func(t *testing.T) {
				at, conns := web(t, nil, c.answer)
				check, line := get(), lineTo(t, at, nil)
				check.Version = version
				if c.change != nil {
					c.change(check)
				}
				for range 2 {
					a := ask(t, line, check, patience)
					if a.Outcome != c.outcome || !strings.Contains(a.Why, c.why) || c.check != nil && !c.check(a) {
						t.Errorf("%+v", a)
					}
				}
				if n := conns.Load(); n != 1 && c.name != "a long body" {
					t.Errorf("%d connections for two checks", n)
				}
			})
		}
	}
}

func TestHTTPOverTLS(t *testing.T) {
	ca := testca.New(t)
	var last atomic.Value
	at, _ := web(t, ca, func(_ http.ResponseWriter, r *http.Request) { last.Store(r.Proto) })
	for _, c := range []struct {
		alpn    []string
		version Version
		want    string
	}{{nil, HTTP1, "HTTP/1.1"}, {[]string{"h2"}, HTTP2, "HTTP/2.0"}, {[]string{"h2", "http/1.1"}, Agreed, "HTTP/2.0"}, {[]string{"http/1.1"}, Agreed, "HTTP/1.1"}} {
		line := lineTo(t, at, secure{&tls.Config{RootCAs: ca.Pool, ServerName: "web.test", NextProtos: c.alpn}})
		check := get()
		check.Version = c.version
		if a := ask(t, line, check, patience); a.Outcome != Success || last.Load() != c.want {
			t.Errorf("%v: %+v by %v", c.alpn, a, last.Load())
		}
	}
	wrong := lineTo(t, at, secure{&tls.Config{RootCAs: ca.Pool, ServerName: "other.test"}})
	if a := ask(t, wrong, get(), patience); a.Outcome != Network || !strings.Contains(a.Why, "other.test") {
		t.Errorf("a wrong certificate: %+v", a)
	}
}

func TestHTTPWithoutReuseAndAfterAClose(t *testing.T) {
	at, conns := web(t, nil, func(http.ResponseWriter, *http.Request) {})
	line := lineTo(t, at, nil)
	line.Reuse = false
	ask(t, line, get(), patience)
	ask(t, line, get(), patience)
	if n := conns.Load(); n != 2 || line.conn != nil {
		t.Errorf("%d connections without reuse", n)
	}
	// over one connection as much may come as there are answers
	at, conns = web(t, nil, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 4000)) })
	line = lineTo(t, at, nil)
	for range 2 * maxAnswer / 4000 {
		if a := ask(t, line, get(), patience); a.Outcome != Success {
			t.Fatalf("%+v", a)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	// one that closes after each answer, and does not say so
	n := 0
	at = serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			n++
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	line = lineTo(t, at, nil)
	for range 3 {
		if a := ask(t, line, get(), patience); a.Outcome != Success {
			t.Errorf("after a close: %+v", a)
		}
	}
}
