package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Bounds of a rate limit. A bucket that takes longer than maxFilling to fill
// may as well have fewer tokens.
const (
	maxTokens  = 1_000_000_000
	maxFilling = 366 * 24 * time.Hour
	maxKeys    = 1_000_000
	maxStage   = 10
	maxHits    = 1_000_000
)

// checkRateLimits looks at all rate limits, and at the service that counts for the
// global ones.
func (c *Config) checkRateLimits(wrong report) {
	seen := map[string]string{}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		at := fmt.Sprintf("listeners[%d]", i)
		if len(l.RateLimits) > 0 && (l.Protocol == TCP || l.Protocol == PassTLS) {
			wrong(at+".rate_limits", "only HTTP and MongoDB have requests to limit; remove it, or set protocol to %s, %s or %s", HTTP, MongoDB, Auto)
		}
		c.checkLimitList(l.RateLimits, len(l.RateLimits), at, seen, wrong)
		checkLimitKinds(l.RateLimits, l.Protocol, at, wrong)
		for j := range l.Routes {
			own, at := l.Routes[j].RateLimits, fmt.Sprintf("%s.routes[%d]", at, j)
			c.checkLimitList(own, len(own)+len(l.LimitsFor(&l.Routes[j])), at, seen, wrong)
			checkLimitKinds(own, HTTP, at, wrong)
		}
	}
	if c.RateLimitService != nil {
		c.RateLimitService.check(c, wrong)
	}
}

func (c *Config) checkLimitList(all []RateLimit, meets int, key string, seen map[string]string, wrong report) {
	if meets > MaxLimits {
		wrong(key+".rate_limits", "a request meets %d limits here, the listener's included; at most %d are possible", meets, MaxLimits)
	}
	for i := range all {
		r, at := &all[i], fmt.Sprintf("%s.rate_limits[%d]", key, i)
		if before, twice := seen[r.Name]; twice {
			wrong(at+".name", "%q is the name of %s too; each must have its own", r.Name, before)
		}
		seen[r.Name] = at
		r.check(c, at, wrong)
	}
}

func (r *RateLimit) check(c *Config, key string, wrong report) {
	switch {
	case r.Global && r.Bucket != (TokenBucket{}):
		wrong(key, "has both global and token_bucket; keep one")
	case r.Global && c.RateLimitService == nil:
		wrong(key+".global", "needs a service that counts: add rate_limit_service, as {address: \"127.0.0.1:8081\", domain: web}")
	case r.Global && len(r.Actions) == 0:
		wrong(key+".actions", "must have at least one action: the service knows a limit by its descriptor, as [{generic_key: {descriptor_value: web}}]")
	case !r.Global:
		r.Bucket.check(key+".token_bucket", wrong)
	}
	if r.Stage > maxStage || r.Stage > 0 && !r.Global {
		wrong(key+".stage", "%d is not valid; must be from 0 to %d, of a global limit", r.Stage, maxStage)
	}
	r.Override.check(r.Global, key+".limit_override", wrong)
	if r.Hits < 1 || r.Hits > maxHits || !r.Global && r.Bucket.Max > 0 && r.Hits > r.Bucket.Max {
		wrong(key+".hits_addend", "%d is not valid; must be from 1 to %d, and no more than max_tokens", r.Hits, maxHits)
	}
	if r.Status < 400 || r.Status > 599 {
		wrong(key+".status", "%d is not valid; must be from 400 to 599", r.Status)
	}
	if r.MaxKeys < 1 || r.MaxKeys > maxKeys {
		wrong(key+".max_keys", "%d is not valid; must be from 1 to %d", r.MaxKeys, maxKeys)
	}
	for i := range r.Actions {
		r.Actions[i].check(fmt.Sprintf("%s.actions[%d]", key, i), wrong)
	}
}

// check looks at an override, of a limit that is global or is not.
func (o *LimitOverride) check(global bool, key string, wrong report) {
	switch {
	case o == nil:
	case !global:
		wrong(key, "is of a global limit; set token_bucket, or add global: true")
	case o.Requests < 1 || int64(o.Requests) > math.MaxUint32:
		wrong(key+".requests_per_unit", "%d is not valid; must be from 1 to %d", o.Requests, int64(math.MaxUint32))
	case !slices.Contains(limitUnits, o.Unit):
		wrong(key+".unit", "%q is not valid; must be one of %s", o.Unit, strings.Join(limitUnits, ", "))
	}
}

