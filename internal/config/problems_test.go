package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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

// A value that cannot be read is told once, not again for what stands in its place.
func TestAProblemIsToldOnce(t *testing.T) {
	_, err := Parse("x.yaml", []byte("listeners:\n- address: 127.0.0.1:0\n  cluster: a\n  limits: {head: 10XB}\nclusters: [{name: a, endpoints: [\"127.0.0.1:9\"]}]\nstore: {listen: \"0.0.0.0:8123\"}\n"))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Key != "listeners[0].limits.head" || problems[1].Key != "store.listen" {
		t.Errorf("got\n%v", err)
	}
}

// One mistake is told once: the name that follows from an address is no other.
func TestAddressTwiceIsOneProblem(t *testing.T) {
	_, err := Parse("f", []byte("listeners:\n- {address: \":1\", cluster: a}\n- {address: \":1\", cluster: a}\nclusters: [{name: a, endpoints: [\"h:1\"]}]"))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Key != "listeners[1].address" {
		t.Errorf("got %v", err)
	}
}
