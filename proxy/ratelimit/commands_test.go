package ratelimit

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	decodemongo "github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/mongo"
)

// commands asks the limits of a listener.
func commands(t testing.TB, text string) (*Commands, *notices) {
	t.Helper()
	heard := new(notices)
	s := NewSet(heard.take)
	s.now = func() int64 { return 0 }
	g, err := s.Commands(limitsOf(t, "mongodb", text))
	if err != nil {
		t.Fatal(err)
	}
	return g, heard
}

// find is a command of a client, at a place in the code.
func find(database, collection, from string) *mongo.Command {
	return &mongo.Command{
		Request: decodemongo.Request{Mongo: &event.Mongo{Operation: "find", Database: database, Collection: collection, Application: "checkout", Site: event.CallSite{File: "cart.go", Line: 17, Function: "loadCart"}}},
		Client:  netip.MustParseAddr(from), Cluster: "shop",
	}
}

func TestKeysOfCommands(t *testing.T) {
	for _, c := range []struct{ actions, want string }{
		{"[{mongodb_command: {}}, {mongodb_database: {}}]", "mongodb_command=find, mongodb_database=shop"},
		{"[{mongodb_collection: {}}]", "mongodb_collection=shop.carts"},
		{"[{mongodb_call_site: {}}]", "mongodb_call_site=cart.go:17"},
		{"[{mongodb_application: {}}]", "mongodb_application=checkout"},
		{"[{mongodb_application: {only: [reports, checkout]}}]", "mongodb_application=checkout"},
		{"[{mongodb_application: {only: [reports]}}]", ""},
		{"[{remote_address: {}}, {destination_cluster: {}}, {generic_key: {descriptor_value: all}}]", "remote_address=10.1.2.3, destination_cluster=shop, generic_key=all"},
		{"[{masked_remote_address: {v4_prefix_mask_len: 16}}]", "masked_remote_address=10.1.0.0/16"},
		{"[{mongodb_command: {only: [insert, FIND]}}]", "mongodb_command=find"},
		{"[{mongodb_command: {only: [insert]}}]", ""},
		{"[{mongodb_collection: {only: [carts]}}]", "mongodb_collection=shop.carts"},
		{"[{mongodb_collection: {only: [shop.carts]}}]", "mongodb_collection=shop.carts"},
		{"[{mongodb_collection: {only: [other.carts, orders]}}]", ""},
		{"[{mongodb_database: {only: [other]}}]", ""},
		{"[{mongodb_call_site: {only: [loadCart]}}]", "mongodb_call_site=cart.go:17"},
		{"[{mongodb_call_site: {only: [saveCart]}}]", ""},
	} {
		g, _ := commands(t, "- token_bucket: {max_tokens: 1, fill_interval: 1s}\n  actions: "+c.actions)
		got := ""
		if e := g.limits[0].entry((*command)(find("shop", "carts", "10.1.2.3")), 0); e != nil {
			got = shown(e.key)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.actions, got, c.want)
		}
	}
}

// A place in the code that a comment tells in another form is one, too; none is
// no key.
func TestKeysOfCallSites(t *testing.T) {
	g, _ := commands(t, "- token_bucket: {max_tokens: 1, fill_interval: 1s}\n  actions: [{mongodb_call_site: {}}]")
	for _, c := range []struct {
		site event.CallSite
		want string
	}{
		{event.CallSite{Function: "load", File: "a.go"}, "mongodb_call_site=load"}, {event.CallSite{File: "a.go"}, "mongodb_call_site=a.go"},
		{event.CallSite{Name: "cart page"}, "mongodb_call_site=cart page"}, {event.CallSite{Text: "no place"}, ""},
	} {
		q, got := find("shop", "carts", "10.0.0.1"), ""
		q.Site = c.site
		if e := g.limits[0].entry((*command)(q), 0); e != nil {
			got = e.key
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.site, got, c.want)
		}
	}
}