func (b *TokenBucket) check(key string, wrong report) {
	switch {
	case b.Max < 1 || b.Max > maxTokens:
		wrong(key+".max_tokens", "%d is not valid; must be from 1 to %d", b.Max, maxTokens)
	case b.Fill < 1 || b.Fill > maxTokens:
		wrong(key+".tokens_per_fill", "%d is not valid; must be from 1 to %d", b.Fill, maxTokens)
	case b.Interval < time.Millisecond || b.Interval > maxFilling:
		wrong(key+".fill_interval", "must be there, from 1ms to a year")
	case float64(b.Interval)*float64(b.Max)/float64(b.Fill) > float64(maxFilling):
		wrong(key, "takes more than a year to fill; lower max_tokens or fill_interval")
	case float64(b.Interval)/float64(b.Fill) < 1:
		wrong(key, "fills with more than one token a nanosecond; that is no limit")
	}
}

func (a *LimitAction) check(key string, wrong report) {
	n := 0
	for _, there := range []bool{
		a.SourceCluster != nil, a.DestinationCluster != nil, a.Route != nil, a.RequestHeaders != nil, a.QueryParameters != nil, a.RemoteAddress != nil,
		a.MaskedAddress != nil, a.GenericKey != nil, a.HeaderMatch != nil, a.QueryMatch != nil, a.GRPCService != nil, a.GRPCMethod != nil,
		a.MongoCommand != nil, a.MongoDatabase != nil, a.MongoCollection != nil, a.MongoCallSite != nil, a.MongoApp != nil,
	} {
		if there {
			n++
		}
	}
	if n != 1 {
		wrong(key, "has %d actions; must have one, as {remote_address: {}} or {request_headers: {header_name: x-tenant}}", n)
	}
	if f := a.RequestHeaders; f != nil && !pseudo(f.Header) && !token(f.Header) {
		wrong(key+".request_headers.header_name", "%q is no name of a field", f.Header)
	}
	if q := a.QueryParameters; q != nil && q.Parameter == "" {
		wrong(key+".query_parameters.query_parameter_name", "must be there")
	}
	if m := a.MaskedAddress; m != nil && (m.V4 > 32 || m.V6 > 128) {
		wrong(key+".masked_remote_address", "prefix lengths %d and %d are not valid; must be from 0 to 32 and to 128", m.V4, m.V6)
	}
	if g := a.GenericKey; g != nil && g.Value == "" {
		wrong(key+".generic_key.descriptor_value", "must be there")
	}
	a.HeaderMatch.check(key+".header_value_match", true, wrong)
	a.QueryMatch.check(key+".query_parameter_value_match", false, wrong)
}

func pseudo(name string) bool {
	return name == ":method" || name == ":path" || name == ":authority" || name == ":scheme"
}

func (m *LimitMatch) check(key string, header bool, wrong report) {
	if m == nil {
		return
	}
	own, other, name, misplaced := m.Headers, m.Query, "headers", "query_parameters"
	if !header {
		own, other, name, misplaced = other, own, misplaced, name
	}
	if m.Value == "" {
		wrong(key+".descriptor_value", "must be there")
	}
	switch {
	case len(other) > 0:
		wrong(key+"."+misplaced, "is not looked at here; use %s", name)
	case len(own) == 0:
		wrong(key+"."+name, "must have at least one condition, as [{name: x, exact: a}]")
	}
	for i := range own {
		own[i].check(fmt.Sprintf("%s.%s[%d]", key, name, i), header, wrong)
	}
}

func (s *RateLimitService) check(c *Config, wrong report) {
	const key = "rate_limit_service"
	switch {
	case s.Address == "" && s.Cluster == "":
		wrong(key, "must have address, as 127.0.0.1:8081, or cluster")
	case s.Address != "" && s.Cluster != "":
		wrong(key, "has both address and cluster; keep one")
	case s.Cluster != "" && s.TLS != nil:
		wrong(key+".tls", "is for address; a cluster has its own")
	}
	if s.Address != "" {
		own := s.Own()
		checkCluster(own, key, func(at, format string, a ...any) {
			if at == key+".endpoints[0]" || at == key+".endpoints[0].address" {
				at = key + ".address"
			}
			wrong(at, format, a...)
		})
		if s.TLS != nil {
			s.TLS.check(key+".tls", wrong)
			own.checkName(key+".tls.sni", wrong)
		}
	}
	c.checkReference(s.Cluster, key+".cluster", wrong)
	for i := range c.Clusters {
		cl := &c.Clusters[i]
		if cl.Name == s.Cluster && s.Cluster != "" && (cl.Protocol != HTTP2 || cl.Original()) {
			wrong(key+".cluster", "cluster %q must have endpoints and protocol: %s, which gRPC rides on", s.Cluster, HTTP2)
		}
		if cl.Name == LimiterCluster && s.Address != "" {
			wrong(fmt.Sprintf("clusters[%d].name", i), "%q is the cluster that rate_limit_service.address makes; choose another name", LimiterCluster)
		}
	}
	if s.Domain == "" {
		wrong(key+".domain", "must be there; it is what the service's own configuration begins with")
	}
	if s.Timeout < time.Millisecond || s.Timeout > time.Minute {
		wrong(key+".timeout", "%v is not valid; must be from 1ms to 1m", s.Timeout)
	}
}
