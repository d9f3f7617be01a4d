package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// RateLimit bounds how many requests go on, counted here in token buckets, or
// elsewhere by a rate limit service.
type RateLimit struct {
	Name    string        `yaml:"name,omitempty"`    // in events and statistics; made of the listener's and route's by default
	Actions []LimitAction `yaml:"actions,omitempty"` // what tells requests apart; all are one without
	Bucket  TokenBucket   `yaml:"token_bucket,omitempty"`

	Global bool `yaml:"global,omitempty"` // ask rate_limit_service, in the place of a bucket
	Stage  int  `yaml:"stage,omitempty"`  // of a global one: those of one stage are one question; a later stage is asked when the earlier let go on
	Hits   int  `yaml:"hits_addend"`      // what one request counts as

	Override *LimitOverride `yaml:"limit_override,omitempty"` // of a global one: in the place of what the service has configured

	Enforce   bool `yaml:"enforce"`                            // refuse; else only count and tell what would be refused
	Headers   bool `yaml:"headers"`                            // add x-ratelimit-limit, -remaining and -reset to answers
	Status    int  `yaml:"status"`                             // of the answer
	Exhausted bool `yaml:"rate_limited_as_resource_exhausted"` // how a call of gRPC ends; else as UNAVAILABLE
	MaxKeys   int  `yaml:"max_keys"`                           // that have a bucket at once
}

// TokenBucket holds tokens, one for a request. It is full at first, and filled
// evenly.
type TokenBucket struct {
	Max      int           `yaml:"max_tokens"`
	Fill     int           `yaml:"tokens_per_fill"` // max_tokens by default
	Interval time.Duration `yaml:"fill_interval"`
}

// LimitOverride is what a rate limit service is to allow.
type LimitOverride struct {
	Requests int    `yaml:"requests_per_unit"`
	Unit     string `yaml:"unit"`
}

// LimitUnits are the units of a LimitOverride.
var limitUnits = []string{"second", "minute", "hour", "day", "month", "year"}

// LimitAction makes one entry of a descriptor, a key and a value, of a request.
// One of its parts is there.
type LimitAction struct {
	SourceCluster      *Nothing      `yaml:"source_cluster,omitempty"`      // name of the client's service
	DestinationCluster *Nothing      `yaml:"destination_cluster,omitempty"` // cluster that the request goes to
	Route              *Nothing      `yaml:"route,omitempty"`               // name of the route
	RequestHeaders     *LimitField   `yaml:"request_headers,omitempty"`
	QueryParameters    *LimitQuery   `yaml:"query_parameters,omitempty"`
	RemoteAddress      *Nothing      `yaml:"remote_address,omitempty"`
	MaskedAddress      *LimitMask    `yaml:"masked_remote_address,omitempty"`
	GenericKey         *LimitGeneric `yaml:"generic_key,omitempty"`
	HeaderMatch        *LimitMatch   `yaml:"header_value_match,omitempty"`
	QueryMatch         *LimitMatch   `yaml:"query_parameter_value_match,omitempty"`
	GRPCService        *Nothing      `yaml:"grpc_service,omitempty"` // pkg.Service of a call
	GRPCMethod         *Nothing      `yaml:"grpc_method,omitempty"`  // pkg.Service/Method of a call

	MongoCommand    *LimitOnly `yaml:"mongodb_command,omitempty"`     // find
	MongoDatabase   *LimitOnly `yaml:"mongodb_database,omitempty"`    // shop
	MongoCollection *LimitOnly `yaml:"mongodb_collection,omitempty"`  // shop.carts
	MongoCallSite   *LimitOnly `yaml:"mongodb_call_site,omitempty"`   // cart.go:17
	MongoApp        *LimitOnly `yaml:"mongodb_application,omitempty"` // name that the client's driver was given
}

// Nothing is a section that has no keys.
type Nothing struct{}

// LimitOnly takes a part of a command of MongoDB, where it is one of these.
type LimitOnly struct {
	Only []string `yaml:"only,omitempty"` // all without
}

// LimitField takes the value of a header field.
type LimitField struct {
	Header       string `yaml:"header_name"`              // or :method, :path, :authority, :scheme
	Key          string `yaml:"descriptor_key,omitempty"` // header_name by default
	SkipIfAbsent bool   `yaml:"skip_if_absent,omitempty"` // leave the entry out; else the descriptor
}

// LimitQuery takes the value of a query parameter.
type LimitQuery struct {
	Parameter    string `yaml:"query_parameter_name"`
	Key          string `yaml:"descriptor_key,omitempty"` // query_parameter_name by default
	SkipIfAbsent bool   `yaml:"skip_if_absent,omitempty"`
}

