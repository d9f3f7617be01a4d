package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Fault is what is done to some requests on purpose, to see how clients and
// servers bear it. Of a list the first one decides whose match fits.
type Fault struct {
	Name  string     `yaml:"name,omitempty"` // in events; its number by default
	Match FaultMatch `yaml:"match,omitempty"`

	Delay        FaultDelay `yaml:"delay,omitempty"` // comes before all others
	Abort        FaultAbort `yaml:"abort,omitempty"`
	RequestRate  FaultRate  `yaml:"request_rate,omitempty"`
	ResponseRate FaultRate  `yaml:"response_rate,omitempty"`
	Cut          FaultCut   `yaml:"cut,omitempty"`

	Headers   bool     `yaml:"headers,omitempty"`    // x-envoy-fault-* of a request say what is done to it
	Trusted   []string `yaml:"trusted,omitempty"`    // networks whose clients may say so; of an inner hop all
	MaxActive int      `yaml:"max_active,omitempty"` // requests that are delayed or slowed down at once; 0 for no limit
}

// FaultMatch says which requests a fault is for: those for which everything that
// is named holds.
type FaultMatch struct {
	Headers  []FieldMatch `yaml:"headers,omitempty"`
	Clusters []string     `yaml:"clusters,omitempty"` // where the request would go
	Clients  []string     `yaml:"clients,omitempty"`  // networks or addresses

	Commands    []string `yaml:"commands,omitempty"`    // of MongoDB, as find
	Databases   []string `yaml:"databases,omitempty"`   // likewise
	Collections []string `yaml:"collections,omitempty"` // likewise, with or without the database: carts, shop.carts
	CallSites   []string `yaml:"call_sites,omitempty"`  // parts of what a comment names: cart.go:17, loadCart
}

// MongoDB reports whether only MongoDB's commands can fit.
func (m *FaultMatch) MongoDB() bool {
	return len(m.Commands)+len(m.Databases)+len(m.Collections)+len(m.CallSites) > 0
}

// FaultDelay is how long a request waits: so long, a time between two, or one
// of a distribution.
type FaultDelay struct {
	Fixed       time.Duration `yaml:"fixed,omitempty"`
	From        time.Duration `yaml:"from,omitempty"`
	To          time.Duration `yaml:"to,omitempty"`
	Percentiles Pairs         `yaml:"percentiles,omitempty"` // times by percentile: 50, 99, 99.9
	Percent     string        `yaml:"percent,omitempty"`     // of the requests; all by default
}

// FaultAbort ends a request at once.
type FaultAbort struct {
	Status  int          `yaml:"status,omitempty"` // of HTTP
	GRPC    string       `yaml:"grpc,omitempty"`   // name or number of a status of gRPC
	Reset   bool         `yaml:"reset,omitempty"`  // break the connection, or the stream, off
	MongoDB MongoDBError `yaml:"mongodb,omitempty"`
	Percent string       `yaml:"percent,omitempty"`
}

// MongoDBError is an error as MongoDB's servers give it.
type MongoDBError struct {
	Code     int      `yaml:"code,omitempty"`
	CodeName string   `yaml:"code_name,omitempty"` // the server's for that code by default
	Message  string   `yaml:"message,omitempty"`
	Labels   []string `yaml:"labels,omitempty"` // errorLabels, as RetryableWriteError
}

// None reports whether it is no error.
func (e *MongoDBError) None() bool {
	return e.Code == 0 && e.CodeName == "" && e.Message == "" && len(e.Labels) == 0
}

// FaultRate slows one direction of a request down.
type FaultRate struct {
	Limit   Size   `yaml:"limit,omitempty"` // bytes of bodies, or of messages, in a second
	Percent string `yaml:"percent,omitempty"`
}

// FaultCut breaks an answer off.
type FaultCut struct {
	After   Size   `yaml:"after,omitempty"` // bytes of its body, or of its message
	Percent string `yaml:"percent,omitempty"`
}

// None reports whether a fault does nothing.
func (f *Fault) None() bool {
	return f.Delay.none() && f.Abort.None() && f.RequestRate == (FaultRate{}) && f.ResponseRate == (FaultRate{}) &&
		f.Cut == (FaultCut{}) && !f.Headers
}

func (d *FaultDelay) none() bool {
	return d.Fixed == 0 && d.From == 0 && d.To == 0 && len(d.Percentiles) == 0 && d.Percent == ""
}

// None reports whether nothing is aborted.
func (a *FaultAbort) None() bool {
	return a.Status == 0 && a.GRPC == "" && !a.Reset && a.MongoDB.None() && a.Percent == ""
}

