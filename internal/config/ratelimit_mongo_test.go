package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRateLimitsOfCommands(t *testing.T) {
	const bucket = "{token_bucket: {max_tokens: 1, fill_interval: 1s}, "
	for _, c := range []struct{ protocol, limit, want string }{
		{MongoDB, bucket + "actions: [{mongodb_command: {only: [find]}}, {mongodb_database: {}}, {mongodb_collection: {}}, {mongodb_call_site: {}}]}", ""},
		{MongoDB, bucket + "actions: [{remote_address: {}}, {masked_remote_address: {}}, {generic_key: {descriptor_value: a}}, {destination_cluster: {}}]}", ""},
		{Auto, bucket + "actions: [{mongodb_command: {}}, {remote_address: {}}]}", ""},
		{Auto, bucket + "actions: [{route: {}}]}", ""},
		{Auto, bucket + "headers: true}", ""},
		{MongoDB, bucket + "actions: [{request_headers: {header_name: x}}]}", "actions[0]: MongoDB's commands have no such thing"},
		{HTTP, bucket + "actions: [{mongodb_command: {}}]}", "actions[0]: HTTP has no commands"},
		{Auto, bucket + "actions: [{mongodb_command: {}}, {route: {}}]}", "actions[1]: MongoDB's commands have no such thing"},
		{MongoDB, bucket + "headers: true}", "headers: MongoDB has no headers"},
		{MongoDB, bucket + "status: 503}", "status: MongoDB has no status"},
		{MongoDB, "{global: true, actions: [{remote_address: {}}]}", ""},
		{MongoDB, "{global: true, stage: 2, limit_override: {requests_per_unit: 1, unit: day}, actions: [{mongodb_application: {only: [a]}}]}", ""},
		{MongoDB, "{global: true, headers: true, actions: [{remote_address: {}}]}", "headers: MongoDB has no headers"},
		{Auto, "{global: true, actions: [{mongodb_command: {}}]}", ""},
		{HTTP, bucket + "actions: [{mongodb_application: {}}]}", "actions[0]: HTTP has no commands"},
		{Auto, "{global: true, actions: [{remote_address: {}}]}", ""},
	} {
		text := strings.Replace(fmt.Sprintf(limited, c.limit), "protocol: http\n", "protocol: "+c.protocol+"\n", 1) + "rate_limit_service: {cluster: rls, domain: web}\n"
		_, err := Parse("x", []byte(text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v, want %q", c.protocol, c.limit, err, c.want)
		}
		if problems, ok := errors.AsType[Problems](err); ok && len(problems) != 1 {
			t.Errorf("%s: told %d times: %v", c.limit, len(problems), err)
		}
	}
}

func TestRoutesDoNotLimitCommands(t *testing.T) {
	text := "listeners: [{address: \":1\", cluster: a, routes: [{match: {prefix: /}, cluster: a, rate_limits: [{token_bucket: {max_tokens: 1, fill_interval: 1s}, " +
		"actions: [{mongodb_command: {}}]}]}]}]\nclusters: [{name: a, endpoints: [\"h:1\"]}]"
	if _, err := Parse("x", []byte(text)); err == nil || !strings.Contains(err.Error(), "routes[0].rate_limits[0].actions[0]: HTTP has no commands") {
		t.Error(err)
	}
}

// Only HTTP is served by the engine for a limit that waits.
func TestGlobalLimitsOfCommandsAskNobodyForHTTP(t *testing.T) {
	for limit, want := range map[string]bool{"{mongodb_command: {}}": false, "{remote_address: {}}": true} {
		text := strings.Replace(fmt.Sprintf(limited, "{global: true, actions: ["+limit+"]}"), "protocol: http\n", "protocol: auto\n", 1) + "rate_limit_service: {cluster: rls, domain: web}\n"
		c, err := Parse("x", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Listeners[0].AsksLimiter(); got != want {
			t.Errorf("%s: %v, want %v", limit, got, want)
		}
	}
}
