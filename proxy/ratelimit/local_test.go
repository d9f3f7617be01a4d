package ratelimit

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// limits reads rate limits as a configuration has them.
func limits(t testing.TB, text string) []config.RateLimit {
	t.Helper()
	return limitsOf(t, "http", text)
}

// limitsOf reads those of a listener of that protocol.
func limitsOf(t testing.TB, protocol, text string) []config.RateLimit {
	t.Helper()
	doc := "listeners:\n- name: web\n  address: 127.0.0.1:0\n  protocol: " + protocol + "\n  cluster: shop\n  rate_limits:\n" + indent(text) +
		"clusters: [{name: shop, endpoints: [\"127.0.0.1:9\"]}]\nrate_limit_service: {address: \"127.0.0.1:9\", domain: test}\n"
	c, err := config.Parse("test.yaml", []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return c.Listeners[0].RateLimits
}

func indent(text string) (all string) {
	for l := range strings.Lines(strings.TrimSpace(text) + "\n") {
		all += "  " + l
	}
	return all
}

// notices keeps what is told.
type notices struct {
	mu  sync.Mutex
	all []string
}

func (n *notices) take(e *event.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	line := e.Name + " " + e.Body
	for _, a := range e.Attributes {
		line += " " + a.Key + "=" + a.Value
	}
	n.all = append(n.all, line)
}

func (n *notices) drain() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = nil
	return all
}