func TestCommandsBeyondALimitAreRefused(t *testing.T) {
	g, heard := commands(t, `
- name: all
  token_bucket: {max_tokens: 10, fill_interval: 1h}
- name: each
  token_bucket: {max_tokens: 1, fill_interval: 1h}
  actions: [{mongodb_collection: {}}]`)
	carts, orders := find("shop", "carts", "10.0.0.1"), find("shop", "orders", "10.0.0.1")
	for i, c := range []struct {
		c    *mongo.Command
		goes bool
	}{{carts, true}, {carts, false}, {carts, false}, {orders, true}, {orders, false}} {
		r := g.Admit(c.c)
		if (r == nil) != c.goes {
			t.Errorf("step %d: %+v", i, r)
		}
		if r != nil && (r.Code != 462 || r.Flags != event.FlagRL || !slices.Contains(r.Labels, "RetryableError") || !strings.Contains(r.Message, `"each"`)) {
			t.Errorf("step %d: %+v", i, r)
		}
	}
	if left := g.limits[0].whole.left(&g.limits[0].rate, 0); left != 8 {
		t.Errorf("%d of 10 are left for others, want 8: what one limit refuses counts for no other", left)
	}
	if all := heard.drain(); len(all) != 2 || !strings.Contains(all[0], `rate limit "each" refuses requests of mongodb_collection=shop.carts`) {
		t.Errorf("%q", all)
	}
}

// What drivers say of their own accord, and what ends something, is limited
// where it is named, and only there.
func TestHandshakesAreSpared(t *testing.T) {
	g, _ := commands(t, `
- name: all
  token_bucket: {max_tokens: 1, fill_interval: 1h}
- name: pings
  token_bucket: {max_tokens: 1, fill_interval: 1h}
  actions: [{mongodb_command: {only: [ping]}}]`)
	hello, kill, ping := find("admin", "", "10.0.0.1"), find("shop", "carts", "10.0.0.1"), find("admin", "", "10.0.0.1")
	hello.Operation, hello.Handshake = "hello", true
	kill.Operation = "killCursors"
	ping.Operation, ping.Chatter = "ping", true
	for range 3 {
		if a, b := g.Admit(hello), g.Admit(kill); a != nil || b != nil {
			t.Errorf("%+v, %+v", a, b)
		}
	}
	if a, b := g.Admit(ping), g.Admit(ping); a != nil || b == nil {
		t.Errorf("%+v, %+v", a, b)
	}
	if n := g.limits[0].enabled.Load(); n != 0 {
		t.Errorf("%d counted", n)
	}
}

