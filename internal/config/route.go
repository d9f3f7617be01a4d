package config

import (
	"cmp"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Route says what becomes of some of a listener's HTTP requests: it sends them
// to a cluster, redirects or answers them. The first route that matches decides.
type Route struct {
	Name    string `yaml:"name"` // as it appears in spans; the match's path, prefix and so on by default
	Match   Match  `yaml:"match"`
	Cluster string `yaml:"cluster"`

	Clusters      []WeightedCluster `yaml:"clusters,omitempty"`       // instead: several, by weight
	ClusterHeader string            `yaml:"cluster_header,omitempty"` // field that names one of Clusters
	SplitBy       string            `yaml:"split_by,omitempty"`       // field whose value decides by weight, in the place of chance

	Priority string `yaml:"priority,omitempty"` // default or high: by which circuit breakers of the cluster it goes

	Timeout        time.Duration `yaml:"timeout"`          // the listener's timeouts.route where the file names none
	IdleTimeout    time.Duration `yaml:"idle_timeout"`     // the listener's timeouts.stream where the file names none
	MaxBody        Size          `yaml:"max_body"`         // the listener's limits.body where the file names none
	MaxGRPCTimeout time.Duration `yaml:"max_grpc_timeout"` // bounds what grpc-timeout asks for; 0 for no bound

	PrefixRewrite  string         `yaml:"prefix_rewrite,omitempty"` // stands for what match.prefix or match.path took
	RegexRewrite   RegexRewrite   `yaml:"regex_rewrite,omitempty"`
	HostRewrite    HostRewrite    `yaml:"host_rewrite,omitempty"`
	Redirect       Redirect       `yaml:"redirect,omitempty"`
	DirectResponse DirectResponse `yaml:"direct_response,omitempty"`

	RequestHeaders  HeaderEdits `yaml:"request_headers,omitempty"`
	ResponseHeaders HeaderEdits `yaml:"response_headers,omitempty"`

	RateLimits   []RateLimit `yaml:"rate_limits,omitempty"`                 // asked before those of the listener
	IgnoreLimits bool        `yaml:"ignore_listener_rate_limits,omitempty"` // ask no others
	Mirror       []Mirror    `yaml:"mirror,omitempty"`                      // copies of requests go there, too

	Faults []Fault `yaml:"faults,omitempty"` // in the place of the listener's

	Admission   *AdmissionControl    `yaml:"admission_control,omitempty"`    // the listener's where the file names none
	Concurrency *AdaptiveConcurrency `yaml:"adaptive_concurrency,omitempty"` // likewise

	Upgrades []string `yaml:"upgrades"` // the listener's where the file names none
	Connect  bool     `yaml:"connect"`  // true where the listener says so

	Hash   []HashPolicy `yaml:"hash,omitempty"`   // what ring_hash and maglev go by; the listener's where the file names none
	Sticky *Sticky      `yaml:"sticky,omitempty"` // the listener's where the file names none
	Subset Pairs        `yaml:"subset,omitempty"` // metadata that the endpoint must have; likewise

	Retry *Retry `yaml:"retry,omitempty"` // the listener's where the file names none
}

// Match says which requests a route takes: those for which everything that is
// named holds. One of Prefix, Path, Template, Regex and GRPC must be.
type Match struct {
	Prefix   string       `yaml:"prefix,omitempty"`
	Path     string       `yaml:"path,omitempty"`
	Template string       `yaml:"template,omitempty"` // internal/pathtemplate
	Regex    string       `yaml:"regex,omitempty"`    // of the whole path
	GRPC     string       `yaml:"grpc,omitempty"`     // pkg.Service/Method, pkg.Service, or * for every call
	Host     string       `yaml:"host,omitempty"`     // name, *.example.com, example.* or *
	Hosts    []string     `yaml:"hosts,omitempty"`
	Methods  []string     `yaml:"methods,omitempty"`
	Headers  []FieldMatch `yaml:"headers,omitempty"`
	Query    []FieldMatch `yaml:"query,omitempty"`
}

// AllHosts are the patterns of Host and Hosts, in lower case.
func (m *Match) AllHosts() (all []string) {
	if m.Host != "" {
		all = append(all, strings.ToLower(m.Host))
	}
	for _, h := range m.Hosts {
		all = append(all, strings.ToLower(h))
	}
	return all
}

// FieldMatch is a condition on a header field or a query parameter.
type FieldMatch struct {
	Name     string `yaml:"name"`
	Exact    string `yaml:"exact,omitempty"`
	Prefix   string `yaml:"prefix,omitempty"`
	Suffix   string `yaml:"suffix,omitempty"`
	Contains string `yaml:"contains,omitempty"`
	Regex    string `yaml:"regex,omitempty"` // of the whole value
	Range    string `yaml:"range,omitempty"` // of a whole number: 10-19, or 10- for 10 and more
	Present  bool   `yaml:"present,omitempty"`
	Absent   bool   `yaml:"absent,omitempty"`
}

var errRange = errors.New("must be two numbers as 10-19, both included, or 10- for 10 and more")

// ParseRange reads a range of whole numbers: 10-19, both included, 10- or 10.
func ParseRange(s string) (from, to int64, err error) {
	a, b, open := strings.Cut(s, "-")
	from, err = strconv.ParseInt(a, 10, 64)
	switch {
	case err != nil:
		return 0, 0, errRange
	case !open:
		return from, from, nil
	case b == "":
		return from, math.MaxInt64, nil
	}
	if to, err = strconv.ParseInt(b, 10, 64); err != nil || to < from {
		return 0, 0, errRange
	}
	return from, to, nil
}

// RegexRewrite replaces every place, of a path or the value of a field, where
// Pattern fits.
type RegexRewrite struct {
	Pattern      string `yaml:"pattern"`
	Substitution string `yaml:"substitution"` // \1 stands for the first group, \0 for all
}

// HostRewrite is the host that the upstream gets instead of the client's.
type HostRewrite struct {
	Literal string `yaml:"literal,omitempty"`
	Header  string `yaml:"header,omitempty"` // the value of this field, where it is there
	Auto    bool   `yaml:"auto,omitempty"`   // the endpoint's name
}

// Redirect sends the client elsewhere. What is not named stays as it is.
type Redirect struct {
	Scheme     string `yaml:"scheme,omitempty"`
	Host       string `yaml:"host,omitempty"`
	Port       int    `yaml:"port,omitempty"`
	Path       string `yaml:"path,omitempty"`
	Prefix     string `yaml:"prefix,omitempty"` // stands for what match.prefix or match.path took
	Code       int    `yaml:"code,omitempty"`   // 301 by default
	StripQuery bool   `yaml:"strip_query,omitempty"`
}

// DirectResponse answers without an upstream.
type DirectResponse struct {
	Status      int    `yaml:"status,omitempty"`
	Body        string `yaml:"body,omitempty"`
	ContentType string `yaml:"content_type,omitempty"` // text/plain by default
}

// HeaderEdits change fields: first some are removed, then some are set, in the
// place of those of that name, then some are added. Values are formats
// (internal/operator).
type HeaderEdits struct {
	Remove []string `yaml:"remove,omitempty"`
	Set    Pairs    `yaml:"set,omitempty"`
	Add    Pairs    `yaml:"add,omitempty"`
}

// PathOptions say what is done to a path before routes see it.
type PathOptions struct {
	Normalize      bool   `yaml:"normalize"`     // "." and ".." are resolved, needless escapes undone
	MergeSlashes   bool   `yaml:"merge_slashes"` // // becomes /
	EscapedSlashes string `yaml:"escaped_slashes"`
}

// What is done with %2F and %5C in a path, and with a client's request id.
const (
	Keep     = "keep"
	Reject   = "reject"
	Unescape = "unescape"
	Make     = "make"
)

// unset marks a timeout or size that the file does not name.
const unset = -1

func (r *Route) setDefaults() { r.Timeout, r.IdleTimeout, r.MaxBody = unset, unset, unset }

// settle fills in what follows from other keys, l's among them.
func (r *Route) settle(l *Listener) {
	m := &r.Match
	r.Name = cmp.Or(r.Name, m.Path, m.Prefix, m.Template, m.Regex, m.GRPC)
	if r.Timeout == unset {
		r.Timeout = l.Timeouts.Route
	}
	if r.IdleTimeout == unset {
		r.IdleTimeout = l.Timeouts.Stream
	}
	if r.MaxBody == unset {
		r.MaxBody = l.Limits.Body
	}
	if r.Upgrades == nil {
		r.Upgrades = l.Upgrades
	}
	r.Connect = r.Connect || l.Connect
	if r.Retry == nil && !r.answers() {
		r.Retry = l.Retry
	}
	r.Retry.settle()
	r.settleAffinity(l)
	if r.Redirect != (Redirect{}) {
		r.Redirect.Code = cmp.Or(r.Redirect.Code, 301)
	}
	if r.DirectResponse != (DirectResponse{}) {
		r.DirectResponse.ContentType = cmp.Or(r.DirectResponse.ContentType, "text/plain")
	}
}
