package config

import (
	"errors"
	"fmt"
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

func TestProblemsNameLineKeyAndMend(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"unknown key", "listeners:\n- address: :1\n  protcol: tcp\n  cluster: a" + cluster,
			`f:3: listeners[0].protcol: unknown key, did you mean "protocol"?; valid here: name, address, protocol, service, cluster, routes, timeouts, limits, use_remote_address`},
		{"unknown key at the top", "listener: []\nlisteners: [{address: \":1\", cluster: a}]" + cluster,
			`f:1: listener: unknown key, did you mean "listeners"?; valid here: listeners, clusters,`},
		{"a cluster misspelt", "listeners: [{address: \":1\", cluster: alpa}]\nclusters: [{name: alpha, endpoints: [\"h:1\"]}]",
			`f:1: listeners[0].cluster: no cluster is named "alpa", did you mean "alpha"?; there are: alpha`},
		{"a split without weights", routed("clusters: [{cluster: a}]"), `f:2: listeners[0].routes[0].clusters: no entry has a weight`},
		{"a split to nowhere", routed("clusters: [{cluster: b, weight: 1}]"), `f:2: listeners[0].routes[0].clusters[0].cluster: no cluster is named "b"; there are: a`},
		{"a split twice", routed("clusters: [{cluster: a, weight: 1}, {cluster: a, weight: 2}]"), `f:2: listeners[0].routes[0].clusters[1].cluster: "a" is there twice`},
		{"a split beside a cluster", routed("cluster: a, clusters: [{cluster: a, weight: 1}]"), `f:2: listeners[0].routes[0]: has more than one of cluster, clusters,`},
		{"a field for no clusters", routed("cluster: a, cluster_header: x-to"), `f:2: listeners[0].routes[0].cluster_header: needs clusters`},
		{"nothing to split", routed("cluster: a, split_by: x-user"), `f:2: listeners[0].routes[0].split_by: needs clusters`},
		{"a fault of nothing", routed("cluster: a, faults: [{name: x}]"), `f:2: listeners[0].routes[0].faults[0]: does nothing; must have delay`},
		{"a delay both ways", routed("cluster: a, faults: [{delay: {fixed: 1s, to: 2s}}]"), `f:2: listeners[0].routes[0].faults[0].delay: must have one of fixed, from and to, and percentiles`},
		{"a delay backwards", routed("cluster: a, faults: [{delay: {from: 3s, to: 2s}}]"), `f:2: listeners[0].routes[0].faults[0].delay.to: must not be less than from`},
		{"a long delay", routed("cluster: a, faults: [{delay: {fixed: 2h}}]"), `f:2: listeners[0].routes[0].faults[0].delay: is longer than 1h0m0s`},
		{"percentiles backwards", routed("cluster: a, faults: [{delay: {percentiles: {50: 2s, 99: 1s}}}]"), `f:2: listeners[0].routes[0].faults[0].delay.percentiles: a higher percentile must not have a shorter time`},
		{"no percentile", routed("cluster: a, faults: [{delay: {percentiles: {median: 2s}}}]"), `f:2: listeners[0].routes[0].faults[0].delay.percentiles: "median" is not valid; must be a percentile`},
		{"no share", routed("cluster: a, faults: [{abort: {status: 503, percent: \"1/7\"}}]"), `f:2: listeners[0].routes[0].faults[0].abort.percent: "1/7" is not valid; must be a share as 10%, 0.01% or 3/10000`},
		{"no status", routed("cluster: a, faults: [{abort: {status: 99}}]"), `f:2: listeners[0].routes[0].faults[0].abort.status: 99 is not valid`},
		{"no status of gRPC", routed("cluster: a, faults: [{abort: {grpc: UNAVAILABEL}}]"), `f:2: listeners[0].routes[0].faults[0].abort.grpc: "UNAVAILABEL" is not valid, did you mean "UNAVAILABLE"?`},
		{"two ends", routed("cluster: a, faults: [{abort: {grpc: INTERNAL, reset: true}}]"), `f:2: listeners[0].routes[0].faults[0].abort: has more than one of status, grpc, reset and mongodb`},
		{"a share of no end", routed("cluster: a, faults: [{abort: {percent: 1%}}]"), `f:2: listeners[0].routes[0].faults[0].abort: must have status`},
		{"a rate of nothing", routed("cluster: a, faults: [{response_rate: {percent: 1%}}]"), `f:2: listeners[0].routes[0].faults[0].response_rate.limit: must be there`},
		{"a cut of nothing", routed("cluster: a, faults: [{cut: {percent: 1%}}]"), `f:2: listeners[0].routes[0].faults[0].cut.after: must be there`},
		{"whoever asks", routed("cluster: a, faults: [{headers: true}]"), `f:2: listeners[0].routes[0].faults[0].trusted: must name the networks`},
		{"trust for nothing", routed("cluster: a, faults: [{delay: {fixed: 1s}, trusted: [10.0.0.0/8]}]"), `f:2: listeners[0].routes[0].faults[0].trusted: says whose headers are believed; needs headers: true`},
		{"no network", routed("cluster: a, faults: [{delay: {fixed: 1s}, match: {clients: [home]}}]"), `f:2: listeners[0].routes[0].faults[0].match.clients[0]: "home" is not valid`},
		{"commands of HTTP", routed("cluster: a, faults: [{delay: {fixed: 1s}, match: {commands: [find]}}]"), `f:2: listeners[0].routes[0].faults[0].match: HTTP has no commands`},
		{"MongoDB's error for HTTP", routed("cluster: a, faults: [{abort: {mongodb: {code: 91}}}]"), `f:2: listeners[0].routes[0].faults[0].abort.mongodb: is for MongoDB`},
		{"faults elsewhere", routed("cluster: a, faults: [{delay: {fixed: 1s}, match: {clusters: [b]}}]"), `f:2: listeners[0].routes[0].faults[0].match.clusters[0]: no cluster is named "b"`},
		{"HTTP's faults for MongoDB", "listeners: [{address: \":1\", protocol: mongodb, cluster: a,\n faults: [{abort: {status: 503}, match: {headers: [{name: a, present: true}]}}]}]" + cluster, `f:2: listeners[0].faults[0].abort: MongoDB has neither status nor grpc`},
		{"faults of TCP", "listeners: [{address: \":1\", protocol: tcp, cluster: a,\n faults: [{abort: {reset: true}}]}]" + cluster, `f:2: listeners[0].faults: only HTTP and MongoDB have faults`},
		{"a mirror of nothing", routed("direct_response: {status: 200}, mirror: [{cluster: a}]"), `f:2: listeners[0].routes[0].mirror: mirrors a request that goes to no cluster`},
		{"a mirror nowhere", routed("cluster: a, mirror: [{percent: 1%}]"), `f:2: listeners[0].routes[0].mirror[0].cluster: must name a cluster`},
		{"a mirror elsewhere", routed("cluster: a, mirror: [{cluster: b}]"), `f:2: listeners[0].routes[0].mirror[0].cluster: no cluster is named "b"`},
		{"a mirror of a share", routed("cluster: a, mirror: [{cluster: a, percent: some}]"), `f:2: listeners[0].routes[0].mirror[0].percent: "some" is not valid`},
		{"a mirror of too much", routed("cluster: a, mirror: [{cluster: a, max_body: 1GiB}]"), `f:2: listeners[0].routes[0].mirror[0].max_body: 1GiB is not valid; must be up to 64MiB`},
		{"a mirror for none", routed("cluster: a, mirror: [{cluster: a, max_active: 0}]"), `f:2: listeners[0].routes[0].mirror[0].max_active: must be 1 or more`},
		{"a mirror of no name", routed("cluster: a, mirror: [{cluster: a, host_suffix: \"/x\"}]"), `f:2: listeners[0].routes[0].mirror[0].host_suffix: "/x" is not valid`},
		{"a mirror of no field", routed("cluster: a, mirror: [{cluster: a, compare: {headers: [\"a b\"]}}]"), `f:2: listeners[0].routes[0].mirror[0].compare.headers[0]: "a b" is no name of a field`},
		{"split by no field", routed("clusters: [{cluster: a, weight: 1}], split_by: \"x user\""), `f:2: listeners[0].routes[0].split_by: "x user" is no name of a field`},
		{"no listener", "clusters: []", `f: listeners: must name at least one listener`},
		{"empty file", "", `f: listeners: must name at least one listener`},
		{"gRPC payload", "listeners: [{address: \":1\", cluster: a}]\ngrpc: {payload: 2MiB}" + cluster, `f:2: grpc.payload: 2MiB is not valid; must be from 1 to 1MiB`},
		{"gRPC reflection", "listeners: [{address: \":1\", cluster: a}]\ngrpc: {reflect: nowhere}" + cluster, `f:2: grpc.reflect: "nowhere" is not valid; must be host:port`},
		{"only comments", "# nothing yet\n", `f: listeners: must name at least one listener`},
		{"bad protocol", "listeners:\n- address: :1\n  protocol: htpp\n  cluster: a" + cluster,
			`f:3: listeners[0].protocol: "htpp" is not valid; must be one of http, mongodb, tcp, tls_passthrough, auto`},
		{"bad address", "listeners:\n- address: \"8080\"\n  cluster: a" + cluster,
			`f:2: listeners[0].address: "8080" is not an address to listen on; must be as 127.0.0.1:8080`},
		{"foreign address", "listeners:\n- address: example.com:80\n  cluster: a" + cluster,
			`f:2: listeners[0].address: "example.com:80" is not an address of this machine`},
		{"no address", "listeners:\n- cluster: a" + cluster, `f:2: listeners[0].address: is missing; must be as`},
		{"bad duration", "listeners:\n- address: :1\n  cluster: a\n  timeouts: {idle: 5}" + cluster,
			`f:4: listeners[0].timeouts.idle: "5" is not valid; must be a time such as 500ms, 5s`},
		{"negative duration", "drain: {timeout: -1s}\nlisteners: [{address: \":1\", cluster: a}]" + cluster,
			`f:1: drain.timeout: "-1s" is not valid; must be a time such as`},
		{"bad size", "listeners:\n- address: :1\n  cluster: a\n  limits:\n    head: large" + cluster,
			`f:5: listeners[0].limits.head: "large" is not valid; must be a size such as 4096, 60KiB`},
		{"head too large", "listeners:\n- address: :1\n  cluster: a\n  limits:\n    head: 1GiB" + cluster,
			`f:5: listeners[0].limits.head: 1GiB is not valid; must be from 1KiB to 1MiB`},
		{"bad number", "listeners:\n- address: :1\n  cluster: a\n  max_connections: many" + cluster,
			`f:4: listeners[0].max_connections: "many" is not valid; must be a whole number from 0`},
		{"bad bool", "tracing: {attempt_spans: maybe}\nlisteners: [{address: \":1\", cluster: a}]" + cluster,
			`f:1: tracing.attempt_spans: "maybe" is not valid; must be true or false`},
		{"unknown cluster", "listeners:\n- address: :1\n  cluster: b" + cluster,
			`f:3: listeners[0].cluster: no cluster is named "b"; there are: a`},
		{"no cluster", "listeners:\n- address: :1" + cluster,
			`f:2: listeners[0].cluster: must name the cluster that takes what is not routed as HTTP; there are: a`},
		{"http without cluster", "listeners:\n- address: :1\n  protocol: http" + cluster,
			`f:2: listeners[0]: must have a cluster, or routes`},
		{"routes for tcp", "listeners:\n- address: :1\n  protocol: tcp\n  cluster: a\n  routes: [{match: {prefix: /}, cluster: a}]" + cluster,
			`f:5: listeners[0].routes: only HTTP has routes; remove them, or set protocol to http or auto`},
		{"route without match", "listeners:\n- address: :1\n  cluster: a\n  routes:\n  - cluster: a" + cluster,
			`f:5: listeners[0].routes[0].match: must have path or prefix, or template, regex or grpc; prefix: / takes everything`},
		{"route with two", "listeners:\n- address: :1\n  cluster: a\n  routes:\n  - cluster: a\n    match: {path: /a, prefix: /b}" + cluster,
			`f:6: listeners[0].routes[0].match: has both path and prefix; keep one`},
		{"relative prefix", "listeners:\n- address: :1\n  cluster: a\n  routes:\n  - cluster: a\n    match: {prefix: b}" + cluster,
			`f:6: listeners[0].routes[0].match.prefix: "b" is not valid; must begin with /`},
		{"host with port", "listeners:\n- address: :1\n  cluster: a\n  routes:\n  - cluster: a\n    match: {path: /, host: \"a:80\"}" + cluster,
			`f:6: listeners[0].routes[0].match.host: "a:80" is not valid; must be a host name without port`},
		{"route to nowhere", "listeners:\n- address: :1\n  cluster: a\n  routes:\n  - match: {path: /}" + cluster,
			`f:5: listeners[0].routes[0].cluster: must name a cluster; there are: a`},
		{"cluster without endpoints", "listeners: [{address: \":1\", cluster: a}]\nclusters:\n- name: a",
			`f:3: clusters[0].endpoints: must name at least one endpoint`},
		{"socket without path", "listeners: [{address: \"unix:a.sock\", cluster: a}]" + cluster,
			`f:1: listeners[0].address: unix:a.sock is not valid; must be unix: and an absolute path, as unix:/run/pitot.sock`},
		{"long path", "listeners: [{address: \"unix:/" + strings.Repeat("a", 107) + "\", cluster: a}]" + cluster,
			`is too long; the path of a Unix socket has at most 107 bytes`},
		{"mode of a port", "listeners: [{address: \":1\", cluster: a, socket_mode: 0660}]" + cluster,
			`f:1: listeners[0].socket_mode: only the file of a Unix socket has a mode`},
		{"bad mode", "listeners: [{address: \"unix:/a\", cluster: a, socket_mode: rw}]" + cluster,
			`f:1: listeners[0].socket_mode: "rw" is not valid; must be an octal mode, as 0660`},
		{"endpoint without path", "listeners: [{address: \":1\", cluster: a}]\nclusters: [{name: a, endpoints: [\"unix:\"]}]",
			`f:2: clusters[0].endpoints[0]: unix: is not valid`},
		{"headers of anybody", "listeners: [{address: \":1\", cluster: a, proxy_protocol: {accept: optional}}]" + cluster,
			`f:1: listeners[0].proxy_protocol.trusted: must be there where headers are optional`},
		{"headers always", "listeners: [{address: \":1\", cluster: a, proxy_protocol: {accept: always}}]" + cluster,
			`f:1: listeners[0].proxy_protocol.accept: "always" is not valid; must be one of off, optional, required`},
		{"trusted name", "listeners: [{address: \":1\", cluster: a, proxy_protocol: {accept: required, trusted: [lb]}}]" + cluster,
			`f:1: listeners[0].proxy_protocol.trusted: "lb" is not valid; must be a network or an address`},
		{"header without end", "listeners: [{address: \":1\", cluster: a, proxy_protocol: {accept: required, timeout: 0}}]" + cluster,
			`f:1: listeners[0].proxy_protocol.timeout: must be more than 0`},
		{"other header", "listeners: [{address: \":1\", cluster: a}]\nclusters: [{name: a, endpoints: [\"h:1\"], proxy_protocol: v3}]",
			`f:2: clusters[0].proxy_protocol: "v3" is not valid; must be one of off, v1, v2`},
		{"header for many", "listeners: [{address: \":1\", cluster: a}]\nclusters: [{name: a, endpoints: [\"h:1\"], proxy_protocol: v2, protocol: http2}]",
			`f:2: clusters[0].protocol: must be http1 where proxy_protocol is v2`},
		{"other transparency", "listeners: [{address: \":1\", cluster: a, transparent: yes}]" + cluster,
			`f:1: listeners[0].transparent: "yes" is not valid; must be one of off, redirect, tproxy`},
		{"transparent socket", "listeners: [{address: \"unix:@a\", cluster: a, transparent: redirect}]" + cluster,
			`f:1: listeners[0].transparent: nobody is redirected to a Unix socket`},
		{"destination that nobody knows", "listeners: [{address: \":1\", cluster: a}]\nclusters: [{name: a, endpoints: original_destination}]",
			`f:1: listeners[0].transparent: must be redirect or tproxy: cluster "a" goes where clients wanted to go`},
		{"destination and endpoint", "listeners: [{address: \":1\", cluster: a, transparent: redirect}]\nclusters: [{name: a, endpoints: [original_destination, \"h:1\"]}]",
			`f:2: clusters[0].endpoints[0]: original_destination is instead of endpoints`},
		{"no streams", "listeners: [{address: \":1\", cluster: a, http2: {max_concurrent_streams: 0}}]" + cluster,
			`f:1: listeners[0].http2.max_concurrent_streams: 0 is not valid; must be from 1 to 1000000`},
		{"small window", "listeners: [{address: \":1\", cluster: a, http2: {stream_window: 1KiB}}]" + cluster,
			`f:1: listeners[0].http2.stream_window: 1KiB is not valid; must be from 64KiB to 1GiB`},
		{"large window", "listeners: [{address: \":1\", cluster: a}]\nclusters: [{name: a, endpoints: [\"h:1\"], http2: {connection_window: 2GiB}}]",
			`f:2: clusters[0].http2.connection_window: 2GiB is not valid; must be from 64KiB to 1GiB`},
		{"no connections", "listeners: [{address: \":1\", cluster: a}]\nclusters: [{name: a, endpoints: [\"h:1\"], http2: {max_connections: 0}}]",
			`f:2: clusters[0].http2.max_connections: 0 is not valid; must be from 1 to 10000`},
		{"answers at once", "listeners: [{address: \":1\", cluster: a, http2: {keepalive_interval: 10s, keepalive_timeout: 0}}]" + cluster,
			`f:1: listeners[0].http2.keepalive_timeout: must be more than 0 where keepalive_interval is`},
		{"health check without a way", "listeners: [{address: \":1\", cluster: a, health_check: {clusters: {a: 50%}}}]" + cluster,
			`f:1: listeners[0].health_check: must have path, as /healthz, or grpc: true`},
		{"health check of TCP", "listeners: [{address: \":1\", cluster: a, protocol: tcp, health_check: {grpc: true}}]" + cluster,
			`f:1: listeners[0].health_check: only HTTP has health checks`},
		{"health check at no path", "listeners: [{address: \":1\", cluster: a, health_check: {path: healthz}}]" + cluster,
			`f:1: listeners[0].health_check.path: "healthz" is not valid; must be a path, as /healthz`},
		{"health service without HTTP/2", "listeners: [{address: \":1\", protocol: http, cluster: a, http_versions: [\"1.1\"], health_check: {grpc: true}}]" + cluster,
			`f:1: listeners[0].health_check.grpc: needs HTTP/2, which http_versions does not have`},
		{"health of nobody", "listeners: [{address: \":1\", cluster: a, health_check: {path: /h, clusters: {b: 50%}}}]" + cluster,
			`f:1: listeners[0].health_check.clusters.b: no cluster is named "b"; there are: a`},
		{"health of too many", "listeners: [{address: \":1\", cluster: a, health_check: {path: /h, clusters: {a: 101%}}}]" + cluster,
			`f:1: listeners[0].health_check.clusters.a: "101%" is not valid; must be from 1% to 100%`},
		{"upgrade to HTTP/2", "listeners: [{address: \":1\", cluster: a, upgrades: [h2c]}]" + cluster,
			`f:1: listeners[0].upgrades[0]: h2c is not passed on`},
		{"upgrade by CONNECT", "listeners: [{address: \":1\", cluster: a, upgrades: [CONNECT]}]" + cluster,
			`f:1: listeners[0].upgrades[0]: CONNECT is a method; remove it, and set connect: true`},
		{"upgrade to nothing", "listeners: [{address: \":1\", cluster: a, routes: [{match: {prefix: /}, cluster: a, upgrades: [a b]}]}]" + cluster,
			`f:1: listeners[0].routes[0].upgrades[0]: "a b" is not valid; must be the name of a protocol`},
		{"bad endpoint", "listeners: [{address: \":1\", cluster: a}]\nclusters:\n- name: a\n  endpoints:\n  - h:1\n  - :2",
			`f:6: clusters[0].endpoints[1]: ":2" is not valid; must be host:port`},
		{"endpoint twice", "listeners: [{address: \":1\", cluster: a}]\nclusters:\n- name: a\n  endpoints:\n  - h:1\n  - h:1",
			`f:6: clusters[0].endpoints[1]: "h:1" stands here twice; remove one`},
		{"nameless cluster", "listeners: [{address: \":1\", cluster: a}]\nclusters:\n- {name: a, endpoints: [\"h:1\"]}\n- endpoints: [\"h:1\"]",
			`f:4: clusters[1].name: must be there`},
		{"bad policy", "listeners: [{address: \":1\", cluster: a}]\nclusters:\n- {name: a, endpoints: [\"h:1\"], policy: fastest}",
			`f:3: clusters[0].policy: "fastest" is not valid; must be one of round_robin, least_request, peak_ewma, random, ring_hash, maglev, client_side_weighted_round_robin`},
		{"two of a name", "listeners: [{address: \":1\", cluster: a}]\nclusters:\n- {name: a, endpoints: [\"h:1\"]}\n- {name: a, endpoints: [\"h:1\"]}",
			`f:4: clusters[1].name: "a" is the name of entry 0 too`},
		{"two of an address", "listeners:\n- {name: x, address: \":1\", cluster: a}\n- {name: y, address: \":1\", cluster: a}" + cluster,
			`f:3: listeners[1].address: ":1" is the address of entry 0 too`},
		{"no time to connect", "listeners: [{address: \":1\", cluster: a}]\nclusters:\n- {name: a, endpoints: [\"h:1\"], connect_timeout: 0}",
			`f:3: clusters[0].connect_timeout: must be more than 0`},
		{"open admin", "admin:\n  address: :9901\nlisteners: [{address: \":1\", cluster: a}]" + cluster,
			`f:1: admin.token: must be there when admin.address (:9901) can be reached from elsewhere`},
		{"bad admin", "admin:\n  address: here\nlisteners: [{address: \":1\", cluster: a}]" + cluster,
			`f:2: admin.address: "here" is not an address to listen on; must be as 127.0.0.1:9901, or none`},
		{"bad store", "store: {dsn: \"postgres://me:secret@h/d\"}\nlisteners: [{address: \":1\", cluster: a}]" + cluster,
			`f:1: store.dsn: "postgres://me:REDACTED@h/d" is not valid; must be embedded, none, or begin with one of clickhouse://`},
		{"bad service", "services: {shop: 10.0.0.1}\nlisteners: [{address: \":1\", cluster: a}]" + cluster,
			`f:1: services.shop: is no address; must be as 10.0.0.7:8080, 10.0.0.7 or 10.0.0.0/8`},
		{"key twice", "drain: {}\ndrain: {}\nlisteners: [{address: \":1\", cluster: a}]" + cluster,
			`f:2: drain: stands here twice, first on line 1; remove one`},
		{"two documents", "listeners: [{address: \":1\", cluster: a}]" + cluster + "---\ndrain: {}\n",
			`a second document begins here; keep one in a file`},
		{"list for keys", "admin: [1]\nlisteners: [{address: \":1\", cluster: a}]" + cluster,
			`f:1: admin: must be keys and values, one a line, not a list`},
		{"keys for list", "listeners: {address: \":1\"}" + cluster, `f:1: listeners: must be a list`},
		{"list for text", "listeners: [{address: [1], cluster: a}]" + cluster, `f:1: listeners[0].address: must be text, not a list`},
		{"not yaml", "listeners: [", `f: not YAML: `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("f", []byte(tt.yaml))
			if err == nil {
				t.Fatal("was taken")
			}
			var ps Problems
			if !errors.As(err, &ps) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%v\nwant\n%s", err, tt.want)
			}
		})
	}
}

