package proxy

import (
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
)

// Both engines send the requests of a client where its hash or its cookie says,
// and give it the cookie.
func TestAffinityThroughTheProxy(t *testing.T) {
	for _, engine := range []string{"fast", "relay"} {
		t.Run(engine, func(t *testing.T) {
			a, b := mirror(t), mirror(t)
			r := run(t, func(c *config.Config) {
				configured(t, `
routes:
- {match: {prefix: /hash}, cluster: main, hash: [{header: x-user}, {cookie: {name: sid, ttl: 1h}}]}
- {match: {prefix: /sticky}, cluster: main, sticky: {cookie: {name: node}, strict: true}}
- {match: {prefix: /green}, cluster: main, subset: {color: green}}
`)(c)
				c.Listeners[0].GRPCWeb = engine == "relay" // has it serve everything
				cl := &c.Clusters[0]
				cl.Policy = "ring_hash"
				cl.Endpoints = config.Addresses(a, b)
				cl.Endpoints[1].Metadata = config.Pairs{{Name: "color", Value: "green"}}
				cl.Balance = config.DefaultBalance()
				cl.Balance.Subsets = &config.Subsets{Fallback: config.FallbackAny, Selectors: []config.Selector{{Keys: []string{"color"}}}}
			}, a)
			at := func(target string, fields ...string) (endpoint, cookie string) {
				t.Helper()
				got := r.ask("GET", target, fields...)
				x := r.next()
				if got.status != 200 {
					t.Errorf("%s: %+v", target, got)
				}
				cookie, _, _ = strings.Cut(got.header.Get("Set-Cookie"), ";")
				return x.Endpoint, cookie
			}
			first, cookie := at("/hash", "x-user: ann")
			if !strings.HasPrefix(cookie, "sid=") {
				t.Fatalf("got the cookie %q", cookie)
			}
			for range 8 {
				if again, more := at("/hash", "x-user: ann", "cookie: "+cookie); again != first || more != "" {
					t.Errorf("%s, then %s with %q", first, again, more)
				}
			}
			first, cookie = at("/sticky")
			for range 8 {
				if again, more := at("/sticky", "cookie: "+cookie); again != first || more != "" {
					t.Errorf("%s, then %s with %q", first, again, more)
				}
			}
			if got := r.ask("GET", "/sticky", "cookie: node=MTAuMC4wLjI6ODA"); got.status != 503 || got.header.Get("Set-Cookie") != "" {
				t.Errorf("a host that is none: %+v", got)
			}
			if x := r.next(); x.Flags != event.FlagUH {
				t.Errorf("a host that is none: %v", x.Flags)
			}
			for range 8 {
				if got, _ := at("/green"); got != b {
					t.Errorf("green is %s, want %s", got, b)
				}
			}
		})
	}
}
