package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const good = `
listeners:
- name: web
  address: 127.0.0.1:8080
  protocol: http
  timeouts: {route: 3s}
  routes:
  - match: {prefix: /orders, host: shop.example.com}
    cluster: orders
  - match: {path: /slow}
    cluster: orders
    timeout: 0
  cluster: orders
clusters:
- name: orders
  endpoints: ["127.0.0.1:9001", "orders.internal:9002"]
  policy: least_request
  connect_timeout: 250ms
services:
  10.0.0.7:8080: shop
  10.0.0.0/8: inside
  10.1.0.0/16: narrower
  10.0.0.7: host
`

func TestParseFillsInDefaults(t *testing.T) {
	c, err := Parse("pitot.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	l := c.Listeners[0]
	if l.Timeouts.Header != time.Minute || l.Timeouts.Route != 3*time.Second || l.Limits.Head != 60<<10 {
		t.Errorf("listener %+v", l)
	}
	if r := l.Routes[0]; r.Timeout != 3*time.Second || r.Name != "/orders" {
		t.Errorf("a route without timeout or name: %+v", r)
	}
	if r := l.Routes[1]; r.Timeout != 0 {
		t.Errorf("a route whose timeout is 0 has %v", r.Timeout)
	}
	if cl := c.Clusters[0]; cl.ConnectTimeout != 250*time.Millisecond || cl.IdleTimeout != time.Hour {
		t.Errorf("cluster %+v", cl)
	}
	if c.Admin.Address != "127.0.0.1:9901" || c.Store.DSN != Embedded || !c.Tracing.AttemptSpans {
		t.Errorf("defaults %+v", c)
	}
}

func TestServicesTakeTheMostExactEntry(t *testing.T) {
	c, err := Parse("pitot.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"10.0.0.7:8080":          "shop",
		"[::ffff:10.0.0.7]:8080": "shop",
		"10.0.0.7:81":            "host",
		"10.1.2.3:1":             "narrower",
		"10.9.9.9:1":             "inside",
		"192.0.2.1:80":           "",
	} {
		if got := c.Services.Lookup(netip.MustParseAddrPort(address)); got != want {
			t.Errorf("%s is %q, want %q", address, got, want)
		}
	}
	if got := c.Services.Lookup(netip.AddrPort{}); got != "" {
		t.Errorf("no address is %q", got)
	}
}

// cluster is the rest of a file whose listeners are under test.
const cluster = "\nclusters: [{name: a, endpoints: [\"h:1\"]}]\n"

// routed is a file with one route of these keys.
func routed(keys string) string {
	return "listeners: [{address: \":1\", protocol: http,\n routes: [{match: {prefix: /}, " + keys + "}]}]" + cluster
}

func TestFromFlags(t *testing.T) {
	c := FromFlags(":8080", "a:1, b:2", "c:3")
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Addresses("a:1", "b:2", "c:3"), c.Clusters[0].Endpoints); diff != "" {
		t.Error(diff)
	}
	if err := FromFlags("8080", "a").Validate(); err == nil || !strings.Contains(err.Error(), "listeners[0].address") {
		t.Errorf("a bad flag: %v", err)
	}
}

// What /config shows can be used as a configuration again, and holds no secret.
func TestYAMLRoundTrip(t *testing.T) {
	c, err := Parse("f", []byte(good+"\nstore: {dsn: \"clickhouse://u:secret@h:9000/d?password=secret\"}\nadmin: {token: secret}\n"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "secret") {
		t.Errorf("a secret is shown:\n%s", text)
	}
	again, err := Parse("shown", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(c.Listeners, again.Listeners, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(c.Clusters, again.Clusters, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if got := again.Services.Lookup(netip.MustParseAddrPort("10.0.0.7:8080")); got != "shop" {
		t.Errorf("services are lost: %q", got)
	}
}

func TestSizesAndDurations(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "4096": 4096, "60KiB": 60 << 10, "10 MB": 10_000_000, "7B": 7} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "KiB", "1TiB", "99999999999GiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d", text, got)
		}
	}
	for _, s := range []Size{0, 1, 1000, 1024, 60 << 10, 3 << 30} {
		if got, err := ParseSize(s.String()); err != nil || got != s {
			t.Errorf("%d as text is %q, which reads %d, %v", int64(s), s, got, err)
		}
	}
	if d, err := ParseDuration("30d"); err != nil || d != 720*time.Hour {
		t.Errorf("30d is %v, %v", d, err)
	}
}

func TestLoadNamesTheMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("%v", err)
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Every example of the documentation is one that Load takes.
func TestDocumentedExamplesLoad(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("no example found")
	}
	for _, b := range blocks {
		if _, err := Parse("docs/configuration.md", b[1]); err != nil {
			t.Errorf("%v\n%s", err, b[1])
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("a: &a [*a]\nlisteners: *a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse("f", b)
		if (c == nil) == (err == nil) {
			t.Errorf("config %v and error %v", c, err)
		}
	})
}

func TestOriginalDestinationStandsAlone(t *testing.T) {
	for _, list := range []string{"original_destination", "[original_destination]"} {
		c, err := Parse("f", []byte("listeners: [{address: \":1\", cluster: a, transparent: tproxy}]\nclusters: [{name: a, endpoints: "+list+"}]"))
		if err != nil || !c.Clusters[0].Original() {
			t.Errorf("%s: %v", list, err)
		}
	}
}