func TestAllProblemsAtOnceInOrder(t *testing.T) {
	_, err := Parse("f", []byte("listeners:\n- address: x\n  protocol: y\n  cluster: z\n  foo: 1\nadmin: {bar: 2}\n"))
	var ps Problems
	if !errors.As(err, &ps) {
		t.Fatal(err)
	}
	var lines []int
	for _, p := range ps {
		lines = append(lines, p.Line)
	}
	if diff := cmp.Diff([]int{2, 3, 4, 5, 6}, lines); diff != "" {
		t.Errorf("lines of the problems (-want +got):\n%s\n%v", diff, err)
	}
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

// A value that cannot be read is told once, not again for what stands in its place.
func TestAProblemIsToldOnce(t *testing.T) {
	_, err := Parse("x.yaml", []byte("listeners:\n- address: 127.0.0.1:0\n  cluster: a\n  limits: {head: 10XB}\nclusters: [{name: a, endpoints: [\"127.0.0.1:9\"]}]\nstore: {listen: \"0.0.0.0:8123\"}\n"))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Key != "listeners[0].limits.head" || problems[1].Key != "store.listen" {
		t.Errorf("got\n%v", err)
	}
}

// A list in the file stands in the place of the default, also where it is
// empty; routes follow their listener.
func TestUpgradesOfRoutesAndListeners(t *testing.T) {
	c, err := Parse("f", []byte(`
listeners:
- address: ":1"
  cluster: a
  routes:
  - {match: {path: /a}, cluster: a}
  - {match: {path: /b}, cluster: a, upgrades: []}
  - {match: {path: /c}, cluster: a, upgrades: [x, y], connect: true}
- {address: "unix:@b", cluster: a, upgrades: [z], connect: true, routes: [{match: {path: /a}, cluster: a}]}
`+cluster))
	if err != nil {
		t.Fatal(err)
	}
	first, second := c.Listeners[0], c.Listeners[1]
	got := fmt.Sprint(first.Upgrades, first.Connect, second.Upgrades, second.Connect)
	for _, r := range append(first.Routes, second.Routes...) {
		got += fmt.Sprint(" ", r.Upgrades, r.Connect)
	}
	if want := "[websocket] false [z] true [websocket] false [] false [x y] true [z] true"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestOriginalDestinationStandsAlone(t *testing.T) {
	for _, list := range []string{"original_destination", "[original_destination]"} {
		c, err := Parse("f", []byte("listeners: [{address: \":1\", cluster: a, transparent: tproxy}]\nclusters: [{name: a, endpoints: "+list+"}]"))
		if err != nil || !c.Clusters[0].Original() {
			t.Errorf("%s: %v", list, err)
		}
	}
}

// inListener puts a listener's keys into a file that is else in order.
func inListener(keys string) string {
	return "listeners:\n- address: :1\n  protocol: http\n  cluster: a\n" + keys + cluster
}

// inRoute does so with a route's.
func inRoute(keys string) string { return inListener("  routes:\n  - " + keys) }

func TestProblemsOfRoutesAndLogs(t *testing.T) {
	for yaml, want := range map[string]string{
		inRoute("{cluster: a, match: {template: \"/{a\"}}"):                                                 `routes[0].match.template: "/{a" is not valid: "{a" has a brace without its other half`,
		inRoute("{cluster: a, match: {regex: \"(\"}}"):                                                      `routes[0].match.regex: is no regular expression of RE2: error parsing regexp: missing closing )`,
		inRoute("{cluster: a, match: {regex: a, template: /b}}"):                                            `routes[0].match: has both template and regex; keep one`,
		inRoute("{cluster: a, match: {grpc: a/b/c}}"):                                                       `routes[0].match.grpc: "a/b/c" is not valid; must be pkg.Service/Method`,
		inRoute("{cluster: a, match: {prefix: /, host: \"a.*.b\"}}"):                                        `routes[0].match.host: "a.*.b" is not valid; one * is possible, at the beginning or the end`,
		inRoute("{cluster: a, match: {prefix: /, hosts: [x, \"*a*\"]}}"):                                    `routes[0].match.hosts[1]: "*a*" is not valid; one * is possible`,
		inRoute("{cluster: a, match: {prefix: /, methods: [\"G T\"]}}"):                                     `routes[0].match.methods[0]: "G T" is not valid; must be a method`,
		inRoute("{cluster: a, match: {prefix: /, headers: [{exact: x}]}}"):                                  `routes[0].match.headers[0].name: must be there`,
		inRoute("{cluster: a, match: {prefix: /, headers: [{name: x}]}}"):                                   `routes[0].match.headers[0]: has 0 conditions; must have one of exact, prefix`,
		inRoute("{cluster: a, match: {prefix: /, query: [{name: x, range: 5-1}]}}"):                         `routes[0].match.query[0].range: "5-1" is not valid; must be two numbers as 10-19`,
		inRoute("{match: {prefix: /}, direct_response: {body: x}}"):                                         `routes[0].direct_response.status: 0 is not valid; must be from 200 to 599`,
		inRoute("{match: {prefix: /}, direct_response: {status: 200}, cluster: a}"):                         `routes[0]: has more than one of cluster, clusters, redirect and direct_response; keep one`,
		inRoute("{match: {prefix: /}, redirect: {code: 301}}"):                                              `routes[0].redirect: leads where the client is already; set scheme`,
		inRoute("{match: {prefix: /}, redirect: {code: 300, host: x}}"):                                     `routes[0].redirect.code: 300 is not valid; must be one of 301, 302`,
		inRoute("{match: {prefix: /}, redirect: {scheme: ftp}}"):                                            `routes[0].redirect.scheme: "ftp" is not valid; must be http or https`,
		inRoute("{match: {regex: /}, redirect: {prefix: /b}}"):                                              `routes[0].redirect.prefix: needs match.prefix or match.path`,
		inRoute("{cluster: a, match: {regex: /}, prefix_rewrite: /b}"):                                      `routes[0].prefix_rewrite: needs match.prefix or match.path, which it replaces; use regex_rewrite`,
		inRoute("{cluster: a, match: {prefix: /}, regex_rewrite: {pattern: \"(a)\", substitution: '\\2'}}"): `regex_rewrite.substitution: "\\2" names group 2, and the pattern has 1`,
		inRoute("{cluster: a, match: {prefix: /}, host_rewrite: {literal: x, auto: true}}"):                 `routes[0].host_rewrite: has more than one of literal, header and auto`,
		inRoute("{cluster: a, match: {prefix: /}, request_headers: {set: {host: x}}}"):                      `request_headers.set.host: cannot be edited here; use a route's host_rewrite`,
		inRoute("{cluster: a, match: {prefix: /}, request_headers: {remove: [Connection]}}"):                `request_headers.remove[0]: cannot be edited: it belongs to the connection`,
		inRoute("{cluster: a, match: {prefix: /}, request_headers: {add: {a: \"%RQ(x)%\"}}}"):               `request_headers.add.a: %RQ% is no operator here, did you mean REQ?; there are: CLUSTER, CONNECTION_ID,`,
		inRoute("{cluster: a, match: {prefix: /}, response_headers: {add: {a: [1]}}}"):                      `response_headers.add.a: must be text, not a list`,
		inListener("  via: a b"):                                                                                               `listeners[0].via: "a b" is not valid; must be a name without blanks`,
		inListener("  request_id: drop"):                                                                                       `listeners[0].request_id: "drop" is not valid; must be one of keep, make`,
		inListener("  path: {escaped_slashes: redirect}"):                                                                      `listeners[0].path.escaped_slashes: "redirect" is not valid; must be one of keep, reject, unescape`,
		inListener("  access_log: [{text: x}]"):                                                                                `f:5: listeners[0].access_log[0]: must have file, with the name of a file or - for standard output, or otlp`,
		inListener("  access_log: [{file: a, text: x, json: {a: b}}]"):                                                         `listeners[0].access_log[0]: has both text and json; keep one`,
		inListener("  access_log:\n  - file: a\n    text: \"%DURATON%\""):                                                      `f:7: listeners[0].access_log[0].text: %DURATON% is no operator here, did you mean DURATION?; there are: ACCESS_LOG_TYPE,`,
		inListener("  access_log: [{file: a, json: {b: \"%START_TIME(%Q)%\"}}]"):                                               `listeners[0].access_log[0].json.b: "%Q" in a format of times is unknown`,
		inListener("  access_log: [{otlp: {endpoint: \"127.0.0.1:4318\"}}]"):                                                   `listeners[0].access_log[0].otlp.endpoint: "127.0.0.1:4318" is not valid; must be as http://`,
		inListener("  access_log: [{file: a, filter: {flags: [XX]}}]"):                                                         `filter.flags[0]: "XX" is not valid; must be * for any, or one of UH, UF`,
		inListener("  access_log: [{file: a, filter: {sample: 5}}]"):                                                           `filter.sample: "5" is not valid; must be a share above 0%`,
		inListener("  access_log: [{file: a, filter: {status: x}}]"):                                                           `filter.status: "x" is not valid; must be two numbers`,
		inListener("  access_log: [{file: a, filter: {routes: [x]}}]"):                                                         `filter.routes[0]: the listener has no route "x"`,
		inListener("  access_log: [{file: a, queue: 1KiB}]"):                                                                   `access_log[0].queue: 1KiB is not valid; must be from 64KiB to 128MiB`,
		"listeners: [{address: \":1\", protocol: tcp, cluster: a, access_log: [{file: a, filter: {status: 500-}}]}]" + cluster: `listeners[0].access_log[0].filter: only HTTP has a status and headers`,
	} {
		_, err := Parse("f", []byte(yaml))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", yaml, err, want)
		}
	}
}

// What /config shows can be read again, and has no secrets.
func TestRoutesAndLogsAreShown(t *testing.T) {
	text := inListener("  access_log: [{otlp: {endpoint: \"http://h/x\", headers: {x-key: hidden}}, json: {b: \"1\", a: \"%DURATION%\"}}]\n" +
		"  routes: [{cluster: a, match: {prefix: /, headers: [{name: x, absent: true}]}, request_headers: {set: {b: \"1\", a: \"2\"}}}]")
	c, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.YAML()
	if err != nil || strings.Contains(string(b), "hidden") {
		t.Fatalf("%v\n%s", err, b)
	}
	again, err := Parse("f", b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	c.Listeners[0].AccessLog[0].OTLP.Headers[0].Value = redacted
	l, m := c.Listeners[0], again.Listeners[0]
	if diff := cmp.Diff(l.Routes, m.Routes) + cmp.Diff(l.AccessLog, m.AccessLog); diff != "" {
		t.Errorf("%s\n%s", diff, b)
	}
}
