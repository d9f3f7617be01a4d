package config

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// ActiveCheck asks endpoints whether they are well, over connections of its
// own. Names are Envoy's where it has them.
type ActiveCheck struct {
	Interval           time.Duration `yaml:"interval"`
	Timeout            time.Duration `yaml:"timeout"`
	UnhealthyThreshold int           `yaml:"unhealthy_threshold"` // failures in a row
	HealthyThreshold   int           `yaml:"healthy_threshold"`   // successes in a row; the first ever is enough
	Jitter             time.Duration `yaml:"interval_jitter,omitempty"`
	JitterPercent      int           `yaml:"interval_jitter_percent,omitempty"`
	InitialJitter      time.Duration `yaml:"initial_jitter,omitempty"`          // before the first check
	NoTraffic          time.Duration `yaml:"no_traffic_interval"`               // while the cluster has had no connection
	Unhealthy          time.Duration `yaml:"unhealthy_interval,omitempty"`      // of endpoints that are out; interval by default
	UnhealthyEdge      time.Duration `yaml:"unhealthy_edge_interval,omitempty"` // after a failure that is not enough to be out; unhealthy_interval by default
	HealthyEdge        time.Duration `yaml:"healthy_edge_interval,omitempty"`   // after a success that is not enough to be in; interval by default
	Reuse              bool          `yaml:"reuse_connection"`
	LogFailures        bool          `yaml:"always_log_health_check_failures,omitempty"` // tell each, not changes only
	LogSuccess         bool          `yaml:"always_log_health_check_success,omitempty"`
	Port               int           `yaml:"port,omitempty"` // in the place of the endpoints' own

	HTTP    *HTTPCheck  `yaml:"http,omitempty"` // one of these four
	TCP     *TCPCheck   `yaml:"tcp,omitempty"`
	GRPC    *GRPCCheck  `yaml:"grpc,omitempty"`
	MongoDB *MongoCheck `yaml:"mongodb,omitempty"`
}

// HTTPCheck asks by a request of HTTP.
type HTTPCheck struct {
	Path      string   `yaml:"path"`
	Host      string   `yaml:"host,omitempty"` // the endpoint's hostname, or the cluster's name, by default
	Method    string   `yaml:"method"`
	Headers   Pairs    `yaml:"headers,omitempty"`
	Expected  []string `yaml:"expected_statuses"`            // as 200 or 200-299
	Retriable []string `yaml:"retriable_statuses,omitempty"` // count as one failure; others are enough at once
	Body      string   `yaml:"body,omitempty"`               // that the answer's begins with
	Service   string   `yaml:"service_name,omitempty"`       // that x-envoy-upstream-healthchecked-cluster begins with
	Protocol  string   `yaml:"protocol,omitempty"`           // http1 or http2; as the cluster's by default
}

// TCPCheck connects, says something and waits for an answer. Without texts it
// only connects.
type TCPCheck struct {
	Send    string   `yaml:"send,omitempty"`    // hexadecimal
	Receive []string `yaml:"receive,omitempty"` // hexadecimal, in this order, with anything in between
}

// GRPCCheck calls grpc.health.v1.Health/Check.
type GRPCCheck struct {
	Service   string `yaml:"service_name,omitempty"`
	Authority string `yaml:"authority,omitempty"`
}

// MongoCheck asks by hello.
type MongoCheck struct {
	Role string `yaml:"role"` // one of MongoRoles
}

// MongoRoles are the valid values of a MongoCheck's role.
func MongoRoles() []string { return []string{"any", "primary", "secondary", "mongos"} }

func (h *ActiveCheck) setDefaults() {
	h.Interval, h.Timeout, h.NoTraffic = 5*time.Second, time.Second, time.Minute
	h.UnhealthyThreshold, h.HealthyThreshold, h.Reuse = 3, 2, true
}

func (h *HTTPCheck) setDefaults()  { h.Path, h.Method, h.Expected = "/", "GET", []string{"200"} }
func (m *MongoCheck) setDefaults() { m.Role = "any" }

func (h *ActiveCheck) check(key string, c *Cluster, wrong report) {
	kinds := 0
	for _, there := range []bool{h.HTTP != nil, h.TCP != nil, h.GRPC != nil, h.MongoDB != nil} {
		if there {
			kinds++
		}
	}
	if kinds != 1 {
		wrong(key, "must have exactly one of http, tcp, grpc and mongodb, as {http: {path: /healthz}} or {tcp: {}}")
	}
	h.checkTimes(key, wrong)
	if h.UnhealthyThreshold < 1 {
		wrong(key+".unhealthy_threshold", "must be at least 1")
	}
	if h.HealthyThreshold < 1 {
		wrong(key+".healthy_threshold", "must be at least 1")
	}
	if h.Port > 65535 {
		wrong(key+".port", "%d is not valid; must be from 1 to 65535", h.Port)
	}
	h.HTTP.check(key+".http", c, wrong)
	h.TCP.check(key+".tcp", wrong)
	if m := h.MongoDB; m != nil && !slices.Contains(MongoRoles(), m.Role) {
		wrong(key+".mongodb.role", "%q is not valid; must be one of %s", m.Role, strings.Join(MongoRoles(), ", "))
	}
	if g := h.GRPC; g != nil && !httpguts.ValidHeaderFieldValue(g.Authority) {
		wrong(key+".grpc.authority", "%q is not valid; must be a host", g.Authority)
	}
}

