package config

import (
	"strings"
	"testing"

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
