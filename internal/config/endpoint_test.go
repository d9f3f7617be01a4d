package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const fleet = `
- 10.0.0.1:80
- {address: "10.0.0.2:80", weight: 3, priority: 1, region: eu, zone: eu-1a, sub_zone: r7, hostname: two.internal, metadata: {version: "2", canary: "true"}, standing: draining}
- address: unix:/run/shop.sock
`

func fleetEndpoints() []Endpoint {
	return []Endpoint{
		{Address: "10.0.0.1:80", Weight: 1},
		{Address: "10.0.0.2:80", Weight: 3, Priority: 1, Region: "eu", Zone: "eu-1a", SubZone: "r7", Hostname: "two.internal",
			Metadata: Pairs{{"version", "2"}, {"canary", "true"}}, Standing: StandingDraining},
		{Address: "unix:/run/shop.sock", Weight: 1},
	}
}

func TestEndpointsInShortAndInFull(t *testing.T) {
	indented := strings.ReplaceAll(fleet, "\n-", "\n  -")
	c, err := Parse("f", []byte("listeners: [{address: \":1\", cluster: a}]\nclusters:\n- name: a\n  endpoints:"+indented))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fleetEndpoints(), c.Clusters[0].Endpoints); diff != "" {
		t.Error(diff)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("shown", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(c.Clusters, again.Clusters, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
}

func TestAFileOfEndpoints(t *testing.T) {
	json := `{"endpoints": ["10.0.0.1:80", {"address": "10.0.0.2:80", "weight": 3, "priority": 1, "region": "eu", "zone": "eu-1a", "sub_zone": "r7",
	"hostname": "two.internal", "metadata": {"version": "2", "canary": true}, "standing": "draining"}, {"address": "unix:/run/shop.sock"}]}`
	for _, text := range []string{fleet, "endpoints:" + fleet, json} {
		got, err := ParseEndpoints("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fleetEndpoints(), got); diff != "" {
			t.Error(diff)
		}
	}
	if got, err := ParseEndpoints("f", []byte("[]")); err != nil || len(got) != 0 {
		t.Errorf("no endpoints: %v, %v", got, err)
	}
}

func TestProblemsOfEndpoints(t *testing.T) {
	for text, want := range map[string]string{
		"":                                `f: is empty; a list of no endpoints is written as []`,
		"# nothing":                       `f: is empty`,
		"[":                               `f: neither YAML nor JSON`,
		"7":                               `endpoints: must be a list`,
		"hosts: []":                       `f:1: hosts: unknown key`,
		"- {weight: 2}":                   `f:1: endpoints[0]: "" is not valid; must be host:port`,
		"- {address: \"a:1\", weight: 0}": `endpoints[0].weight: 0 is not valid; must be from 1 to 2147483648`,
		"- {address: \"a:1\", weight: 2147483649}":        `endpoints[0].weight: 2147483649 is not valid`,
		"- {address: \"a:1\", weight: -1}":                `endpoints[0].weight: "-1" is not valid; must be a whole number from 0`,
		"- {address: \"a:1\", priority: 128}":             `endpoints[0].priority: 128 is not valid; must be from 0 to 127`,
		"- {address: \"a:1\", standing: well}":            `endpoints[0].standing: "well" is not valid; must be one of healthy, degraded`,
		"- {address: \"a:1\", zone: \"" + text300 + "\"}": `endpoints[0].zone: is longer than 256 bytes`,
		"- a:1\n- a:1":                        `f:2: endpoints[1]: "a:1" stands here twice`,
		"- a:0":                               `endpoints[0]: "a:0" is not valid`,
		"- {address: \"a:1\", weigth: 2}":     `endpoints[0].weigth: unknown key, did you mean "weight"?`,
		"- {address: \"a:1\", metadata: [a]}": `endpoints[0].metadata: must be keys and values`,
		"- {address: \"a:1\", weight: 2147483648}\n- {address: \"b:1\", weight: 2147483648}": `endpoints: the weights are 4294967296 together`,
	} {
		_, err := ParseEndpoints("f", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

var text300 = strings.Repeat("z", 300)

func discovering(keys string) string {
	return "listeners: [{address: \":1\", cluster: a}]\nclusters:\n- name: a\n  tls: {}\n  discovery: {" + keys + "}"
}

func TestDiscoverySettlesByItsType(t *testing.T) {
	for keys, want := range map[string]string{
		"type: file, path: /a":                                   "1s 0s 1s 1s ",
		"type: file, path: /a, refresh: 3s":                      "3s 0s 3s 3s ",
		"type: dns, name: \"shop.test:80\"":                      "5s 0s 1s 10s shop.test",
		"type: dns_logical, name: \"shop.test.:80\", jitter: 1s": "5s 1s 1s 10s shop.test",
		"type: dns, name: \"10.0.0.1:80\"":                       "5s 0s 1s 10s ",
		"type: srv, name: _http._tcp.shop.test":                  "5s 0s 1s 10s ",
		"type: registry, service: shop":                          "30s 30s 1s 10s ",
		"type: registry, service: shop, refresh: 5s":             "5s 5s 1s 10s ",
		"type: registry, service: shop, jitter: 0":               "30s 0s 1s 10s ",
	} {
		c, err := Parse("f", []byte(discovering(keys)))
		if err != nil {
			t.Errorf("%s: %v", keys, err)
			continue
		}
		d := c.Clusters[0].Discovery
		if got := fmt.Sprint(d.Refresh, " ", d.Jitter, " ", d.RetryBase, " ", d.RetryMax, " ", c.Clusters[0].TLS.SNI); got != want {
			t.Errorf("%s: %s, want %s", keys, got, want)
		}
		text, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("shown", text)
		if err != nil {
			t.Errorf("%s: %v\n%s", keys, err, text)
		} else if diff := cmp.Diff(d, again.Clusters[0].Discovery, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", keys, diff)
		}
	}
}

func TestTheTokenOfARegistryIsNotShown(t *testing.T) {
	c, err := Parse("f", []byte(discovering("type: registry, service: shop, token: hush-hush")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil || strings.Contains(string(text), "hush") || c.Clusters[0].Discovery.Token != "hush-hush" {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestProblemsOfDiscovery(t *testing.T) {
	for keys, want := range map[string]string{
		"type: eds":                                  `f:5: clusters[0].discovery.type: "eds" is not valid; must be one of file, dns, dns_logical, srv, registry`,
		"path: /a":                                   `clusters[0].discovery.type: "" is not valid`,
		"type: file":                                 `discovery.path: must be there with type file, as /etc/pitot/shop.yaml`,
		"type: file, path: shop.yaml":                `discovery.path: "shop.yaml" is not valid; must be an absolute path`,
		"type: file, path: /a, name: b":              `discovery.name: has no meaning with type file; remove it`,
		"type: dns":                                  `discovery.name: must be there with type dns, as shop.internal:8080`,
		"type: dns, name: shop":                      `discovery.name: "shop" is not valid; must be host:port`,
		"type: srv, name: \"a:80\"":                  `discovery.name: "a:80" is not valid; must be as _http._tcp.shop.internal: ports are in the records`,
		"type: dns, name: \"a:80\", family: v5":      `discovery.family: "v5" is not valid; must be one of v4_preferred, v4, v6, all`,
		"type: dns, name: \"a:80\", resolvers: [ns]": `discovery.resolvers[0]: "ns" is not valid; must be address and port`,
		"type: registry":                             `discovery.service: must be there with type registry, as shop`,
		"type: registry, service: a/b":               `discovery.service: "a/b" is not valid`,
		"type: registry, service: a, url: \"h:9\"":   `discovery.url: "h:9" is not valid; must be as http://127.0.0.1:9700`,
		"type: registry, service: a, refresh: 1ms":   `discovery.refresh: 1ms is not valid; must be at least 100ms`,
		"type: registry, service: a, refresh: 0":     `discovery.refresh: 0s is not valid`,
		"type: registry, service: a, timeout: 0":     `discovery.timeout: must be more than 0`,
		"type: registry, service: a, retry_max: 0":   `discovery.retry_base: must be at least 100ms, and retry_max not less`,
	} {
		_, err := Parse("f", []byte(discovering(keys)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", keys, err, want)
		}
	}
	_, err := Parse("f", []byte(discovering("type: file, path: /a")+"\n  endpoints: [\"a:1\"]"))
	if err == nil || !strings.Contains(err.Error(), "f:6: clusters[0].endpoints: stands beside discovery; keep one") {
		t.Errorf("%v", err)
	}
}

func TestWeightsByLoad(t *testing.T) {
	inCluster := func(keys string) string {
		return "listeners: [{address: \":1\", cluster: a}]\nclusters: [{name: a, endpoints: [\"h:1\"], " + keys + "}]"
	}
	standard := LoadWeights{Penalty: 1, Blackout: 10 * time.Second, Expiry: 3 * time.Minute, Period: time.Second}
	other := standard
	other.Penalty, other.Period = 0.5, 2*time.Second
	for keys, want := range map[string]LoadWeights{
		"weights_by_load: {}":                               standard,
		"policy: client_side_weighted_round_robin":          standard,
		"weights_by_load: {error_penalty: 0.5, period: 2s}": other,
		"policy: client_side_weighted_round_robin, weights_by_load: {error_penalty: 0.5, period: 2s}": other,
	} {
		c, err := Parse("f", []byte(inCluster(keys)))
		if err != nil || *c.Clusters[0].LoadWeights != want || c.Clusters[0].Policy != "round_robin" {
			t.Errorf("%s: %v", keys, err)
		}
	}
	for keys, want := range map[string]string{
		"weights_by_load: {error_penalty: 1001}": `weights_by_load.error_penalty: 1001 is not valid; must be from 0 to 1000`,
		"weights_by_load: {period: 1ms}":         `weights_by_load.period: 1ms is not valid; must be at least 100ms`,
		"weights_by_load: {expiry: 0}":           `weights_by_load.expiry: must be more than 0`,
	} {
		if _, err := Parse("f", []byte(inCluster(keys))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", keys, err)
		}
	}
}
