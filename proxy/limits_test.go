package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
)

const perClient = `
rate_limits:
- name: clients
  headers: true
  actions: [{remote_address: {}}]
  token_bucket: {max_tokens: 2, fill_interval: 1h}
routes:
- {name: open, match: {path: /open}, cluster: main, ignore_listener_rate_limits: true}
- {name: free, match: {prefix: /}, cluster: main, rate_limits: [{name: shy, enforce: false, token_bucket: {max_tokens: 1, fill_interval: 1h}}]}
`

// limitStat is a number of a rate limit.
func limitStat(t *testing.T, s *Server, limit, name string) uint64 {
	t.Helper()
	for _, g := range s.limitViews() {
		for _, n := range g.Stats {
			if g.Name == limit && n.Name == name {
				return n.Value
			}
		}
	}
	t.Fatalf("no number %s of limit %q", name, limit)
	return 0
}

// Who is beyond a limit gets 429, the same from both engines and in gRPC's words
// where that is spoken; the host is not asked.
func TestRateLimitsOfRequests(t *testing.T) {
	for _, version := range []string{"1.1", "2"} {
		t.Run(version, func(t *testing.T) {
			r := run(t, configured(t, perClient), origin(t, "shop"))
			client := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}, Timeout: patience}
			client.Transport.(*http.Transport).Protocols.SetHTTP1(version == "1.1")
			client.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(version == "2")
			t.Cleanup(client.CloseIdleConnections)
			for i, want := range []int{200, 200, 429, 429} {
				a, err := client.Get("http://" + r.Addr("main").String() + "/a")
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(a.Body)
				a.Body.Close()
				if a.StatusCode != want || a.Header.Get("X-Ratelimit-Limit") != "2" || a.Header.Get("X-Ratelimit-Remaining") != fmt.Sprint(max(0, 1-i)) {
					t.Errorf("request %d: %s %v", i, a.Status, a.Header)
				}
				if refused := want == 429; refused != (a.Header.Get("X-Envoy-Ratelimited") == "true") || refused != (string(body) == "pitot: local_rate_limited\n") {
					t.Errorf("request %d: %v %q", i, a.Header, body)
				}
			}
			told := map[string]int{}
			for range 4 {
				x := r.next()
				told[x.Flags.String()+" "+x.StatusMessage]++
			}
			if told[" "] != 2 || told["RL local_rate_limited"] != 2 {
				t.Errorf("told %v", told)
			}
			call(t, client, "http://"+r.Addr("main").String(), "8")
			if a, err := client.Get("http://" + r.Addr("main").String() + "/open"); err != nil || a.StatusCode != 200 || a.Header.Get("X-Ratelimit-Limit") != "" {
				t.Errorf("%+v, %v", a, err)
			} else {
				a.Body.Close()
			}
			for name, want := range map[string]uint64{"enabled": 5, "ok": 2, "rate_limited": 3, "enforced": 3, "keys": 1} {
				if got := limitStat(t, r.Server, "clients", name); got != want {
					t.Errorf("%s is %d, want %d", name, got, want)
				}
			}
			if got := limitStat(t, r.Server, "shy", "enforced"); got != 0 || limitStat(t, r.Server, "shy", "rate_limited") == 0 {
				t.Errorf("the limit that is not enforced refused %d", got)
			}
		})
	}
}

// call makes a call of gRPC, which is refused with that status.
func call(t *testing.T, client *http.Client, url, status string) {
	t.Helper()
	req, err := http.NewRequest("POST", url+"/shop.Cart/Get", strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	a, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if a.ProtoMajor == 2 && (a.StatusCode != 200 || a.Header.Get("Grpc-Status") != status || a.Header.Get("X-Envoy-Ratelimited") != "true") {
		t.Errorf("%s %v", a.Status, a.Header)
	}
}

// A reload leaves what limits have counted; one that is changed begins anew.
func TestRateLimitsOutliveAReload(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	address := strings.TrimPrefix(s.URL, "http://")
	r := run(t, configured(t, perClient), address)
	fetch(t, r, "/a")
	fetch(t, r, "/a")
	again := func(change string) {
		t.Helper()
		cfg := config.FromFlags("127.0.0.1:0", address)
		cfg.Admin.Address = config.None
		configured(t, strings.Replace(perClient, change, "max_tokens: 3", 1))(cfg)
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := r.Reload(cfg); err != nil {
			t.Fatal(err)
		}
	}
	again("max_tokens: 1")
	if status, _ := fetch(t, r, "/a"); status != 429 {
		t.Errorf("%d after a reload that changes another limit", status)
	}
	again("max_tokens: 2")
	if status, _ := fetch(t, r, "/a"); status != 404 {
		t.Errorf("%d after a reload that changes the limit", status)
	}
}
