package proxy

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/testca"
)

// Routes and logs do the same for what the engine carries: HTTP/2 under TLS
// from the client, HTTP/1.1 to the upstream.
func TestRoutesAndLogsOverHTTP2(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		w.Header().Set("X-Got", strings.Join([]string{r.RequestURI, r.Host, r.Header.Get("X-Up"), r.Header.Get("X-Tls"), r.Header.Get("Via"), r.Header.Get("X-Forwarded-Proto")}, " "))
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d bytes", len(b))
		w.Header().Set("Grpc-Status", "5")
	}))
	t.Cleanup(upstream.Close)
	address := strings.TrimPrefix(upstream.URL, "http://")
	name := filepath.Join(t.TempDir(), "access.log")
	ca := testca.New(t)
	line := "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %UPSTREAM_PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %BYTES_RECEIVED% %BYTES_SENT% " +
		"%RESP(x-route)% %TRAILER(grpc-status)% %UPSTREAM_HOST% %DOWNSTREAM_TLS_VERSION% %REQUESTED_SERVER_NAME%"
	r := run(t, all(configured(t, fmt.Sprintf(`
via: pitot-1
response_headers: {set: {x-route: "%%ROUTE_NAME%%"}}
access_log: [{file: %q, text: %q}]
routes:
- {name: tea, match: {path: /tea}, direct_response: {status: 418, body: tea}}
- {name: away, match: {prefix: /away}, redirect: {host: other.example, port: 8443}}
- {name: small, match: {path: /small}, cluster: main, max_body: 3}
- name: api
  match: {template: "/api/{rest=**}", headers: [{name: x-tenant, present: true}]}
  cluster: main
  regex_rewrite: {pattern: "^/api/(.*)$", substitution: '/v1/\1'}
  host_rewrite: {literal: inner}
  request_headers: {set: {x-up: "%%UPSTREAM_HOST%%", x-tls: "%%DOWNSTREAM_TLS_VERSION%%"}}
`, name, line)), terminating(nil, ca.Issue("front", testca.Year(), "localhost"))), address)
	client := &http.Client{
		Transport:     &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: ca.Pool, ServerName: "localhost"}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       patience,
	}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(method, path, body string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, "https://"+r.Addr("main").String()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Tenant", "acme")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	resp, body := ask("POST", "/api/x/y?z=1", "hello")
	if want := "/v1/x/y?z=1 inner " + address + " TLSv1.3 2 pitot-1 https"; resp.ProtoMajor != 2 || body != "5 bytes" || resp.Header.Get("X-Got") != want || resp.Header.Get("X-Route") != "api" {
		t.Errorf("%s %q %v", resp.Proto, body, resp.Header)
	}
	if x := r.next(); x.Name != "POST /api/{rest=**}" || x.HTTP.Route != "/api/{rest=**}" {
		t.Errorf("span %q %+v", x.Name, x.HTTP)
	}
	if resp, body = ask("GET", "/tea", ""); resp.StatusCode != 418 || body != "tea" || resp.Header.Get("X-Route") != "tea" {
		t.Errorf("%s %q %v", resp.Status, body, resp.Header)
	}
	if resp, _ = ask("GET", "/away/a?b", ""); resp.StatusCode != 301 || resp.Header.Get("Location") != "https://other.example:8443/away/a?b" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
	if resp, _ = ask("POST", "/small", "long"); resp.StatusCode != 413 {
		t.Errorf("%s", resp.Status)
	}
	want := []string{
		"POST /v1/x/y?z=1 HTTP/2 HTTP/1.1 200 via_upstream api 5 7 api 5 " + address + " TLSv1.3 localhost",
		"GET /tea HTTP/2 - 418 direct_response tea 0 3 tea - - TLSv1.3 localhost",
		"GET /away/a?b HTTP/2 - 301 direct_response away 0 0 away - - TLSv1.3 localhost",
		"POST /small HTTP/2 - 413 request_payload_too_large small ",
	}
	slices.Sort(want)
	lines := logged(t, r, name)
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("got  %s\nwant %s", lines[i], want[i])
		}
	}
}

// A new configuration may log elsewhere; what goes on logging where it did
// keeps its file.
func TestLogsOfANewConfiguration(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	log := func(file string) config.AccessLog { return config.AccessLog{File: file, Text: "%PATH%"} }
	r := run(t, func(c *config.Config) {
		c.Listeners[0].Protocol, c.Listeners[0].AccessLog = config.HTTP, []config.AccessLog{log(one)}
	}, web(t, "web"))
	fetch(t, r, "/1")
	r.reload(func(c *config.Config) { c.Listeners[0].AccessLog = []config.AccessLog{log(one), log(two)} })
	fetch(t, r, "/2")
	r.reload(func(c *config.Config) { c.Listeners[0].AccessLog = []config.AccessLog{log(two)} })
	fetch(t, r, "/3")
	bad := r.changed(func(c *config.Config) {
		c.Listeners[0].AccessLog = []config.AccessLog{log(filepath.Join(dir, "no", "file"))}
	})
	if err := r.Reload(bad); err == nil {
		t.Error("a log that cannot be opened was taken over")
	}
	fetch(t, r, "/4")
	lines := logged(t, r, one)
	if got := strings.Join(lines, " "); got != "/1 /2" {
		t.Errorf("the first has %s", got)
	}
	lines = logged(t, r, two)
	if got := strings.Join(lines, " "); got != "/2 /3 /4" {
		t.Errorf("the second has %s", got)
	}
}