// Limits of a listener that speaks both are each asked about what they are for.
func TestLimitsOfBothProtocols(t *testing.T) {
	all := limitsOf(t, "auto", `
- {name: both, token_bucket: {max_tokens: 3, fill_interval: 1h}}
- {name: web, token_bucket: {max_tokens: 1, fill_interval: 1h}, actions: [{request_headers: {header_name: x}}]}
- {name: db, token_bucket: {max_tokens: 1, fill_interval: 1h}, actions: [{mongodb_command: {}}]}`)
	s := NewSet(new(notices).take)
	g, err := s.Guard(nil, all)
	c, err2 := s.Commands(all)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	if len(g.local) != 2 || len(c.limits) != 2 || g.local[0] != c.limits[0] || c.limits[1].name != "db" {
		t.Errorf("%+v, %+v", g.local, c.limits)
	}
	if g, err := s.Guard(nil, all[2:]); g != nil || err != nil {
		t.Errorf("%+v, %v", g, err)
	}
	if c, err := s.Commands(all[1:2]); c != nil || err != nil {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestDecisionsAboutCommandsAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector has pools drop things")
	}
	g, _ := commands(t, "- token_bucket: {max_tokens: 5, fill_interval: 1h}\n  actions: [{mongodb_command: {only: [find]}}, {mongodb_collection: {only: [carts]}}, {mongodb_call_site: {only: [cart]}}, {remote_address: {}}]")
	q := find("shop", "carts", "10.0.0.1")
	g.Admit(q)
	if n := testing.AllocsPerRun(1000, func() { g.Admit(q) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// asked asks a guard of commands and, where that wants to ask, the service.
func asked(t *testing.T, g *Commands, c *mongo.Command) *mongo.Refusal {
	t.Helper()
	c.Ask = nil
	r := g.Admit(c)
	if c.Ask != nil {
		if r != nil {
			t.Error("refused, and the service is to be asked")
		}
		r = c.Ask(t.Context())
	}
	return r
}

// globalCommands asks a service at that address about commands.
func globalCommands(t *testing.T, address, text string, change func(*config.RateLimitService)) *Commands {
	t.Helper()
	own, service, _ := asking(t, address, byTenant, change)
	g, err := own.set.Commands(limitsOf(t, "mongodb", text))
	if err != nil {
		t.Fatal(err)
	}
	own.set.Use(service)
	return g
}

func TestQuestionsAboutCommands(t *testing.T) {
	s := &counting{}
	s.always(fine)
	address, _ := s.listen(t, "127.0.0.1:0")
	const all = "- {global: true, hits_addend: 3, limit_override: {requests_per_unit: 9, unit: hour}, actions: [{mongodb_command: {}}, {mongodb_database: {}}, " +
		"{mongodb_collection: {only: [carts]}}, {mongodb_call_site: {}}, {mongodb_application: {}}, {remote_address: {}}]}\n" +
		"- {global: true, stage: 1, actions: [{mongodb_command: {only: [ping]}}]}"
	g := globalCommands(t, address, all, nil)
	ping := &mongo.Command{Request: decodemongo.Request{Mongo: &event.Mongo{Operation: "ping", Database: "shop"}}}
	ping.Chatter = true
	for _, c := range []struct {
		command *mongo.Command
		want    string
	}{
		{find("shop", "carts", "10.1.2.3"), `domain:"test" descriptors:{entries:{key:"mongodb_command" value:"find"} entries:{key:"mongodb_database" value:"shop"} ` +
			`entries:{key:"mongodb_collection" value:"shop.carts"} entries:{key:"mongodb_call_site" value:"cart.go:17"} entries:{key:"mongodb_application" value:"checkout"} ` +
			`entries:{key:"remote_address" value:"10.1.2.3"} limit:{requests_per_unit:9 unit:HOUR}} hits_addend:3`},
		{find("shop", "orders", "10.1.2.3"), ""},
		{ping, `domain:"test" descriptors:{entries:{key:"mongodb_command" value:"ping"}} hits_addend:1`},
	} {
		if r := asked(t, g, c.command); r != nil {
			t.Errorf("refused: %+v", r)
		}
		if c.want == "" && c.command.Ask != nil {
			t.Error("waits for no question")
		}
		if got := strings.Join(s.questions(), "|"); got != c.want {
			t.Errorf("asked\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestVerdictsAboutCommands(t *testing.T) {
	s := &counting{}
	address, _ := s.listen(t, "127.0.0.1:0")
	over := func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
		return &rls.RateLimitResponse{OverallCode: rls.RateLimitResponse_OVER_LIMIT}, nil
	}
	const carts = "- {global: true, actions: [{mongodb_collection: {}}]}\n"
	const one = carts + "- {token_bucket: {max_tokens: 1, fill_interval: 1h}}\n"
	for _, c := range []struct {
		name, limits string
		answer       func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error)
		deny         bool
		want         string
	}{
		{"over", one, over, false, "462 RL"},
		{"over, in shadow", strings.Replace(carts, "true,", "true, enforce: false,", 1), over, false, ""},
		{"broken", carts, failing, false, ""},
		{"broken, nothing goes on without", one, failing, true, "1 RLSE"},
	} {
		s.answers(c.answer)
		g := globalCommands(t, address, c.limits, func(s *config.RateLimitService) { s.Deny = c.deny })
		for range 3 { // what the service refuses takes none of the tokens here
			got := ""
			if r := asked(t, g, find("shop", "carts", "10.1.2.3")); r != nil {
				got = fmt.Sprintf("%d %s", r.Code, r.Flags)
			}
			if got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
	}
}
