package config

import (
	"strings"
	"testing"
	"time"
)

func withBalance(policy, balance, rest string) string {
	return "listeners: [{address: \":1\", cluster: a}]\nclusters:\n- name: a\n  endpoints: [\"h:1\"]\n  policy: " + policy + "\n  balance: " + balance + "\n" + rest
}

func TestBalance(t *testing.T) {
	c, err := Parse("f", []byte(withBalance("least_request", `{choice_count: 5, active_request_bias: 0.5, slow_start: {window: 30s, min_percent: 2.5},
    locality_weights: [{zone: a}, {zone: b, weight: 3}], subsets: {selectors: [{keys: [stage], fallback: none}, {keys: [stage, version], fallback: keys, fallback_keys: [stage]}], fallback: default, default: {stage: prod}, scale_locality_weight: true}}`, "")))
	if err != nil {
		t.Fatal(err)
	}
	b := c.Clusters[0].Balance
	if b.ChoiceCount != 5 || b.ActiveRequestBias != 0.5 || b.SlowStart != (SlowStart{30 * time.Second, 1, 2.5}) || b.PanicThreshold != 50 ||
		b.LocalityWeights[0].Weight != 1 || b.LocalityWeights[1].Weight != 3 || b.Subsets.Selectors[1].FallbackKeys[0] != "stage" {
		t.Errorf("%+v", b)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse("again", text); err != nil {
		t.Errorf("what is shown cannot be read: %v\n%s", err, text)
	}
}

func TestNodeTakesTheEnvironment(t *testing.T) {
	t.Setenv("PITOT_ZONE", "eu-1a")
	t.Setenv("PITOT_REGION", "eu")
	c, err := Parse("f", []byte(withBalance("round_robin", "{zone_aware: {min_cluster_size: 3}}", "node: {cluster: a, region: us}")))
	if err != nil {
		t.Fatal(err)
	}
	if c.Node != (Node{Region: "us", Zone: "eu-1a", Cluster: "a"}) || *c.Clusters[0].Balance.ZoneAware != (ZoneAware{3, 100}) {
		t.Errorf("%+v %+v", c.Node, c.Clusters[0].Balance.ZoneAware)
	}
}

func TestProblemsOfBalance(t *testing.T) {
	for _, c := range []struct{ policy, balance, want string }{
		{"round_robin", "{choice_count: 3}", "balance.choice_count: is not looked at by policy round_robin; remove it, or use least_request or peak_ewma"},
		{"ring_hash", "{slow_start: {window: 1s}}", "balance.slow_start: is not looked at by policy ring_hash"},
		{"least_request", "{choice_count: 1}", "balance.choice_count: 1 is not valid; must be from 2 to 64"},
		{"least_request", "{active_request_bias: -1}", `"-1" is not valid; must be a number from 0`},
		{"least_request", "{active_request_bias: NaN}", `"NaN" is not valid; must be a number from 0`},
		{"least_request", "{slow_start: {aggression: 0}}", "balance.slow_start.aggression: must be more than 0"},
		{"ring_hash", "{ring_size: {min: 10, max: 9}}", "balance.ring_size.min: 10 is not valid; must be from 1 to ring_size.max, which is 9"},
		{"ring_hash", "{ring_size: {max: 8388609}}", "balance.ring_size.max: 8388609 is not valid"},
		{"maglev", "{table_size: 65536}", "balance.table_size: 65536 is not valid; must be a prime"},
		{"maglev", "{table_size: 5000077}", "balance.table_size: 5000077 is not valid; must be a prime up to 5000011"},
		{"maglev", "{hash_balance_factor: 99}", "balance.hash_balance_factor: 99 is not valid"},
		{"peak_ewma", "{decay_time: 0}", "balance.decay_time: 0s is not valid; must be 1ms at least"},
		{"random", "{panic_threshold: 101}", "balance.panic_threshold: 101 is not valid; must be from 0 to 100"},
		{"random", "{panic_threshold: 0, fail_traffic_on_panic: true}", "needs a panic_threshold above 0"},
		{"random", "{overprovisioning_factor: 99}", "balance.overprovisioning_factor: 99 is not valid"},
		{"random", "{locality_weights: [{zone: a, weight: 0}]}", "no locality has a weight"},
		{"random", "{locality_weights: [{zone: a}, {zone: a, weight: 2}]}", "locality_weights[1]: names a locality that another entry names too"},
		{"random", "{zone_aware: {}}", "balance.zone_aware: needs node.zone, or the variable PITOT_ZONE"},
		{"random", "{subsets: {selectors: []}}", "subsets.selectors: has 0 entries"},
		{"random", "{subsets: {selectors: [{keys: [a, a]}]}}", "keys: names a key twice"},
		{"random", "{subsets: {selectors: [{keys: [a, b]}, {keys: [b, a]}]}}", "selectors[1].keys: another selector has the same keys"},
		{"random", "{subsets: {selectors: [{keys: [a]}], fallback: keys}}", "fallback: \"keys\" is not valid; must be one of none, any, default"},
		{"random", "{subsets: {selectors: [{keys: [a]}], fallback: default}}", "subsets.default: goes with fallback: default"},
		{"random", "{subsets: {selectors: [{keys: [a, b], fallback: keys, fallback_keys: [a]}]}}", "must be fewer than keys, and the keys of another selector"},
		{"random", "{subsets: {selectors: [{keys: [a, b], single_host_per_subset: true}]}}", "single_host_per_subset: goes with one key"},
		{"random", "{subsets: {selectors: [{keys: [a]}], scale_locality_weight: true}}", "scale_locality_weight: needs locality_weights"},
		{"random", "{subsets: {selectors: [{keys: [a], fallback: keys}]}}", "fallback_keys: goes with fallback: keys"},
	} {
		_, err := Parse("f", []byte(withBalance(c.policy, c.balance, "")))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.policy, c.balance, err, c.want)
		}
	}
	_, err := Parse("f", []byte(strings.Replace(withBalance("random", "{panic_threshold: 3}", ""), `["h:1"]`, "original_destination", 1)))
	if err == nil || !strings.Contains(err.Error(), "balance: has no say") {
		t.Errorf("original destination: %v", err)
	}
	if _, err := Parse("f", []byte(withBalance("random", "", "node: {cluster: nobody}"))); err == nil || !strings.Contains(err.Error(), "node.cluster: no cluster is named") {
		t.Errorf("%v", err)
	}
}

