package route

import (
	"math/bits"
	"net/netip"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// hashing is a cluster of a policy that hashes.
func hashing(t testing.TB) *upstream.Cluster {
	t.Helper()
	p, err := upstream.NewPolicy("maglev", upstream.Tuning{})
	if err != nil {
		t.Fatal(err)
	}
	return upstream.New(upstream.Options{Policy: p, Endpoints: upstream.Addresses("10.0.0.1:80", "10.0.0.2:80")})
}

var asker = Asker{Client: netip.MustParseAddr("::ffff:192.0.2.7"), Peer: netip.MustParseAddrPort("192.0.2.7:5000")}

func and(all ...string) (hash uint64) {
	for _, s := range all {
		hash = bits.RotateLeft64(hash, 1) ^ xxhash.Sum64String(s)
	}
	return hash
}

// chained is the hash of several values: each is the next one's seed.
func chained(all ...string) (hash uint64) {
	for _, s := range all {
		d := xxhash.NewWithSeed(hash)
		d.WriteString(s)
		hash = d.Sum64()
	}
	return hash
}

func TestHashPolicies(t *testing.T) {
	c := hashing(t)
	for _, tt := range []struct {
		hash, line, fields string
		want               uint64 // 0 for none
		set                string
	}{
		{"[{header: X-User}]", "GET /", "x-user: ann", and("ann"), ""},
		{"[{header: X-User}]", "GET /", "", 0, ""},
		{"[{header: x-user}]", "GET /", "x-user: b|x-user: a", chained("a", "b"), ""},
		{"[{header: x-user}]", "GET /", "x-user: a|X-User: b", chained("a", "b"), ""},
		{"[{header: host}]", "GET /", "", and("shop.example"), ""},
		{"[{header: \":path\"}]", "GET /a?b", "", and("/a"), ""},
		{`[{header: x-user, regex: {pattern: "^([^@]*)@.*$", substitution: '\1'}}]`, "GET /", "x-user: ann@example.com", and("ann"), ""},
		{`[{header: x-user, regex: {pattern: "^([^@]*)@.*$", substitution: '\1'}}]`, "GET /", "x-user: ann", and("ann"), ""},
		{"[{header: x-user, regex: {pattern: \"[0-9]\", substitution: n}}]", "GET /", "x-user: a1b22", and("anbnn"), ""},
		{"[{header: x-user, regex: {pattern: \"^[a-z]\"}}]", "GET /", "x-user: a2|x-user: b1", chained("1", "2"), ""}, // in order of what they become
		{"[{header: \":path\", regex: {pattern: \"^/([^/]+)/.*\", substitution: '\\1'}}]", "GET /shop/7", "", and("shop"), ""},
		{"[{header: x-user, regex: {pattern: a}}]", "GET /", "", 0, ""},
		{"[{query: user}]", "GET /a?x=1&user=ann&user=bob", "", and("ann"), ""},
		{"[{query: user}]", "GET /a?User=ann", "", 0, ""},
		{"[{source_address: true}]", "GET /", "", and("192.0.2.7"), ""},
		{"[{cookie: {name: sid}}]", "GET /", "cookie: a=b; sid=\"7\" ;c=d", and("7"), ""},
		{"[{cookie: {name: sid}}]", "GET /", "cookie: a=sid|cookie: sid=8", and("8"), ""},
		{"[{cookie: {name: sid}}]", "GET /", "cookie: xsid=9; sid", 0, ""},
		{"[{cookie: {name: sid, ttl: 90s, attributes: {SameSite: Lax, Secure: \"\"}}}]", "GET /", "", 1, "; Max-Age=90; Path=/; SameSite=Lax; Secure; HttpOnly"},
		{"[{cookie: {name: sid, ttl: 0s, path: /a}}]", "GET /", "", 1, "; Path=/a; HttpOnly"},
		{"[{cookie: {name: sid, ttl: 0s}}]", "GET /", "cookie: sid=x", and("x"), ""},
		{"[{header: x-user}, {query: q}]", "GET /?q=2", "x-user: ann", and("ann", "2"), ""},
		{"[{header: x-user, terminal: true}, {query: q}]", "GET /?q=2", "x-user: ann", and("ann"), ""},
		{"[{header: x-user, terminal: true}, {query: q}]", "GET /?q=2", "", and("2"), ""},
	} {
		tab, _ := table(t, "routes:\n- {cluster: a, match: {prefix: /}, hash: "+tt.hash+"}")
		var fields []string
		if tt.fields != "" {
			fields = strings.Split(tt.fields, "|")
		}
		h := request(t, tt.line, fields...)
		var w upstream.Want
		var s Scratch
		answer := tab.Find(h).Aim(h, asker, c, &w, &s, nil)
		set := ""
		if len(answer) > 0 {
			value := string(answer[0].Value)
			id, rest, _ := strings.Cut(strings.TrimPrefix(value, "sid="), ";")
			set = ";" + rest
			if tt.want == 1 && len(id) == 16 {
				tt.want = and(id)
			}
		}
		if w.Hash != tt.want || w.Hashed != (tt.want != 0) || set != tt.set || len(answer) > 1 {
			t.Errorf("%s of %s %s: %x %v, answer %q; want %x, %q", tt.hash, tt.line, tt.fields, w.Hash, w.Hashed, set, tt.want, tt.set)
		}
	}
}

// A client gets the same cookie for all requests on a connection.
func TestMadeCookiesStay(t *testing.T) {
	tab, _ := table(t, "hash: [{cookie: {name: sid, ttl: 1h}}]\ncluster: a")
	h, c := request(t, "GET /"), hashing(t)
	made := func(by Asker) string {
		var w upstream.Want
		var s Scratch
		return string(tab.Find(h).Aim(h, by, c, &w, &s, nil)[0].Value)
	}
	other := asker
	other.Peer = netip.MustParseAddrPort("192.0.2.7:5001")
	if a, again, b := made(asker), made(asker), made(other); a != again || a == b {
		t.Errorf("%q, %q; another connection: %q", a, again, b)
	}
	if a, b := made(Asker{}), made(Asker{}); a == b { // of Unix sockets nothing is known
		t.Errorf("%q twice", a)
	}
}

func TestOnlyPoliciesThatHashAreAsked(t *testing.T) {
	tab, _ := table(t, "hash: [{cookie: {name: sid, ttl: 1h}}]\ncluster: a\nsubset: {version: \"2\", stage: canary}")
	h := request(t, "GET /")
	var w upstream.Want
	var s Scratch
	r := tab.Find(h)
	if answer := r.Aim(h, asker, upstream.New(upstream.Options{}), &w, &s, nil); len(answer) != 0 || w.Hashed {
		t.Errorf("%v, %+v", answer, w)
	}
	if len(w.Subset) != 2 || w.Subset[0] != (upstream.Pair{Key: "stage", Value: "canary"}) || w.Subset[1] != (upstream.Pair{Key: "version", Value: "2"}) {
		t.Errorf("subset %v", w.Subset)
	}
}

func TestSticky(t *testing.T) {
	const address, encoded = "10.0.0.2:80", "MTAuMC4wLjI6ODA"
	for _, tt := range []struct {
		sticky, field  string
		override, keep string // what the client wants, and gets along when another host served it
		strict         bool
	}{
		{"{cookie: {name: node}}", "cookie: node=" + encoded, address, "set-cookie: node=MTAuMC4wLjE6ODA; Path=/; HttpOnly", false},
		{"{cookie: {name: node, ttl: 1h}, strict: true}", "cookie: node=" + encoded, address, "set-cookie: node=MTAuMC4wLjE6ODA; Max-Age=3600; Path=/; HttpOnly", true},
		{"{cookie: {name: node}, strict: true}", "x: y", "", "set-cookie: node=MTAuMC4wLjE6ODA; Path=/; HttpOnly", false},
		{"{cookie: {name: node}}", "cookie: node=%%%", "", "set-cookie: node=MTAuMC4wLjE6ODA; Path=/; HttpOnly", false},
		{"{cookie: {name: node}}", "cookie: node=" + strings.Repeat("x", 1025), "", "set-cookie: node=MTAuMC4wLjE6ODA; Path=/; HttpOnly", false},
		{"{header: X-Node}", "x-node: " + address, address, "x-node: 10.0.0.1:80", false},
	} {
		tab, _ := table(t, "sticky: "+tt.sticky+"\ncluster: a")
		h := request(t, "GET /", tt.field)
		var w upstream.Want
		var s Scratch
		r := tab.Find(h)
		r.Aim(h, asker, nil, &w, &s, nil)
		if w.Override != tt.override || w.Strict != tt.strict {
			t.Errorf("%s, %s: wants %q, %v", tt.sticky, tt.field, w.Override, w.Strict)
		}
		keep := r.Keep("10.0.0.1:80", &w, &s, nil)
		if len(keep) != 1 || string(keep[0].Name)+": "+string(keep[0].Value) != tt.keep {
			t.Errorf("%s: gets %v, want %q", tt.sticky, keep, tt.keep)
		}
		if keep := r.Keep(tt.override, &w, &s, nil); len(keep) != 0 {
			t.Errorf("%s: gets %v where it got what it wanted", tt.sticky, keep)
		}
	}
}

func TestAimingAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	tab, _ := table(t, "hash: [{header: x-user}, {query: q}, {source_address: true}, {cookie: {name: sid, ttl: 1h}}]\nsticky: {cookie: {name: node}}\ncluster: a")
	h, c := request(t, "GET /?q=1", "x-user: a", "x-user: b", "cookie: node=MTAuMC4wLjI6ODA"), hashing(t)
	var w upstream.Want
	var s Scratch
	var answer []http1.Field
	r := tab.Find(h)
	if n := testing.AllocsPerRun(100, func() {
		s.Reset()
		w.Reset()
		answer = r.Aim(h, asker, c, &w, &s, answer[:0])
		answer = r.Keep("10.0.0.1:80", &w, &s, answer)
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
