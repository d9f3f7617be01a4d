package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What is wrong about limits is told with its place and what would be valid; the
// rest is taken.
func TestLimitsAndOverload(t *testing.T) {
	const file = "listeners: [{name: a, address: \":1\", protocol: http, cluster: a%s}]\nclusters: [{name: a, endpoints: [\"h:1\"]}]\n%s"
	for _, c := range []struct{ listener, more, want string }{
		{", limits: {head: 1KiB, headers: 1, body: 0}, max_connections: 1, max_connections_per_client: 1, overflow_delay: 1m", "", ""},
		{"", "overload: {max_memory: 1GiB, max_goroutines: 9, max_connections: 9, actions: []}", ""},
		{"", "overload: {actions: [{action: disable_keepalive, resource: goroutines, from: 5, at: 5}, {action: stop_accepting_requests, resource: memory, from: 1, at: 100}]}", ""},
		{"", "overload: {actions: [{action: reject_connections, resource: connections, from: 1, at: 2}, {action: stop_accepting_connections, resource: file_descriptors, at: 2}, {action: shrink_memory, resource: memory, at: 9}]}", ""},
		{"", "overload: {actions: [{resource: memory, at: 5}]}", `overload.actions[0].action: "" is not valid; must be one of stop_accepting_requests, disable_keepalive`},
		{"", "overload: {actions: [{action: shrink, resource: memory, at: 5}]}", `overload.actions[0].action: "shrink" is not valid`},
		{"", "overload: {actions: [{action: shrink_memory, at: 5}]}", `overload.actions[0].resource: "" is not valid; must be one of memory, file_descriptors, goroutines, connections`},
		{"", "overload: {actions: [{action: shrink_memory, resource: memory}]}", "overload.actions[0].at"},
		{"", "overload: {actions: [{action: shrink_memory, resource: memory, at: 101}]}", "overload.actions[0].at"},
		{"", "overload: {actions: [{action: disable_keepalive, resource: memory, from: 6, at: 5}]}", "overload.actions[0].from: 6 is not valid; must be from 0 to at, 5"},
		{"", "overload: {actions: [{action: shrink_memory, resource: memory, from: 4, at: 5}]}", "from: shrink_memory is done or not, for no share; remove it"},
		{"", "overload: {actions: [{action: stop_accepting_connections, resource: memory, from: 4, at: 5}]}", "from: stop_accepting_connections is done or not"},
		{"", "overload: {max_gorutines: 1}", "max_goroutines"},
		{", limits: {heads: 1KiB}", "", "head"},
		{", overflow_delay: 61s", "", "overflow_delay"},
	} {
		_, err := Parse("f", fmt.Appendf(nil, file, c.listener, c.more))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s%s: %v, want %q", c.listener, c.more, err, c.want)
		}
		if problems, ok := errors.AsType[Problems](err); ok && len(problems) != 1 {
			t.Errorf("%s%s: told %d times: %v", c.listener, c.more, len(problems), err)
		}
	}
}