func guard(t testing.TB, text string) (*Guard, *notices) {
	t.Helper()
	heard := new(notices)
	s := NewSet(heard.take)
	if _, ok := t.(*testing.T); ok {
		s.now = func() int64 { return 0 }
	}
	g, err := s.Guard(nil, limits(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return g, heard
}

// question is a request, as "GET /path from 10.0.0.1", with fields after it.
func question(t testing.TB, head string) *route.Question {
	t.Helper()
	lines := strings.Split(head, "\n")
	var method, target, from string
	if _, err := fmt.Sscanf(lines[0], "%s %s from %s", &method, &target, &from); err != nil {
		t.Fatal(head, err)
	}
	text := method + " " + target + " HTTP/1.1\r\nHost: shop\r\n" + strings.Join(append(lines[1:], "", ""), "\r\n")
	h := new(http1.Head)
	if _, err := h.ParseRequest([]byte(text), http1.Strict, decode.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	cluster := upstream.New(upstream.Options{Name: "shop", Endpoints: upstream.Addresses("127.0.0.1:9")})
	return &route.Question{Head: h, Exchange: &event.Exchange{Peer: "cart"}, Client: netip.MustParseAddr(from), Route: &route.Route{Name: "all"}, Cluster: cluster}
}

func keyOf(t *testing.T, actions string, head string) string {
	t.Helper()
	g, _ := guard(t, "- token_bucket: {max_tokens: 1, fill_interval: 1s}\n  actions: "+actions)
	e := g.local[0].entry((*request)(question(t, head)), 0)
	if e == nil {
		return ""
	}
	return shown(e.key)
}

func TestKeysOfDescriptors(t *testing.T) {
	for _, c := range []struct{ actions, head, want string }{
		{"[{remote_address: {}}]", "GET / from 10.1.2.3", "remote_address=10.1.2.3"},
		{"[{remote_address: {}}]", "GET / from ::ffff:10.1.2.3", "remote_address=10.1.2.3"},
		{"[{masked_remote_address: {v4_prefix_mask_len: 16}}]", "GET / from 10.1.2.3", "masked_remote_address=10.1.0.0/16"},
		{"[{masked_remote_address: {v6_prefix_mask_len: 48}}]", "GET / from 2001:db8:1:2::5", "masked_remote_address=2001:db8:1::/48"},
		{"[{source_cluster: {}}, {destination_cluster: {}}, {route: {}}]", "GET / from 1.1.1.1", "source_cluster=cart, destination_cluster=shop, route=all"},
		{"[{generic_key: {descriptor_value: web}}]", "GET / from 1.1.1.1", "generic_key=web"},
		{"[{generic_key: {descriptor_value: web, descriptor_key: who}}]", "GET / from 1.1.1.1", "who=web"},
		{"[{request_headers: {header_name: X-Tenant, descriptor_key: tenant}}]", "GET / from 1.1.1.1\nx-tenant: acme", "tenant=acme"},
		{"[{request_headers: {header_name: x-tenant}}]", "GET / from 1.1.1.1", ""},
		{"[{route: {}}, {request_headers: {header_name: x-tenant, skip_if_absent: true}}]", "GET / from 1.1.1.1", "route=all, x-tenant="},
		{"[{request_headers: {header_name: ':method'}}, {request_headers: {header_name: ':path'}}]", "PUT /a?b=c from 1.1.1.1", ":method=PUT, :path=/a"},
		{"[{request_headers: {header_name: ':authority'}}]", "GET / from 1.1.1.1", ":authority=shop"},
		{"[{query_parameters: {query_parameter_name: user}}]", "GET /?a=1&user=b%20c from 1.1.1.1", "user=b c"},
		{"[{query_parameters: {query_parameter_name: user}}]", "GET /?a=1 from 1.1.1.1", ""},
		{"[{query_parameters: {query_parameter_name: user}}]", "GET /?user=a%1fb%00 from 1.1.1.1", "user=a?b?"},
		{"[{header_value_match: {descriptor_value: beta, headers: [{name: x-plan, exact: b}]}}]", "GET / from 1.1.1.1\nx-plan: b", "header_match=beta"},
		{"[{header_value_match: {descriptor_value: beta, headers: [{name: x-plan, exact: b}]}}]", "GET / from 1.1.1.1", ""},
		{"[{header_value_match: {descriptor_value: others, expect_match: false, headers: [{name: x-plan, exact: b}]}}]", "GET / from 1.1.1.1", "header_match=others"},
		{"[{query_parameter_value_match: {descriptor_value: v, query_parameters: [{name: q, present: true}]}}]", "GET /?q from 1.1.1.1", "query_match=v"},
		{"[{grpc_service: {}}, {grpc_method: {}}]", "POST /shop.Cart/Add from 1.1.1.1\ncontent-type: application/grpc", "grpc_service=shop.Cart, grpc_method=shop.Cart/Add"},
		{"[{grpc_method: {}}]", "POST /shop.Cart/Add from 1.1.1.1", ""},
	} {
		if got := keyOf(t, c.actions, c.head); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.actions, c.head, got, c.want)
		}
	}
}

// A secret is counted by, and not told; what is long is cut, and still told apart.
func TestKeysHideSecretsAndAreBounded(t *testing.T) {
	g, _ := guard(t, "- token_bucket: {max_tokens: 1, fill_interval: 1h}\n  actions: [{request_headers: {header_name: x-api-key}}, {request_headers: {header_name: x-long}}]")
	l := g.local[0]
	key := func(secret, long string) string {
		return l.entry((*request)(question(t, "GET / from 1.1.1.1\nx-api-key: "+secret+"\nx-long: "+long)), 0).key
	}
	a, b := key("open sesame", "1"), key("open barley", "1")
	if a == b || strings.Contains(a, "sesame") || a != key("open sesame", "1") {
		t.Errorf("%q and %q", a, b)
	}
	x := strings.Repeat("x", 5000)
	if a, b = key("s", x+"1"), key("s", x+"2"); a == b || len(a) > maxKey {
		t.Errorf("%q and %q", a, b)
	}
}

// at asks g about q at a time of its clock, in ns.
func at(g *Guard, q *route.Question, now int64) *route.Failure {
	var t taken
	f := g.count(q, &t, now)
	if f != nil {
		t.giveBack()
	}
	return f
}

func TestEachKeyHasItsOwnBucket(t *testing.T) {
	g, _ := guard(t, "- token_bucket: {max_tokens: 2, fill_interval: 1s}\n  actions: [{remote_address: {}}]")
	a, b := question(t, "GET / from 10.0.0.1"), question(t, "GET / from 10.0.0.2")
	for i, c := range []struct {
		q    *route.Question
		now  int64
		goes bool
	}{{a, 0, true}, {a, 0, true}, {a, 0, false}, {b, 0, true}, {a, 499 * ms, false}, {a, 500 * ms, true}, {b, 500 * ms, true}} {
		f := at(g, c.q, c.now)
		if (f == nil) != c.goes {
			t.Errorf("step %d: %+v", i, f)
		}
		if f != nil && (f.Status != 429 || f.Flags != event.FlagRL || f.GRPC != 8 || string(f.Fields[0].Name) != "x-envoy-ratelimited") {
			t.Errorf("%+v", f)
		}
	}
}

// Who is beyond a limit of its own uses nothing up of those that all share.
func TestARefusedRequestCountsForNoOtherLimit(t *testing.T) {
	g, _ := guard(t, `
- name: all
  token_bucket: {max_tokens: 10, fill_interval: 1h}
- name: each
  token_bucket: {max_tokens: 1, fill_interval: 1h}
  actions: [{remote_address: {}}]`)
	greedy := question(t, "GET / from 10.0.0.1")
	for range 100 {
		at(g, greedy, 0)
	}
	if left := g.local[0].whole.left(&g.local[0].rate, 0); left != 9 {
		t.Errorf("%d of 10 are left for others, want 9", left)
	}
}

func TestShadowCountsAndLetsGoOn(t *testing.T) {
	g, heard := guard(t, "- name: shy\n  enforce: false\n  token_bucket: {max_tokens: 1, fill_interval: 1h}")
	q := question(t, "GET / from 10.0.0.1")
	for range 3 {
		if f := at(g, q, 0); f != nil {
			t.Fatal(f)
		}
	}
	l := g.local[0]
	if l.enabled.Load() != 3 || l.ok.Load() != 1 || l.limited.Load() != 2 || l.enforced.Load() != 0 {
		t.Errorf("%+v", l.Stats())
	}
	if all := heard.drain(); len(all) != 1 || !strings.Contains(all[0], `rate limit "shy" would refuse requests of all clients`) {
		t.Errorf("%q", all)
	}
}

// The beginning and the end are told of each key, and not each request.
func TestLimitingIsToldWhenItBeginsAndEnds(t *testing.T) {
	g, heard := guard(t, "- name: each\n  token_bucket: {max_tokens: 1, fill_interval: 1h}\n  actions: [{remote_address: {}}]")
	q := question(t, "GET / from 10.0.0.1")
	for i := range int64(50) {
		at(g, q, i*ms)
	}
	l := g.local[0]
	quiet := l.telling.quiet
	g.set.sweep(40*ms+quiet, false)
	if all := heard.drain(); len(all) != 1 || !strings.Contains(all[0], "pitot.phase=begin") || !strings.Contains(all[0], "pitot.rate_limit.key=remote_address=10.0.0.1") {
		t.Fatalf("%q", all)
	}
	g.set.sweep(50*ms+quiet, false)
	if all := heard.drain(); len(all) != 1 || !strings.Contains(all[0], "pitot.phase=end") || !strings.Contains(all[0], "pitot.rate_limit.refused=49") {
		t.Fatalf("%q", all)
	}
	at(g, q, 60*ms+quiet)
	if all := heard.drain(); len(all) != 1 || !strings.Contains(all[0], "pitot.phase=begin") {
		t.Fatalf("%q", all)
	}
}

func TestManyKeysAreNotAllTold(t *testing.T) {
	g, heard := guard(t, "- token_bucket: {max_tokens: 1, fill_interval: 1h}\n  actions: [{remote_address: {}}]")
	for i := range 300 {
		q := question(t, fmt.Sprintf("GET / from 10.0.%d.%d", i/250, i%250))
		for range 3 {
			at(g, q, 0)
		}
	}
	if n := len(heard.drain()); n != maxTold {
		t.Errorf("%d were told", n)
	}
	if n := g.local[0].telling.untold.Load(); n != 300-maxTold {
		t.Errorf("%d were not", n)
	}
}

func TestHeadersTellOfTheTightestLimit(t *testing.T) {
	g, _ := guard(t, `
- name: all
  headers: true
  token_bucket: {max_tokens: 10, fill_interval: 10s}
- name: each
  headers: true
  token_bucket: {max_tokens: 2, fill_interval: 30s}
  actions: [{remote_address: {}}]`)
	for _, want := range []string{"2 1 0", "2 0 15", "2 0 15"} {
		q := question(t, "GET / from 10.0.0.1")
		at(g, q, 0)
		var got []string
		for _, f := range q.Answer {
			got = append(got, string(f.Value))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A configuration that leaves a limit as it is leaves what it has counted.
func TestLimitsOutliveAReload(t *testing.T) {
	heard := new(notices)
	s := NewSet(heard.take)
	s.now = func() int64 { return 0 }
	const text = "- name: a\n  token_bucket: {max_tokens: 1, fill_interval: 1h}\n- name: b\n  token_bucket: {max_tokens: 1, fill_interval: 1h}"
	before, err := s.Guard(nil, limits(t, text))
	if err != nil {
		t.Fatal(err)
	}
	at(before, question(t, "GET / from 1.1.1.1"), 0)
	at(before, question(t, "GET / from 1.1.1.1"), 0)
	now := limits(t, strings.Replace(text, "max_tokens: 1", "max_tokens: 2", 1))
	after, err := s.Guard(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	s.Keep(&config.Config{Listeners: []config.Listener{{RateLimits: now}}})
	if before.local[1] != after.local[1] || before.local[0] == after.local[0] || len(s.all()) != 2 {
		t.Errorf("%d limits", len(s.all()))
	}
	if all := heard.drain(); len(all) != 2 || !strings.Contains(all[1], "pitot.phase=end") {
		t.Errorf("%q", all)
	}
}

func TestRunTellsTheEndWhenTheProxyEnds(t *testing.T) {
	g, heard := guard(t, "- token_bucket: {max_tokens: 1, fill_interval: 1h}")
	ctx, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { g.set.Run(ctx) })
	for range 2 {
		g.Admit(ctx, question(t, "GET / from 1.1.1.1"))
	}
	end()
	running.Wait()
	if all := heard.drain(); len(all) != 2 {
		t.Errorf("%q", all)
	}
}

func TestGuardUnderConcurrency(t *testing.T) {
	g, _ := guard(t, `
- token_bucket: {max_tokens: 500, fill_interval: 1h}
- token_bucket: {max_tokens: 100, fill_interval: 1h}
  max_keys: 4
  actions: [{remote_address: {}}]`)
	var all sync.WaitGroup
	var went atomic.Int64
	for i := range 8 {
		all.Go(func() {
			q := question(t, fmt.Sprintf("GET / from 10.0.0.%d", i%4))
			for range 300 {
				if g.Admit(t.Context(), q) == nil {
					went.Add(1)
				}
			}
		})
	}
	all.Wait()
	if went.Load() != 400 { // 4 clients with 100 each
		t.Errorf("%d went on", went.Load())
	}
}

// A decision about a key that is known allocates nothing, be it yes or no.
func TestDecisionsAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector has pools drop things")
	}
	const text = "- token_bucket: {max_tokens: %d, fill_interval: 1h}\n  actions: [{remote_address: {}}, {request_headers: {header_name: x-tenant}}, {route: {}}]"
	for _, tokens := range []int{1, 1_000_000} {
		g, _ := guard(t, fmt.Sprintf(text, tokens))
		q := question(t, "GET / from 10.0.0.1\nx-tenant: acme")
		g.Admit(t.Context(), q)
		g.Admit(t.Context(), q)
		ctx := t.Context()
		if n := testing.AllocsPerRun(1000, func() { g.Admit(ctx, q) }); n != 0 {
			t.Errorf("%d tokens: %v allocations", tokens, n)
		}
	}
}

func BenchmarkDecision(b *testing.B) {
	for name, actions := range map[string]string{"all": "[]", "client": "[{remote_address: {}}]", "client+header": "[{remote_address: {}}, {request_headers: {header_name: x-tenant}}]"} {
		b.Run(name, func(b *testing.B) {
			g, _ := guard(b, "- token_bucket: {max_tokens: 1000000, tokens_per_fill: 1000000, fill_interval: 1ms}\n  actions: "+actions)
			q := question(b, "GET / from 10.0.0.1\nx-tenant: acme")
			b.ReportAllocs()
			for b.Loop() {
				g.Admit(b.Context(), q)
			}
		})
	}
}