// FaultsOf are those of a route: its own, or else the listener's.
func (l *Listener) FaultsOf(r *Route) []Fault {
	if r.Faults != nil {
		return r.Faults
	}
	return l.Faults
}

// Faulty reports whether faults are done to any of the listener's requests.
func (l *Listener) Faulty() bool {
	return len(l.Faults) > 0 || slices.ContainsFunc(l.Routes, func(r Route) bool { return len(r.Faults) > 0 })
}

// Million is what parts of a whole are told in.
const Million = 1_000_000

var errPercent = errors.New("must be a share as 10%, 0.01% or 3/10000")

// ParsePercent reads a share in parts of a Million: 10%, or 3/10000. Nothing is
// all of it.
func ParsePercent(s string) (int, error) {
	if s == "" {
		return Million, nil
	}
	if number, ok := strings.CutSuffix(s, "%"); ok {
		f, err := strconv.ParseFloat(number, 64)
		if err != nil || !(f >= 0 && f <= 100) {
			return 0, errPercent
		}
		return int(f*1e4 + 0.5), nil
	}
	a, b, ok := strings.Cut(s, "/")
	n, err := strconv.Atoi(a)
	d, err2 := strconv.Atoi(b)
	if !ok || err != nil || err2 != nil || n < 0 || n > d || d != 100 && d != 10_000 && d != Million {
		return 0, errPercent
	}
	return n * (Million / d), nil
}

// grpcStatuses are the names of gRPC's statuses by their numbers.
var grpcStatuses = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// ParseGRPC reads a status of gRPC that is an error: its name, or its number.
func ParseGRPC(s string) (int, bool) {
	i := slices.Index(grpcStatuses, strings.ToUpper(s))
	if n, err := strconv.Atoi(s); err == nil {
		i = n
	}
	return i, i > 0 && i < len(grpcStatuses)
}

// ParseNetwork reads a network, or an address.
func ParseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

// Percentile is a point of a distribution of times.
type Percentile struct {
	Share float64 // of all times that are not longer, up to 1
	Time  time.Duration
}

// ParsePercentiles reads the points of a distribution, in order of shares.
func ParsePercentiles(pairs Pairs) (all []Percentile, err error) {
	for _, p := range pairs {
		share, err := strconv.ParseFloat(strings.TrimPrefix(p.Name, "p"), 64)
		if err != nil || !(share > 0 && share <= 100) {
			return nil, fmt.Errorf("%q is not valid; must be a percentile, as 50 or 99.9", p.Name)
		}
		d, err := ParseDuration(p.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is not valid; must be a time, as 250ms", p.Name, p.Value)
		}
		all = append(all, Percentile{share / 100, d})
	}
	slices.SortStableFunc(all, func(a, b Percentile) int { return cmp.Compare(a.Share, b.Share) })
	for i := 1; i < len(all); i++ {
		if all[i].Time < all[i-1].Time || all[i].Share == all[i-1].Share {
			return nil, errors.New("a higher percentile must not have a shorter time, nor one stand twice")
		}
	}
	return all, nil
}

// ParseFaults reads faults for a listener of c as a file has them, as
// [{delay: {fixed: 1s}}]. Its error is Problems.
func (c *Config) ParseFaults(l *Listener, text string) (faults []Fault, err error) {
	r := &reader{lines: map[string]int{}}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, Problems{{Text: "not YAML: " + err.Error()}}
	}
	if len(doc.Content) > 0 && !isNull(doc.Content[0]) {
		r.value(doc.Content[0], reflect.ValueOf(&faults).Elem(), "faults")
	}
	c.checkFaults(l, faults, "faults", r.wrong)
	return faults, r.problems.orNil()
}

// WithFaults is c with other faults for a listener, or for its routes of a name;
// false where there is no such thing. c stays as it is.
func (c *Config) WithFaults(listener, route string, faults []Fault) (*Config, bool) {
	n := *c
	n.Listeners = slices.Clone(c.Listeners)
	i := slices.IndexFunc(n.Listeners, func(l Listener) bool { return l.Name == listener })
	if i < 0 {
		return nil, false
	}
	l := &n.Listeners[i]
	if route == "" {
		l.Faults = faults
		return &n, true
	}
	found := false
	l.Routes = slices.Clone(l.Routes)
	for j := range l.Routes {
		if r := &l.Routes[j]; r.Name == route {
			r.Faults, found = faults, true
		}
	}
	return &n, found
}