func (h *ActiveCheck) checkTimes(key string, wrong report) {
	for _, d := range []struct {
		name     string
		value    time.Duration
		required bool
	}{
		{"interval", h.Interval, true}, {"timeout", h.Timeout, true}, {"no_traffic_interval", h.NoTraffic, true}, {"unhealthy_interval", h.Unhealthy, false},
		{"unhealthy_edge_interval", h.UnhealthyEdge, false}, {"healthy_edge_interval", h.HealthyEdge, false},
	} {
		if d.value < minInterval && (d.required || d.value != 0) {
			wrong(key+"."+d.name, "%s is not valid; must be at least %s", d.value, minInterval)
		}
	}
	if h.JitterPercent > 100 {
		wrong(key+".interval_jitter_percent", "%d is not valid; must be from 0 to 100", h.JitterPercent)
	}
}

// maxExpected bounds what an answer's body is to begin with, in bytes.
const maxExpected = 1024

func (h *HTTPCheck) check(key string, c *Cluster, wrong report) {
	if h == nil {
		return
	}
	if !strings.HasPrefix(h.Path, "/") || strings.ContainsFunc(h.Path, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
		wrong(key+".path", "%q is not valid; must be a path with its query, as /healthz?full=1", h.Path)
	}
	if h.Method != "GET" && h.Method != "HEAD" {
		wrong(key+".method", "%q is not valid; must be GET or HEAD", h.Method)
	}
	if h.Method == "HEAD" && h.Body != "" {
		wrong(key+".body", "needs method GET: an answer to HEAD has no body")
	}
	if len(h.Body) > maxExpected {
		wrong(key+".body", "has %d bytes; must be at most %d", len(h.Body), maxExpected)
	}
	if !httpguts.ValidHostHeader(h.Host) {
		wrong(key+".host", "%q is not valid; must be a host, as shop.example.com", h.Host)
	}
	for _, f := range h.Headers {
		if !httpguts.ValidHeaderFieldName(f.Name) || !httpguts.ValidHeaderFieldValue(f.Value) {
			wrong(key+".headers."+f.Name, "is not a field of HTTP")
		}
	}
	checkStatuses(h.Expected, key+".expected_statuses", wrong)
	checkStatuses(h.Retriable, key+".retriable_statuses", wrong)
	if len(h.Expected) == 0 {
		wrong(key+".expected_statuses", "must name at least one status, as [\"200-299\"]")
	}
	if h.Protocol != "" && h.Protocol != HTTP1 && h.Protocol != HTTP2 {
		wrong(key+".protocol", "%q is not valid; must be %s or %s", h.Protocol, HTTP1, HTTP2)
	}
	if c.TLS != nil && h.Protocol != "" && c.Protocol != AutoHTTP && h.Protocol != c.Protocol {
		wrong(key+".protocol", "is %s, and with tls the endpoints are offered %s; remove it", h.Protocol, c.Protocol)
	}
}

func checkStatuses(all []string, key string, wrong report) {
	for i, s := range all {
		if _, _, ok := ParseStatuses(s); !ok {
			wrong(fmt.Sprintf("%s[%d]", key, i), "%q is not valid; must be a status or a range, as 200 or 200-299", s)
		}
	}
}

// ParseStatuses reads a status, or a range of which both ends belong to it.
func ParseStatuses(s string) (from, to int, ok bool) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.Atoi(first)
	to, other := strconv.Atoi(last)
	return from, to, err == nil && other == nil && 100 <= from && from <= to && to <= 599
}

func (t *TCPCheck) check(key string, wrong report) {
	if t == nil {
		return
	}
	texts := map[string]string{key + ".send": t.Send}
	for i, s := range t.Receive {
		at := fmt.Sprintf("%s.receive[%d]", key, i)
		if texts[at] = s; s == "" {
			wrong(at, "is empty; remove it")
		}
	}
	for at, s := range texts {
		if b, err := hex.DecodeString(s); err != nil || len(b) > maxExpected {
			wrong(at, "%q is not valid; must be hexadecimal digits, two a byte, of at most %d bytes", s, maxExpected)
		}
	}
}
