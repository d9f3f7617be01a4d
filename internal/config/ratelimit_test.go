package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const limited = `listeners:
- name: web
  address: 127.0.0.1:0
  protocol: http
  cluster: shop
  rate_limits:
  - %s
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}, {name: rls, protocol: http2, endpoints: ["127.0.0.1:8"]}]
`

func TestRateLimitDefaults(t *testing.T) {
	c, err := Parse("x", fmt.Appendf(nil, limited, "token_bucket: {max_tokens: 7, fill_interval: 1s}"))
	if err != nil {
		t.Fatal(err)
	}
	r := c.Listeners[0].RateLimits[0]
	want := RateLimit{
		Name: "web#0", Bucket: TokenBucket{Max: 7, Fill: 7, Interval: time.Second}, Hits: 1, Enforce: true, Status: 429, Exhausted: true, MaxKeys: 10_000,
	}
	if fmt.Sprint(r) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", r, want)
	}
}

func TestRateLimitServiceDefaults(t *testing.T) {
	c, err := Parse("x", fmt.Appendf(nil, limited+"rate_limit_service: {address: \"10.0.0.1:8081\", domain: web, tls: {}}\n",
		"{global: true, actions: [{remote_address: {}}]}"))
	if err != nil {
		t.Fatal(err)
	}
	s, own := c.RateLimitService, c.RateLimitService.Own()
	if s.Timeout != 20*time.Millisecond || s.Deny || len(s.TLS.ALPN) != 1 || own.Name != LimiterCluster || own.Endpoints[0].Address != s.Address || own.TLS != s.TLS {
		t.Errorf("%+v, %+v", s, own)
	}
	if !c.Listeners[0].AsksLimiter() {
		t.Error("the listener asks nobody")
	}
}

