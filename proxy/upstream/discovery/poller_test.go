package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	registers "github.com/pitot-io/pitot/proxy/registry"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// watched is a cluster whose events are kept.
type watched struct {
	*upstream.Cluster
	mu   sync.Mutex
	told []string
}

func newWatched(o upstream.Options) *watched {
	w := new(watched)
	o.Name, o.Tell = "shop", func(n *event.Notice) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, n.Severity.String()+" "+n.Body)
	}
	w.Cluster = upstream.New(o)
	return w
}

// events are those told since they were asked for last.
func (w *watched) events() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.told = nil }()
	return strings.Join(w.told, "\n")
}

func (w *watched) members() string {
	var all []string
	for _, h := range w.Hosts() {
		s := h.Address()
		if h.Weight() > 1 {
			s += fmt.Sprintf("*%d", h.Weight())
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

// counts are attempts, successes, failures, empty and rejected answers, and those
// that changed nothing.
func (w *watched) counts() string {
	u := w.Updates()
	return fmt.Sprint(u.Attempt.Load(), u.Success.Load(), u.Failure.Load(), u.Empty.Load(), u.Rejected.Load(), u.Same.Load())
}

// script is a source that answers as it is told.
type script struct {
	answer Answer
	err    error
}

func (s *script) Fetch(context.Context) (Answer, error) { return s.answer, s.err }

func TestWhatWasKnownStaysWhenDiscoveryFails(t *testing.T) {
	c, s := newWatched(upstream.Options{}), new(script)
	p := NewPoller(s, Options{Cluster: c.Cluster, Refresh: 5 * time.Second, Jitter: 2 * time.Second, Random: func() float64 { return 0.5 }})
	now := time.Unix(1000, 0)
	for i, step := range []struct {
		answer  string // of addresses; "!" for a failure, "?" for what cannot be used
		wait    time.Duration
		members string
		events  string
	}{
		{"a b", 6 * time.Second, "a b", `info cluster "shop" has 2 hosts: 2 came, 0 went`},
		{"a b", 6 * time.Second, "a b", ""},
		{"!", 750 * time.Millisecond, "a b", `warn discovery of cluster "shop" failed: nobody answers; what was known stays`},
		{"!", 1500 * time.Millisecond, "a b", ""},
		{"!", 3 * time.Second, "a b", ""},
		{"!", 6 * time.Second, "a b", ""},
		{"!", 7500 * time.Millisecond, "a b", ""},
		{"!", 7500 * time.Millisecond, "a b", ""},
		{"a b", 6 * time.Second, "a b", `info discovery of cluster "shop" answers again`},
		{"?", 750 * time.Millisecond, "a b", ""}, // may lie in the middle of something
		{"a", 6 * time.Second, "a", `info cluster "shop" has 1 hosts: 0 came, 1 went`},
		{"?", 750 * time.Millisecond, "a", ""},
		{"?", 1500 * time.Millisecond, "a", `warn discovery of cluster "shop" failed: cannot be used: letters; what was known stays`},
		{"", 6 * time.Second, "", "warn cluster \"shop\" has 0 hosts: 0 came, 1 went\ninfo discovery of cluster \"shop\" answers again"},
	} {
		switch step.answer {
		case "!":
			s.err = errors.New("nobody answers")
		case "?":
			s.err = fmt.Errorf("%w: letters", errRejected)
		default:
			s.answer, s.err = Answer{Endpoints: upstream.Addresses(strings.Fields(step.answer)...)}, nil
		}
		if wait := p.Step(t.Context(), now); wait != step.wait {
			t.Errorf("step %d: waits for %v, want %v", i, wait, step.wait)
		}
		if got := c.members(); got != step.members {
			t.Errorf("step %d: %q, want %q", i, got, step.members)
		}
		if got := c.events(); got != step.events {
			t.Errorf("step %d: told %q, want %q", i, got, step.events)
		}
	}
	if got := c.counts(); got != "14 5 6 1 3 2" {
		t.Errorf("counts %s", got)
	}
}

func TestAnAnswerHoldsForItsTTL(t *testing.T) {
	c := newWatched(upstream.Options{})
	p := NewPoller(&script{answer: Answer{TTL: 42 * time.Second}}, Options{Cluster: c.Cluster})
	if wait := p.Step(t.Context(), time.Unix(1, 0)); wait != 42*time.Second {
		t.Errorf("waits for %v", wait)
	}
}

func TestTheEndIsNoFailure(t *testing.T) {
	c := newWatched(upstream.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	NewPoller(&script{err: context.Canceled}, Options{Cluster: c.Cluster}).Step(ctx, time.Unix(1, 0))
	if c.counts() != "0 0 0 0 0 0" || c.events() != "" {
		t.Errorf("%s %s", c.counts(), c.events())
	}
}

// replace puts a file in the place of another at once.
func replace(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func TestAFileIsReadWhenItWasReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.yaml")
	c := newWatched(upstream.Options{})
	p := NewPoller(of(t, "type: file, path: "+path), Options{Cluster: c.Cluster, Refresh: time.Second, RetryBase: time.Second, RetryMax: time.Second})
	step := func(members, counts, words string) {
		t.Helper()
		p.Step(t.Context(), time.Unix(1, 0))
		if got := c.members(); got != members {
			t.Errorf("members %q, want %q", got, members)
		}
		if got := c.counts(); got != counts {
			t.Errorf("counts %s, want %s", got, counts)
		}
		if got := c.events(); !strings.Contains(got, words) || words == "" && got != "" {
			t.Errorf("told %q, want %q", got, words)
		}
	}
	step("", "1 0 1 0 0 0", "no such file")
	replace(t, path, "[\"10.0.0.1:80\", {address: \"10.0.0.2:80\", weight: 3}]")
	step("10.0.0.1:80 10.0.0.2:80*3", "2 1 1 0 0 0", "answers again")
	step("10.0.0.1:80 10.0.0.2:80*3", "2 1 1 0 0 0", "") // one stat
	replace(t, path, "[\"10.0.0.1\"]")
	step("10.0.0.1:80 10.0.0.2:80*3", "3 1 1 0 1 0", "")
	step("10.0.0.1:80 10.0.0.2:80*3", "4 1 1 0 2 0", `shop.yaml:1: endpoints[0]: "10.0.0.1" is not valid`)
	step("10.0.0.1:80 10.0.0.2:80*3", "5 1 1 0 3 0", "")
	replace(t, path, `{"endpoints": ["10.0.0.3:80"]}`)
	step("10.0.0.3:80", "6 2 1 0 3 0", "answers again")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	step("10.0.0.3:80", "7 2 2 0 3 0", "no such file")
	replace(t, path, "[]")
	step("", "8 3 2 1 3 0", "0 hosts")
	// As a Kubernetes ConfigMap is replaced: the name leads elsewhere.
	other := filepath.Join(t.TempDir(), "other")
	if err := errors.Join(os.WriteFile(other, []byte("- 10.0.0.4:80"), 0o600), os.Symlink(other, path+".link"), os.Rename(path+".link", path)); err != nil {
		t.Fatal(err)
	}
	step("10.0.0.4:80", "9 4 2 1 3 0", "1 came")
}

func TestARegistryIsAskedWhoChanged(t *testing.T) {
	now := time.Unix(1000, 0)
	r := registers.New(registers.Options{})
	server := httptest.NewServer(registers.Handler(r, func() time.Time { return now }, "secret"))
	defer server.Close()
	c := newWatched(upstream.Options{Checked: true, Steer: &upstream.Steering{Blackout: time.Nanosecond}})
	source := of(t, "type: registry, service: shop, token: secret, url: \""+server.URL+"\"").(*registry)
	defer source.Close()
	p := NewPoller(source, Options{Cluster: c.Cluster})
	step := func(members, counts string) {
		t.Helper()
		p.Step(t.Context(), now)
		if got := c.members(); got != members {
			t.Errorf("members %q, want %q", got, members)
		}
		if got := c.counts(); got != counts {
			t.Errorf("counts %s, want %s", got, counts)
		}
	}
	register := func(address string, load *registers.Load) {
		t.Helper()
		if err := r.Register(now, registers.Registration{Service: "shop", Address: netip.MustParseAddrPort(address), Revision: "r7", Load: load,
			Tags: registers.Tags{"az": "eu-1a", "region": "eu", "canary": true, "cores": 12345678.0, "load_balancing_weight": 50.0}}); err != nil {
			t.Fatal(err)
		}
	}
	step("", "1 1 0 1 0 1")
	register("10.0.0.2:80", nil)
	register("10.0.0.1:80", nil)
	step("10.0.0.1:80*50 10.0.0.2:80*50", "2 2 0 1 0 1")
	h := c.Hosts()[0].Endpoint()
	if h.Locality != (upstream.Locality{Region: "eu", Zone: "eu-1a"}) || fmt.Sprint(h.Metadata) != "map[az:eu-1a canary:true cores:12345678 region:eu revision:r7]" {
		t.Errorf("%+v", h)
	}
	register("10.0.0.1:80", nil)
	step("10.0.0.1:80*50 10.0.0.2:80*50", "3 3 0 1 0 2") // 304
	register("10.0.0.1:80", &registers.Load{CPU: 0.5, QPS: 100})
	register("10.0.0.2:80", &registers.Load{CPU: 0.5, QPS: 300})
	step("10.0.0.1:80*50 10.0.0.2:80*50", "4 4 0 1 0 3")
	now = now.Add(time.Second)
	register("10.0.0.2:80", &registers.Load{CPU: 0.5, QPS: 301})
	step("10.0.0.1:80*499 10.0.0.2:80*1501", "5 5 0 1 0 4") // who is busy gets less
	now = now.Add(time.Hour)                                // nobody checks in any more: hosts that checks find healthy stay
	step("10.0.0.1:80*499 10.0.0.2:80*1501", "6 6 0 2 0 4")
}

func TestWhatARegistrySaysIsJudged(t *testing.T) {
	answer := struct {
		sync.Mutex
		status int
		body   string
	}{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		answer.Lock()
		defer answer.Unlock()
		w.WriteHeader(answer.status)
		fmt.Fprint(w, answer.body)
	}))
	defer server.Close()
	source := of(t, "type: registry, service: shop, url: \""+server.URL+"/\"").(*registry)
	defer source.Close()
	for _, c := range []struct {
		status     int
		body, want string
		rejected   bool
	}{
		{200, `{"hosts":[{"ip_address":"10.0.0.1","port":80}]}`, "10.0.0.1:80", false},
		{200, `{"hosts":[{"ip_address":"::ffff:10.0.0.1","port":80,"unknown":{}}]}`, "10.0.0.1:80", false},
		{200, `{"hosts":[]}`, "", false},
		{304, ``, "304", false}, // nobody asked for that
		{500, `{"hosts":[]}`, "500 Internal Server Error", false},
		{404, `{"hosts":[]}`, "404", false},
		{200, ``, "not as it must be", true},
		{200, `{}`, "no list of hosts", true},
		{200, `{"hosts":null}`, "no list of hosts", true},
		{200, `[]`, "not as it must be", true},
		{200, `{"hosts":[{"ip_address":"10.0.0.1","port":80},{"ip_address":"shop","port":80}]}`, "host 1 of the answer", true},
		{200, `{"hosts":[{"ip_address":"10.0.0.1","port":0}]}`, "has no port", true},
		{200, `{"hosts":[{"ip_address":"10.0.0.1","port":65536}]}`, "not as it must be", true},
		{200, `{"hosts":[{"ip_address":"10.0.0.1","port":80,"tags":{"load_balancing_weight":"heavy"}}]}`, "must be from 1 to 100", true},
		{200, `{"hosts":[{"ip_address":"10.0.0.1","port":80,"tags":{"load_balancing_weight":101}}]}`, "must be from 1 to 100", true},
	} {
		answer.Lock()
		answer.status, answer.body = c.status, c.body
		answer.Unlock()
		a, err := source.Fetch(t.Context())
		if got := shown(a); err == nil && got != c.want || err != nil && !strings.Contains(err.Error(), c.want) || c.rejected != errors.Is(err, errRejected) {
			t.Errorf("%d %s: %s, %v", c.status, c.body, got, err)
		}
	}
}

func TestRunAsksUntilItsEnd(t *testing.T) {
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		select {
		case asked <- struct{}{}:
		case <-q.Context().Done():
		}
		fmt.Fprint(w, `{"hosts":[]}`)
	}))
	defer server.Close()
	c := newWatched(upstream.Options{})
	p := NewPoller(of(t, "type: registry, service: shop, url: \""+server.URL+"\""), Options{Cluster: c.Cluster, Refresh: time.Millisecond})
	defer p.Close()
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	for range 3 {
		<-asked
	}
	end()
	running.Wait()
}

func FuzzParseHosts(f *testing.F) {
	f.Add([]byte(`{"hosts":[{"ip_address":"10.0.0.1","port":80,"tags":{"az":"a","load_balancing_weight":5},"load":{"cpu":0.5}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseHosts(b)
		if err != nil {
			return
		}
		for _, e := range a.Endpoints {
			if _, err := netip.ParseAddrPort(e.Address); err != nil || e.Weight > maxShare {
				t.Errorf("%+v: %v", e, err)
			}
		}
	})
}