// LimitMask takes the network of the client's address.
type LimitMask struct {
	V4 int `yaml:"v4_prefix_mask_len"`
	V6 int `yaml:"v6_prefix_mask_len"`
}

// LimitGeneric is the same for all requests.
type LimitGeneric struct {
	Value string `yaml:"descriptor_value"`
	Key   string `yaml:"descriptor_key,omitempty"` // generic_key by default
}

// LimitMatch is the same for all requests that fit, or do not.
type LimitMatch struct {
	Value   string       `yaml:"descriptor_value"`
	Key     string       `yaml:"descriptor_key,omitempty"` // header_match, or query_match, by default
	Expect  bool         `yaml:"expect_match"`             // all conditions hold; else not all do
	Headers []FieldMatch `yaml:"headers,omitempty"`
	Query   []FieldMatch `yaml:"query_parameters,omitempty"`
}

func (m *LimitMatch) setDefaults() { m.Expect = true }
func (m *LimitMask) setDefaults()  { m.V4, m.V6 = 32, 128 }

func (r *RateLimit) setDefaults() {
	r.Hits, r.Enforce, r.Status, r.Exhausted, r.MaxKeys = 1, true, 429, true, 10_000
}

// RateLimitService is who counts for the limits that are global, by Envoy's
// protocol (envoy.service.ratelimit.v3).
type RateLimitService struct {
	Address string        `yaml:"address,omitempty"` // host:port or unix:/path
	TLS     *ClusterTLS   `yaml:"tls,omitempty"`     // with address; nil where it is spoken to without
	Cluster string        `yaml:"cluster,omitempty"` // in the place of address
	Domain  string        `yaml:"domain"`
	Timeout time.Duration `yaml:"timeout"`           // of one question
	Deny    bool          `yaml:"failure_mode_deny"` // refuse requests that it does not answer; else let them go on
}

func (s *RateLimitService) setDefaults() { s.Timeout = 20 * time.Millisecond }

// LimiterCluster is the name of the cluster that an address makes.
const LimiterCluster = "rate_limit_service"

// Own is the cluster that the address makes; nil where a cluster is named.
func (s *RateLimitService) Own() *Cluster {
	if s == nil || s.Address == "" {
		return nil
	}
	c := &Cluster{Name: LimiterCluster}
	c.setDefaults()
	c.Endpoints, c.Protocol, c.ConnectTimeout, c.TLS = Addresses(s.Address), HTTP2, time.Second, s.TLS
	return c
}

// Limits are all rate limits of the configuration.
func (c *Config) Limits() (all []*RateLimit) {
	for i := range c.Listeners {
		l := &c.Listeners[i]
		for j := range l.RateLimits {
			all = append(all, &l.RateLimits[j])
		}
		for j := range l.Routes {
			for k := range l.Routes[j].RateLimits {
				all = append(all, &l.Routes[j].RateLimits[k])
			}
		}
	}
	return all
}

// LimitsFor are the listener's limits that a route's requests meet.
func (l *Listener) LimitsFor(r *Route) []RateLimit {
	if r.IgnoreLimits {
		return nil
	}
	return l.RateLimits
}

// AsksLimiter reports whether requests of HTTP of the listener wait for the rate limit
// service.
func (l *Listener) AsksLimiter() bool {
	global := globalOnes(l.RateLimits)
	for i := range l.Routes {
		global += globalOnes(l.Routes[i].RateLimits)
	}
	return global > 0
}

func globalOnes(all []RateLimit) (n int) {
	for i := range all {
		if all[i].Global && all[i].For() != MongoDB {
			n++
		}
	}
	return n
}

// settleLimits fills in names and what follows from other keys.
func (c *Config) settleLimits() {
	for i := range c.Listeners {
		l := &c.Listeners[i]
		settleLimits(l.RateLimits, l.Name)
		for j := range l.Routes {
			settleLimits(l.Routes[j].RateLimits, l.Name+"/"+l.Routes[j].Name)
		}
	}
	if s := c.RateLimitService; s != nil && s.TLS != nil && len(s.TLS.ALPN) == 0 {
		s.TLS.ALPN = []string{"h2"}
	}
}

func settleLimits(all []RateLimit, where string) {
	for i := range all {
		r := &all[i]
		r.Name = cmp.Or(r.Name, fmt.Sprintf("%s#%d", where, i))
		r.Bucket.Fill = cmp.Or(r.Bucket.Fill, r.Bucket.Max)
	}
}

// MaxLimits bounds how many rate limits one request meets.
const MaxLimits = 16

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
