package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