func TestAffinity(t *testing.T) {
	c, err := Parse("f", []byte(`
listeners:
- address: ":1"
  protocol: http
  cluster: a
  hash: [{source_address: true}]
  sticky: {header: x-node}
  subset: {stage: prod}
  routes:
  - {match: {prefix: /a}, cluster: a}
  - {match: {prefix: /b}, cluster: a, hash: [{cookie: {name: sid}}, {header: x-user, regex: {pattern: "^(\\w+)-.*", substitution: '\1'}}], sticky: {cookie: {name: node}}, subset: {}}
  - {match: {prefix: /c}, redirect: {host: x}}
clusters: [{name: a, endpoints: ["h:1"]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	a, b, r := c.Listeners[0].Routes[0], c.Listeners[0].Routes[1], c.Listeners[0].Routes[2]
	if !a.Hash[0].Source || a.Sticky.Header != "x-node" || len(a.Subset) != 1 {
		t.Errorf("a route that says nothing: %+v", a)
	}
	if b.Hash[0].Cookie.Made() || b.Hash[0].Cookie.Path != "/" || b.Sticky.Cookie.TTL != 0 {
		t.Errorf("cookies: %+v, %+v", b.Hash[0].Cookie, b.Sticky.Cookie)
	}
	if r.Hash != nil || r.Sticky != nil {
		t.Errorf("a route that answers: %+v", r)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("again", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := again.Listeners[0].Routes[1].Hash[1].Regex; got != (RegexRewrite{`^(\w+)-.*`, `\1`}) {
		t.Errorf("the regular expression: %+v", got)
	}
	if again.Listeners[0].Routes[1].Hash[0].Cookie.Made() {
		t.Errorf("a ttl came about: %s", text)
	}
}

func TestAffinityOfMongoDB(t *testing.T) {
	for _, c := range []struct{ protocol, policy, hash, want string }{
		{"mongodb", "maglev", "[{collection: true, terminal: true}, {session: true}, {source_address: true}]", ""},
		{"mongodb", "random", "[{source_address: true}]", ""},
		{"mongodb", "random", "[{session: true}]", `listeners[0].hash: cluster "a" has policy random, which goes by no hash; set its policy to ring_hash or maglev`},
		{"mongodb", "maglev", "[{header: a}]", "listeners[0].hash[0]: of MongoDB, must have one of collection: true, session: true and source_address: true"},
		{"mongodb", "maglev", "[{collection: true, session: true}]", "of MongoDB, must have one of"},
		{"mongodb", "maglev", "[{}]", "of MongoDB, must have one of"},
		{"http", "maglev", "[{collection: true}]", "listeners[0].hash[0]: only a listener of protocol mongodb goes by collections and sessions"},
		{"auto", "maglev", "[{session: true}]", "only a listener of protocol mongodb"},
		{"tcp", "maglev", "[{session: true}]", "only a listener of protocol mongodb"},
		{"http", "maglev", "[]\n  routes: [{cluster: a, hash: [{session: true}]}]", "listeners[0].routes[0].hash[0]: only a listener of protocol mongodb"},
	} {
		parsed, err := Parse("f", []byte("listeners:\n- address: \":1\"\n  cluster: a\n  protocol: "+c.protocol+"\n  hash: "+c.hash+"\nclusters: [{name: a, policy: "+c.policy+", endpoints: [\"h:1\"]}]\n"))
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v gives %v", c, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v gives %v", c, err)
			continue
		}
		text, err := parsed.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse("again", text); err != nil || again.Listeners[0].Hash[0] != parsed.Listeners[0].Hash[0] {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

func TestProblemsOfAffinity(t *testing.T) {
	for keys, want := range map[string]string{
		"hash: [{}]":                                                  "listeners[0].hash[0]: must have one of header, cookie, source_address: true and query",
		"hash: [{header: a, query: b}]":                               "must have one of header",
		"hash: [{header: \"a b\"}]":                                   `hash[0].header: "a b" is no name of a field`,
		"hash: [{cookie: {ttl: 1h}}]":                                 `hash[0].cookie.name: "" is not valid`,
		"hash: [{query: a, regex: {pattern: b}}]":                     "hash[0].regex: goes with header",
		"hash: [{header: a, regex: {substitution: b}}]":               "hash[0].regex.pattern: must be there",
		"hash: [{header: a, regex: {pattern: (}}]":                    "hash[0].regex.pattern: is no regular expression of RE2",
		"hash: [{header: a, regex: {pattern: b, substitution: \\1}}]": "hash[0].regex.substitution: ",
		"sticky: {}":                                          "listeners[0].sticky: must have one of cookie and header",
		"sticky: {header: connection}":                        `sticky.header: "connection" is not valid`,
		"sticky: {cookie: {name: n, path: \"/;a\"}}":          `sticky.cookie.path: "/;a" is not valid`,
		"sticky: {cookie: {name: n, attributes: {a: ;}}}":     "sticky.cookie.attributes.a: is not valid",
		"hash: [{cookie: {name: n, attributes: {\";\": x}}}]": "is not valid; must be as SameSite",
	} {
		_, err := Parse("f", []byte("listeners:\n- address: \":1\"\n  cluster: a\n  "+keys+"\nclusters: [{name: a, endpoints: [\"h:1\"]}]\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", keys, err, want)
		}
	}
}
