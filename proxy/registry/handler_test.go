package registry

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// bench is a registry behind a server, with a clock that stands still.
type bench struct {
	*testing.T
	r   *Registry
	url string

	mu  sync.Mutex
	now time.Time
}

func newBench(t *testing.T, o Options) *bench {
	b := &bench{T: t, r: New(o), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	server := httptest.NewServer(Handler(b.r, b.clock, ""))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// ask does one request and returns status and body.
func (b *bench) ask(method, path string, form string, header ...string) (int, string) {
	b.Helper()
	status, body, _ := b.answer(method, path, form, header...)
	return status, body
}

func (b *bench) answer(method, path string, form string, header ...string) (int, string, http.Header) {
	b.Helper()
	q, err := http.NewRequest(method, b.url+path, strings.NewReader(form))
	if err != nil {
		b.Fatal(err)
	}
	if method == "POST" {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		b.Fatal(err)
	}
	return a.StatusCode, string(body), a.Header
}

// want fails unless a request has that status, and words of the answer.
func (b *bench) want(status int, words, method, path, form string, header ...string) {
	b.Helper()
	got, body := b.ask(method, path, form, header...)
	if got != status || !strings.Contains(body, words) {
		b.Errorf("%s %s %s: %d %s, want %d with %q", method, path, form, got, body, status, words)
	}
}

func (b *bench) list(service string) (l List) {
	b.Helper()
	status, body := b.ask("GET", "/v1/registration/"+service, "")
	if err := json.Unmarshal([]byte(body), &l); err != nil || status != 200 {
		b.Fatalf("%d %s: %v", status, body, err)
	}
	return l
}

const checkIn = "ip=10.0.0.7&port=8080&revision=abc&service_repo_name=shop-repo&tags="

var tags = url.QueryEscape(`{"az":"eu-1a","region":"eu","instance_id":"i-1","canary":true,"load_balancing_weight":50}`)

func TestAHostIsListedFromItsCheckInUntilItsTTL(t *testing.T) {
	b := newBench(t, Options{TTL: time.Minute})
	b.want(200, "{}", "POST", "/v1/registration/shop", checkIn+tags)
	_, body := b.ask("GET", "/v1/registration/shop", "")
	want := `{"service":"shop","hosts":[{"ip_address":"10.0.0.7","port":8080,"last_check_in":"2026-01-02T03:04:05Z","revision":"abc","service":"shop",` +
		`"service_repo_name":"shop-repo","tags":{"az":"eu-1a","canary":true,"instance_id":"i-1","load_balancing_weight":50,"region":"eu"}}]}`
	if body != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	for range 3 { // heartbeats keep it
		b.pass(59 * time.Second)
		b.want(200, "{}", "POST", "/v1/registration/shop", checkIn+tags)
	}
	if n := len(b.list("shop").Hosts); n != 1 {
		t.Errorf("after heartbeats there are %d hosts", n)
	}
	b.pass(time.Minute - time.Millisecond)
	if n := len(b.list("shop").Hosts); n != 1 {
		t.Errorf("before its TTL there are %d hosts", n)
	}
	b.pass(time.Millisecond)
	if n := len(b.list("shop").Hosts); n != 0 {
		t.Errorf("at its TTL there are %d hosts", n)
	}
	if b.r.Size() != 0 {
		t.Errorf("%d hosts are kept", b.r.Size())
	}
}

func TestAHostCanLeave(t *testing.T) {
	b := newBench(t, Options{})
	for _, port := range []string{"1", "2", "3"} {
		b.want(200, "", "POST", "/v1/registration/shop", "ip=10.0.0.7&port="+port)
	}
	b.want(200, "", "POST", "/v1/registration/shop", "ip=2001:db8::1&port=80")
	b.want(200, "{}", "DELETE", "/v1/registration/shop/10.0.0.7:2", "")
	b.want(404, `service "shop" has no host 10.0.0.7:2`, "DELETE", "/v1/registration/shop/10.0.0.7:2", "")
	if n := len(b.list("shop").Hosts); n != 3 {
		t.Errorf("%d hosts", n)
	}
	b.want(200, "{}", "DELETE", "/v1/registration/shop/10.0.0.7", "")
	b.want(200, "{}", "DELETE", "/v1/registration/shop/[2001:db8::1]:80", "")
	b.want(404, "no host", "DELETE", "/v1/registration/shop/2001:db8::1", "")
	b.want(200, `{"services":[]}`, "GET", "/v1/registration", "")
}

func TestWeightsAreSetForOneAndForAll(t *testing.T) {
	b := newBench(t, Options{})
	weights := func(want ...int) {
		t.Helper()
		for i, h := range b.list("shop").Hosts {
			if got := h.Tags.Weight(); got != want[i] {
				t.Errorf("%s weighs %d, want %d", h.IP, got, want[i])
			}
		}
	}
	for _, ip := range []string{"10.0.0.1", "10.0.0.2"} {
		b.want(200, "", "POST", "/v1/registration/shop", "ip="+ip+`&port=80&tags={"load_balancing_weight":10}`)
	}
	b.want(204, "", "POST", "/v1/loadbalancing/shop/10.0.0.1", "load_balancing_weight=77")
	weights(77, 10)
	b.want(200, "", "POST", "/v1/registration/shop", `ip=10.0.0.1&port=80&tags={"load_balancing_weight":10}`)
	weights(77, 10) // what an operator set outlives heartbeats
	b.want(204, "", "POST", "/v1/loadbalancing/shop", "load_balancing_weight=5")
	weights(5, 5)
	b.want(204, "", "DELETE", "/v1/loadbalancing/shop/10.0.0.1", "")
	b.want(200, "", "POST", "/v1/registration/shop", `ip=10.0.0.1&port=80&tags={"load_balancing_weight":10}`)
	weights(10, 5)
	for _, bad := range []string{"0", "101", "1.5", "", "many"} {
		b.want(400, "must be a whole number from 1 to 100", "POST", "/v1/loadbalancing/shop", "load_balancing_weight="+bad)
	}
	b.want(404, "no host 10.0.0.9", "POST", "/v1/loadbalancing/shop/10.0.0.9", "load_balancing_weight=5")
	b.want(404, "no host", "POST", "/v1/loadbalancing/cart", "load_balancing_weight=5")
}

func TestLoadIsToldUntilItIsOld(t *testing.T) {
	b := newBench(t, Options{LoadTTL: time.Minute})
	b.want(404, "no host", "POST", "/v1/load/shop/10.0.0.7", "cpu=0.5")
	b.want(200, "", "POST", "/v1/registration/shop", "ip=10.0.0.7&port=80&load.cpu=0.25&load.qps=100")
	if l := b.list("shop").Hosts[0].Load; l == nil || *l != (Load{CPU: 0.25, QPS: 100}) {
		t.Errorf("load of the check-in is %+v", l)
	}
	b.want(204, "", "POST", "/v1/load/shop/10.0.0.7:80", "cpu=0.5&memory=0.75&utilization=0.6&qps=10&eps=1")
	if l := b.list("shop").Hosts[0].Load; l == nil || *l != (Load{0.5, 0.75, 0.6, 10, 1}) {
		t.Errorf("load is %+v", l)
	}
	b.want(200, "", "POST", "/v1/registration/shop", `{"ip":"10.0.0.7","port":80,"tags":{"az":"x"},"load":{"memory":0.5}}`, "Content-Type", "application/json")
	if h := b.list("shop").Hosts[0]; h.Load == nil || h.Load.Memory != 0.5 || h.Tags[TagZone] != "x" {
		t.Errorf("as JSON: %+v", h)
	}
	b.pass(time.Minute)
	if l := b.list("shop").Hosts[0].Load; l != nil {
		t.Errorf("an old load is told: %+v", l)
	}
	for form, want := range map[string]string{"": "no load is told", "cpu=x": `cpu "x" is not valid`, "cpu=-1": "must be a number from 0", "qps=NaN": "must be a number", "eps=Inf": "must be a number"} {
		b.want(400, want, "POST", "/v1/load/shop/10.0.0.7", form)
	}
}

func TestAnAnswerIsKeptUntilSomethingChanges(t *testing.T) {
	b := newBench(t, Options{Cache: 30 * time.Second})
	b.want(200, "", "POST", "/v1/registration/shop", checkIn+tags)
	_, first, head := b.answer("GET", "/v1/registration/shop", "")
	tag := head.Get("ETag")
	b.pass(10 * time.Second)
	b.want(200, "", "POST", "/v1/registration/shop", checkIn+tags)
	if _, again := b.ask("GET", "/v1/registration/shop", ""); again != first {
		t.Errorf("a heartbeat alone changed the answer: %s", again)
	}
	b.want(304, "", "GET", "/v1/registration/shop", "", "If-None-Match", tag)
	b.pass(20 * time.Second)
	if _, again := b.ask("GET", "/v1/registration/shop", ""); again == first || !strings.Contains(again, "03:04:15Z") {
		t.Errorf("after 30 s the check-in time is still old: %s", again)
	}
	b.want(304, "", "GET", "/v1/registration/shop", "", "If-None-Match", tag)
	b.want(200, "", "POST", "/v1/registration/shop", "ip=10.0.0.8&port=8080")
	b.want(200, "10.0.0.8", "GET", "/v1/registration/shop", "", "If-None-Match", tag)
	// One that has gone and come again is never taken for what it was.
	for _, ip := range []string{"10.0.0.7", "10.0.0.8"} {
		b.want(200, "", "DELETE", "/v1/registration/shop/"+ip, "")
	}
	b.want(200, `"hosts":[]`, "GET", "/v1/registration/shop", "", "If-None-Match", tag)
	b.want(200, "", "POST", "/v1/registration/shop", "ip=10.0.0.9&port=8080")
	b.want(200, "10.0.0.9", "GET", "/v1/registration/shop", "", "If-None-Match", tag)
}

func TestBadInputIsRefusedInWords(t *testing.T) {
	b := newBench(t, Options{MaxServices: 1, MaxHosts: 2})
	for form, want := range map[string]string{
		"port=80":                                                  `ip "" is not valid; must be an IP address, as 10.0.0.7`,
		"ip=shop.internal&port=80":                                 `ip "shop.internal" is not valid`,
		"ip=fe80::1%25eth0&port=80":                                `ip "fe80::1%eth0" is not valid`,
		"ip=10.0.0.7":                                              `port "" is not valid; must be from 1 to 65535`,
		"ip=10.0.0.7&port=0":                                       `port "0" is not valid`,
		"ip=10.0.0.7&port=65536":                                   `port "65536" is not valid`,
		"ip=10.0.0.7&port=80&tags=az":                              `tags are not valid; must be an object of JSON`,
		`ip=10.0.0.7&port=80&tags={"a":[]}`:                        `tag a must be text of at most 1024 bytes, a number, true or false`,
		`ip=10.0.0.7&port=80&tags={"az":1}`:                        `tag az must be text`,
		`ip=10.0.0.7&port=80&tags={"canary":1}`:                    `tag canary must be true or false`,
		`ip=10.0.0.7&port=80&tags={"load_balancing_weight":"5"}`:   `must be a whole number from 1 to 100`,
		`ip=10.0.0.7&port=80&tags={"load_balancing_weight":0}`:     `load_balancing_weight 0 is not valid`,
		"ip=10.0.0.7&port=80&revision=" + strings.Repeat("r", 129): `revision is longer than 128 bytes`,
		"ip=10.0.0.7&port=80&load.cpu=hot":                         `load.cpu "hot" is not valid`,
		"ip=" + strings.Repeat("1", 70<<10):                        `the body is no form`,
		"ip=%zz":                                                   `the body is no form`,
	} {
		b.want(400, want, "POST", "/v1/registration/shop", form)
	}
	b.want(400, "the body is no object of JSON", "POST", "/v1/registration/shop", "[]", "Content-Type", "application/json")
	b.want(400, `service "a b" is not valid`, "POST", "/v1/registration/a%20b", checkIn)
	b.want(400, `service "a/b" is not valid`, "GET", "/v1/registration/a%2fb", "")
	b.want(400, "must be an IP address", "DELETE", "/v1/registration/shop/here", "")
	b.want(405, "", "PUT", "/v1/registration/shop", "")
	if b.r.Size() != 0 {
		t.Errorf("%d hosts", b.r.Size())
	}
	b.want(200, "", "POST", "/v1/registration/shop", "ip=10.0.0.1&port=80")
	b.want(507, "there are 1 services already", "POST", "/v1/registration/cart", "ip=10.0.0.1&port=80")
	b.want(200, "", "POST", "/v1/registration/shop", "ip=10.0.0.2&port=80")
	b.want(507, "there are 2 hosts already", "POST", "/v1/registration/shop", "ip=10.0.0.3&port=80")
	b.want(200, "", "POST", "/v1/registration/shop", "ip=10.0.0.2&port=80") // who is there may go on
}

func TestReposAndTables(t *testing.T) {
	b := newBench(t, Options{})
	b.want(200, "", "POST", "/v1/registration/shop", checkIn+tags)
	b.want(200, "", "POST", "/v1/registration/cart", "ip=10.0.0.8&port=80&service_repo_name=shop-repo&load.cpu=0.07&revision=%1b[31m")
	b.want(200, "", "POST", "/v1/registration/else", "ip=10.0.0.9&port=80")
	var l List
	_, body := b.ask("GET", "/v1/registration/repo/shop-repo", "")
	if err := json.Unmarshal([]byte(body), &l); err != nil || len(l.Hosts) != 2 || l.Hosts[0].Service != "cart" {
		t.Errorf("of the repository: %s, %v", body, err)
	}
	b.pass(3 * time.Second)
	_, body = b.ask("GET", "/v1/registration/repo/shop-repo", "", "Accept", "text/plain")
	want := "SERVICE  ADDRESS        WEIGHT  AZ     CANARY  REVISION  SEEN    CPU  MEMORY  QPS\n" +
		"cart     10.0.0.8:80    -       -      -       \"\\x1b[31m\"  3s ago  7%   -       -\n" +
		"shop     10.0.0.7:8080  50      eu-1a  true    abc       3s ago  -    -       -\n"
	if squeeze(body) != squeeze(want) {
		t.Errorf("got\n%s\nwant\n%s", body, want)
	}
	b.want(200, "SERVICE  HOSTS\ncart     1\nelse     1\nshop     1\n", "GET", "/", "", "Accept", "text/plain")
	b.want(200, `{"services":[{"service":"cart","hosts":1},{"service":"else","hosts":1},{"service":"shop","hosts":1}]}`, "GET", "/v1/registration", "")
	b.want(200, "shop", "GET", "/v1/registration/shop?format=text", "")
}

func squeeze(s string) string {
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

func TestATokenIsWantedOfEverybody(t *testing.T) {
	server := httptest.NewServer(Handler(New(Options{}), time.Now, "secret"))
	defer server.Close()
	for _, given := range []string{"", "Bearer wrong", "secret", "Basic secret", "Bearer secret"} {
		q, _ := http.NewRequest("GET", server.URL+"/v1/registration", nil)
		q.Header.Set("Authorization", given)
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if ok := a.StatusCode == 200; ok != (given == "Bearer secret") || !ok && a.StatusCode != 401 {
			t.Errorf("%q: %s", given, a.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
