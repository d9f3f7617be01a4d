package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const retrying = `
listeners:
- address: 127.0.0.1:8080
  protocol: http
  cluster: c
  retry: {num_retries: 2, per_try_timeout: 1s, back_off: {base: 10ms}}
  routes:
  - match: {prefix: /own}
    cluster: c
    retry: {retry_on: [5xx, unavailable], hedge: {delay: 20ms, delay_percentile: 95}, body_limit: 1MiB, omit_host_metadata: {stage: canary}}
  - match: {prefix: /none}
    cluster: c
    retry: {retry_on: [], num_retries: 0}
  - match: {prefix: /the-listeners}
    cluster: c
  - match: {prefix: /here}
    direct_response: {status: 200}
clusters:
- name: c
  endpoints: ["127.0.0.1:1"]
  retry_budget: {percent: 50}
`

func TestRetry(t *testing.T) {
	c, err := Parse("pitot.yaml", []byte(retrying))
	if err != nil {
		t.Fatal(err)
	}
	l := &c.Listeners[0]
	if r := l.Retry; r.Most != 2 || r.PerTry != time.Second || r.BackOff != (RetryBackOff{10 * time.Millisecond, 100 * time.Millisecond}) ||
		!cmp.Equal(r.On, DefaultRetry().On) || r.BodyLimit != 64<<10 || !l.Retries() {
		t.Errorf("the listener's %+v", r)
	}
	if r := l.Routes[0].Retry; r.Most != 1 || r.PerTry != 0 || !cmp.Equal(r.On, []string{"5xx", "unavailable"}) ||
		r.Hedge != (Hedge{Delay: 20 * time.Millisecond, DelayPercentile: 95}) || r.BackOff.Max != 250*time.Millisecond {
		t.Errorf("a route's own %+v", r)
	}
	if r := l.Routes[1].Retry; r.Most != 0 || len(r.On) != 0 {
		t.Errorf("a route's that wants none %+v", r)
	}
	if l.Routes[2].Retry != l.Retry || l.Routes[3].Retry != nil {
		t.Error("routes that say nothing")
	}
	if b := c.Clusters[0].RetryBudget; *b != (RetryBudget{50, 3}) {
		t.Errorf("budget %+v", b)
	}
	b, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("dump.yaml", b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if d := cmp.Diff(c.Listeners[0].Retry, again.Listeners[0].Retry); d != "" || !reflect.DeepEqual(c.Clusters[0].RetryBudget, again.Clusters[0].RetryBudget) {
		t.Errorf("as it was, as it is dumped and read:\n%s", d)
	}
	for i := range l.Routes {
		if d := cmp.Diff(l.Routes[i].Retry, again.Listeners[0].Routes[i].Retry); d != "" {
			t.Errorf("route %d as it was, as it is dumped and read:\n%s", i, d)
		}
	}
}

func TestRetryProblems(t *testing.T) {
	for section, want := range map[string]string{
		"retry_on: [6xx]":                         `retry.retry_on[0]: "6xx" is not valid; must be one of 5xx, gateway-error`,
		"num_retries: 101":                        "retry.num_retries: 101 is not valid; must be from 0 to 100",
		"retry_on: [retriable-status-codes]":      "retry.retriable_status_codes: must name statuses",
		"retry_on: [retriable-headers]":           "retry.retriable_headers: must name fields",
		"retriable_status_codes: [99]":            "retry.retriable_status_codes[0]: 99 is not valid",
		"retriable_headers: [{name: a}]":          "retry.retriable_headers[0]: has 0 conditions",
		"back_off: {base: 0}":                     "retry.back_off: 0s to 0s is not valid",
		"back_off: {base: 1s, max: 10ms}":         "retry.back_off: 1s to 10ms is not valid",
		"host_predicates: [nobody]":               "retry.host_predicates[0]: \"nobody\" is not valid; must be one of previous_hosts",
		"host_selection_attempts: 0":              "retry.host_selection_attempts: 0 is not valid",
		"update_frequency: 0":                     "retry.update_frequency: 0 is not valid; must be from 1 to 100",
		"hedge: {on_per_try_timeout: true}":       "retry.hedge.on_per_try_timeout: needs per_try_timeout",
		"hedge: {delay_percentile: 100}":          "retry.hedge.delay_percentile: 100 is not valid",
		"body_limit: 1GiB":                        "retry.body_limit: 1GiB is not valid",
		"retriable_request_headers: [{exact: a}]": "retry.retriable_request_headers[0].name: must be there",
	} {
		_, err := Parse("p.yaml", []byte("listeners:\n- {address: \":1\", protocol: http, cluster: c, retry: {"+section+"}}\nclusters:\n- {name: c, endpoints: [\"h:1\"]}\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", section, err, want)
		}
	}
	_, err := Parse("p.yaml", []byte(strings.Replace(retrying, "direct_response: {status: 200}", "direct_response: {status: 200}\n    retry: {}", 1)))
	if err == nil || !strings.Contains(err.Error(), "routes[3].retry: is for requests that go to a cluster") {
		t.Error(err)
	}
}
