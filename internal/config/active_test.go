package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

const watched = `listeners: [{name: web, address: "127.0.0.1:0", protocol: http, cluster: shop}]
clusters:
- name: shop
  endpoints: ["127.0.0.1:9"]
`

func TestHealthCheckDefaults(t *testing.T) {
	c, err := Parse("x", []byte(watched+`
  health_checks: [{http: {}}]
  outlier_detection: {}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := ActiveCheck{
		Interval: 5 * time.Second, Timeout: time.Second, UnhealthyThreshold: 3, HealthyThreshold: 2, NoTraffic: time.Minute, Reuse: true,
		HTTP: &HTTPCheck{Path: "/", Method: "GET", Expected: []string{"200"}},
	}
	if got := c.Clusters[0].HealthChecks[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if o := c.Clusters[0].Outliers; !reflect.DeepEqual(o, NewOutlierDetection()) || !o.AlwaysOne || o.MaxPercent != 10 || o.EnforceGateway != 0 {
		t.Errorf("%+v", o)
	}
}

func TestHealthCheckProblems(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"health_checks: [{}]", "health_checks[0]: must have exactly one of http, tcp, grpc and mongodb"},
		{"health_checks: [{http: {}, tcp: {}}]", "must have exactly one of"},
		{"health_checks: [{tcp: {}}, {tcp: {}}]", "has 2 entries"},
		{"health_checks: [{tcp: {}, interval: 0}]", "health_checks[0].interval: 0s is not valid"},
		{"health_checks: [{tcp: {}, timeout: 1ms}]", "timeout: 1ms is not valid"},
		{"health_checks: [{tcp: {}, no_traffic_interval: 0}]", "no_traffic_interval"},
		{"health_checks: [{tcp: {}, unhealthy_interval: 1ms}]", "unhealthy_interval: 1ms is not valid"},
		{"health_checks: [{tcp: {}, interval_jitter_percent: 101}]", "must be from 0 to 100"},
		{"health_checks: [{tcp: {}, healthy_threshold: 0}]", "healthy_threshold: must be at least 1"},
		{"health_checks: [{tcp: {}, unhealthy_threshold: 0}]", "unhealthy_threshold: must be at least 1"},
		{"health_checks: [{tcp: {}, port: 65536}]", "port: 65536"},
		{"health_checks: [{tcp: {send: xyz}}]", "tcp.send: \"xyz\" is not valid"},
		{"health_checks: [{tcp: {receive: [abc]}}]", "tcp.receive[0]: \"abc\" is not valid"},
		{"health_checks: [{tcp: {receive: ['']}}]", "is empty"},
		{"health_checks: [{http: {path: healthz}}]", "http.path: \"healthz\" is not valid"},
		{"health_checks: [{http: {path: \"/a b\"}}]", "http.path: \"/a b\" is not valid"},
		{"health_checks: [{http: {method: POST}}]", "must be GET or HEAD"},
		{"health_checks: [{http: {method: HEAD, body: ok}}]", "needs method GET"},
		{"health_checks: [{http: {host: \"a b\"}}]", "http.host"},
		{"health_checks: [{http: {headers: {\"a b\": c}}}]", "is not a field of HTTP"},
		{"health_checks: [{http: {expected_statuses: []}}]", "at least one status"},
		{"health_checks: [{http: {expected_statuses: [299-200]}}]", "expected_statuses[0]: \"299-200\" is not valid"},
		{"health_checks: [{http: {retriable_statuses: [600]}}]", "retriable_statuses[0]: \"600\" is not valid"},
		{"health_checks: [{http: {protocol: auto}}]", "must be http1 or http2"},
		{"health_checks: [{http: {body: " + strings.Repeat("x", 1025) + "}}]", "has 1025 bytes"},
		{"tls: {}\n  health_checks: [{http: {protocol: http2}}]", "with tls the endpoints are offered http1"},
		{"health_checks: [{mongodb: {role: arbiter}}]", "must be one of any, primary, secondary, mongos"},
		{"ignore_new_hosts_until_first_hc: true", "needs health_checks"},
		{"outlier_detection: {interval: 0}", "outlier_detection.interval"},
		{"outlier_detection: {base_ejection_time: 0}", "base_ejection_time"},
		{"outlier_detection: {max_ejection_time: 1s}", "is less than base_ejection_time, 30s"},
		{"outlier_detection: {enforcing_success_rate: 101}", "must be a percentage"},
	} {
		_, err := Parse("x", []byte(watched+"  "+c.text+"\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
		if problems, ok := errors.AsType[Problems](err); ok && len(problems) != 1 {
			t.Errorf("%s: told %d times: %v", c.text, len(problems), err)
		}
	}
	for _, section := range []string{"health_checks: [{tcp: {}}]", "outlier_detection: {}"} {
		text := strings.Replace(watched, `["127.0.0.1:9"]`, OriginalDestination, 1)
		text = strings.Replace(text, "protocol: http", "transparent: redirect, protocol: http", 1)
		if _, err := Parse("x", fmt.Appendf(nil, "%s  %s\n", text, section)); err == nil || !strings.Contains(err.Error(), "is not for original_destination") {
			t.Errorf("%s: %v", section, err)
		}
	}
}

func TestParseStatuses(t *testing.T) {
	for s, want := range map[string]string{"200": "200 200 true", "200-299": "200 299 true", "99": "99 99 false", "2xx": "0 0 false", "": "0 0 false", "200-": "200 0 false"} {
		from, to, ok := ParseStatuses(s)
		if got := fmt.Sprint(from, to, ok); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}