func TestRateLimitProblems(t *testing.T) {
	const service = "rate_limit_service: {cluster: rls, domain: web}\n"
	for _, c := range []struct{ limit, more, want string }{
		{"{}", "", "token_bucket.max_tokens: 0 is not valid"},
		{"token_bucket: {max_tokens: 1}", "", "fill_interval: must be there"},
		{"token_bucket: {max_tokens: 1000000, fill_interval: 1h, tokens_per_fill: 1}", "", "takes more than a year to fill"},
		{"token_bucket: {max_tokens: 1, fill_interval: 1ms, tokens_per_fill: 100000000}", "", "more than one token a nanosecond"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, hits_addend: 2}", "", "hits_addend: 2 is not valid"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, status: 200}", "", "status: 200 is not valid"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, max_keys: 0}", "", "max_keys: 0 is not valid"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, stage: 1}", "", "of a global limit"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{}]}", "", "has 0 actions"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{route: {}, remote_address: {}}]}", "", "has 2 actions"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{request_headers: {}}]}", "", `"" is no name of a field`},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{query_parameters: {}}]}", "", "query_parameter_name: must be there"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{generic_key: {}}]}", "", "descriptor_value: must be there"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{masked_remote_address: {v4_prefix_mask_len: 33}}]}", "", "33 and 128 are not valid"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{header_value_match: {descriptor_value: a}}]}", "", "at least one condition"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{header_value_match: {descriptor_value: a, headers: [{name: a}]}}]}", "", "headers[0]: has 0 conditions"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{query_parameter_value_match: {descriptor_value: a, headers: [{name: a, present: true}]}}]}", "", "use query_parameters"},
		{"{global: true, actions: [{route: {}}]}", "", "add rate_limit_service"},
		{"{global: true, token_bucket: {max_tokens: 1, fill_interval: 1s}, actions: [{route: {}}]}", service, "both global and token_bucket"},
		{"{token_bucket: {max_tokens: 1, fill_interval: 1s}, limit_override: {requests_per_unit: 1, unit: day}}", "", "limit_override: is of a global limit"},
		{"{global: true, limit_override: {unit: day}, actions: [{route: {}}]}", service, "limit_override.requests_per_unit: 0 is not valid; must be from 1 to 4294967295"},
		{"{global: true, limit_override: {requests_per_unit: 4294967296, unit: day}, actions: [{route: {}}]}", service, "limit_override.requests_per_unit: 4294967296"},
		{"{global: true, limit_override: {requests_per_unit: 1, unit: week}, actions: [{route: {}}]}", service, `limit_override.unit: "week" is not valid; must be one of second, minute`},
		{"{global: true}", service, "must have at least one action"},
		{"{global: true, stage: 11, actions: [{route: {}}]}", service, "stage: 11 is not valid"},
		{"{global: true, actions: [{route: {}}]}", "rate_limit_service: {domain: web}\n", "must have address"},
		{"{global: true, actions: [{route: {}}]}", "rate_limit_service: {address: \"a:1\", cluster: rls, domain: web}\n", "both address and cluster"},
		{"{global: true, actions: [{route: {}}]}", "rate_limit_service: {address: nowhere, domain: web}\n", "rate_limit_service.address"},
		{"{global: true, actions: [{route: {}}]}", "rate_limit_service: {address: \"a:1\"}\n", "domain: must be there"},
		{"{global: true, actions: [{route: {}}]}", "rate_limit_service: {cluster: shop, domain: web}\n", "protocol: http2"},
		{"{global: true, actions: [{route: {}}]}", "rate_limit_service: {cluster: none, domain: web}\n", `no cluster is named "none"`},
		{"{global: true, actions: [{route: {}}]}", "rate_limit_service: {cluster: rls, domain: web, timeout: 0}\n", "must be from 1ms to 1m"},
		{"{global: true, actions: [{route: {}}]}", "rate_limit_service: {cluster: rls, domain: web, tls: {}}\n", "is for address"},
		{"{name: a, token_bucket: {max_tokens: 1, fill_interval: 1s}}\n  - {name: a, token_bucket: {max_tokens: 1, fill_interval: 1s}}", "", `"a" is the name of listeners[0].rate_limits[0] too`},
		{strings.Repeat("token_bucket: {max_tokens: 1, fill_interval: 1s}\n  - ", 16) + "token_bucket: {max_tokens: 1, fill_interval: 1s}", "", "meets 17 limits"},
	} {
		_, err := Parse("x", []byte(fmt.Sprintf(limited, c.limit)+c.more))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.limit, err, c.want)
		}
		if problems, ok := errors.AsType[Problems](err); ok && len(problems) != 1 {
			t.Errorf("%s: told %d times: %v", c.limit, len(problems), err)
		}
	}
}

func TestOnlyRequestsAreRateLimited(t *testing.T) {
	text := strings.Replace(fmt.Sprintf(limited, "token_bucket: {max_tokens: 1, fill_interval: 1s}"), "protocol: http\n", "protocol: tcp\n", 1)
	if _, err := Parse("x", []byte(text)); err == nil || !strings.Contains(err.Error(), "only HTTP and MongoDB have requests to limit") {
		t.Error(err)
	}
}

// The files of the service's section are looked into, as those of clusters.
func TestRateLimitServiceFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pitot.yaml")
	text := fmt.Sprintf(limited, "{global: true, actions: [{route: {}}]}") + "rate_limit_service: {address: \"a:1\", domain: web, tls: {ca: /none.pem}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "rate_limit_service.tls.ca") {
		t.Errorf("%v", err)
	}
}

// What is shown of a configuration can be loaded again.
func TestRateLimitsSurviveBeingShown(t *testing.T) {
	c, err := Parse("x", fmt.Appendf(nil, limited+"rate_limit_service: {cluster: rls, domain: web}\n", `name: a
    actions:
    - {remote_address: {}}
    - {masked_remote_address: {v4_prefix_mask_len: 0}}
    - {route: {}}
    - {header_value_match: {descriptor_value: b, expect_match: false, headers: [{name: x, present: true}]}}
    - {request_headers: {header_name: x, skip_if_absent: true}}
    enforce: false
    rate_limited_as_resource_exhausted: false
    global: true
    stage: 2`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("shown", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if d := cmp.Diff(c.Listeners[0].RateLimits, again.Listeners[0].RateLimits); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(c.RateLimitService, again.RateLimitService); d != "" {
		t.Error(d)
	}
}
