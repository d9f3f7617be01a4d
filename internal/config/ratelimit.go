package config

import (
	"cmp"
	"fmt"
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
