package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/tap"
)

// logged are the lines of a file once the proxy has ended, sorted: a client has
// its answer before the line is written, so those of two connections may come in
// any order.
func logged(t *testing.T, r *rig, name string) []string {
	t.Helper()
	r.stop()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	slices.Sort(lines)
	return lines
}

func TestAccessLog(t *testing.T) {
	dir := t.TempDir()
	all, some := filepath.Join(dir, "all.log"), filepath.Join(dir, "some.log")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Cache", "hit")
		fmt.Fprint(w, strings.Repeat("x", 200_000)) // more than comes with the head
	}))
	t.Cleanup(upstream.Close)
	address := strings.TrimPrefix(upstream.URL, "http://")
	line := "%REQ(:METHOD)% %PATH% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %BYTES_RECEIVED% %BYTES_SENT% " +
		"%RESP(x-cache)% %RESP(x-route)% %REQ(x-made)% %UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"
	r := run(t, configured(t, fmt.Sprintf(`
response_headers: {set: {x-route: "%%ROUTE_NAME%%"}}
request_headers: {set: {x-made: "1"}}
access_log:
- {file: %q, text: %q}
- {file: %q, json: {path: "%%PATH%%", status: "%%RESPONSE_CODE%%"}, filter: {status: 400-}}
routes:
- {name: tea, match: {path: /tea}, direct_response: {status: 418}}
- {name: api, match: {prefix: /api}, cluster: main, prefix_rewrite: /}
`, all, line, some)), address)
	r.ask("GET", "/")
	r.ask("GET", "/api/x?token=a")
	r.ask("GET", "/tea")
	c := r.dial()
	say(t, c, "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	say(t, c, "3\r\nabc\r\n0\r\n\r\n")
	hear(t, c, "HTTP/1.1 200")
	c.Close()
	c = r.dial()
	say(t, c, "BAD\r\n\r\n")
	hear(t, c, "HTTP/1.1 400")
	c.Close()
	lines := logged(t, r, all)
	want := []string{
		"- - 400 DPE http1.codec_error.request_line - 0 ",
		"GET / 200 - via_upstream - 0 200000 hit - 1 " + address + " 1 /",
		"GET /api/x?token=REDACTED 200 - via_upstream api 0 200000 hit api 1 " + address + " 1 /api/x?token=REDACTED",
		"GET /tea 418 - direct_response tea 0 0 - tea - - 0 /tea",
		"POST /up 200 ", // the client may be gone before the end
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("got  %s\nwant %s", lines[i], want[i])
		}
	}
	if got := strings.Join(logged(t, r, some), "\n"); got != `{"path":"/tea","status":418}`+"\n"+`{"path":null,"status":400}` {
		t.Errorf("filtered:\n%s", got)
	}
	if v := r.logs.views(); len(v) != 2 || v[0].Name != all || v[0].Stats[0].Value != 5 || v[1].Stats[0].Value != 2 {
		t.Errorf("numbers %+v", v)
	}
}

// Two listeners may log into one file. A file that is moved away is opened anew,
// and no line is lost.
func TestAccessLogIsReopened(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	r := run(t, func(c *config.Config) {
		configured(t, fmt.Sprintf("access_log: [{file: %q, text: \"%%LISTENER%% %%PATH%%\"}]", name))(c)
		second := c.Listeners[0]
		second.Name = "second"
		c.Listeners = append(c.Listeners, second)
	}, mirror(t))
	other := &rig{t: r.t, Server: r.Server}
	for i := range 200 {
		r.ask("GET", fmt.Sprintf("/%d", i))
		resp, err := other.client().Get("http://" + r.Addr("second").String() + fmt.Sprintf("/%d", i))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if i == 99 {
			if err := os.Rename(name, name+".1"); err != nil {
				t.Fatal(err)
			}
			if err := r.ReopenLogs(); err != nil {
				t.Fatal(err)
			}
		}
	}
	lines := logged(t, r, name)
	old, err := os.ReadFile(name + ".1")
	if err != nil {
		t.Fatal(err)
	}
	all := string(old) + strings.Join(lines, "\n")
	for i := range 200 {
		for _, l := range []string{"main", "second"} {
			if !strings.Contains(all, fmt.Sprintf("%s /%d\n", l, i)) && !strings.HasSuffix(all, fmt.Sprintf("%s /%d", l, i)) {
				t.Errorf("no line of %s for /%d", l, i)
			}
		}
	}
	if len(old) == 0 || len(lines) < 190 {
		t.Errorf("%d bytes in the old file, %d lines in the new", len(old), len(lines))
	}
}

func TestAccessLogThatCannotBeWritten(t *testing.T) {
	cfg := config.FromFlags("127.0.0.1:0", "h:1")
	cfg.Admin.Address = config.None
	configured(t, "access_log: [{file: /no/such/folder/access.log}]")(cfg)
	_, err := New(cfg, Deps{Hub: tap.NewHub(1), Protocols: testProtocols()})
	if err == nil || !strings.Contains(err.Error(), `listener "main": access log: open /no/such/folder/access.log`) {
		t.Errorf("%v", err)
	}
}
