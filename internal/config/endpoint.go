package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Endpoint is one server of a cluster. In a file it is its address alone, or
// keys and values.
type Endpoint struct {
	Address  string `yaml:"address"`            // host:port, unix:/path, or original_destination alone
	Hostname string `yaml:"hostname,omitempty"` // for hashing and health checks; the address where empty
	Weight   int    `yaml:"weight"`             // share of the exchanges, beside the others'
	Priority int    `yaml:"priority,omitempty"` // 0 is tried first
	Region   string `yaml:"region,omitempty"`
	Zone     string `yaml:"zone,omitempty"`
	SubZone  string `yaml:"sub_zone,omitempty"`
	Metadata Pairs  `yaml:"metadata,omitempty"` // for subsets and hash keys
	Standing string `yaml:"standing,omitempty"` // one of Standings; empty for unknown
}

// The standings of an endpoint that whoever lists it may tell.
const (
	StandingHealthy   = "healthy"
	StandingDegraded  = "degraded"
	StandingDraining  = "draining"
	StandingUnhealthy = "unhealthy"
)

// Standings are the valid values of an endpoint's standing.
func Standings() []string {
	return []string{StandingHealthy, StandingDegraded, StandingDraining, StandingUnhealthy}
}

// Bounds of endpoints.
const (
	MaxWeight    = 1 << 31
	MaxPriority  = 127
	MaxEndpoints = 100_000 // of one cluster
	maxTotal     = math.MaxUint32
	maxMetadata  = 64 // entries
	maxText      = 256
	maxList      = 64 << 20 // bytes of a file that lists endpoints
)

// Addresses are endpoints of which nothing but the addresses is said.
func Addresses(all ...string) []Endpoint {
	list := make([]Endpoint, len(all))
	for i, a := range all {
		list[i].setDefaults()
		list[i].Address = a
	}
	return list
}

func (e *Endpoint) setDefaults() { e.Weight = 1 }

// short reads an endpoint that stands as text.
func (e *Endpoint) short(text string) { e.Address = text }

// MarshalYAML writes an endpoint as a person would.
func (e Endpoint) MarshalYAML() (any, error) {
	type long Endpoint // without this method
	if reflect.DeepEqual(e, Addresses(e.Address)[0]) {
		return e.Address, nil
	}
	return long(e), nil
}

// ParseEndpoints reads a list of endpoints, in YAML or JSON: the list alone, or
// under the key endpoints. file is for messages only; they are Problems.
func ParseEndpoints(file string, b []byte) ([]Endpoint, error) {
	if len(b) > maxList {
		return nil, Problems{{File: file, Text: fmt.Sprintf("is larger than %d bytes", maxList)}}
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(b)).Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil, Problems{{File: file, Text: "is empty; a list of no endpoints is written as []"}}
	} else if err != nil {
		return nil, Problems{{File: file, Text: "neither YAML nor JSON: " + err.Error()}}
	}
	r := &reader{file: file, lines: map[string]int{}}
	var list struct {
		Endpoints []Endpoint `yaml:"endpoints"`
	}
	v, n := reflect.ValueOf(&list).Elem(), doc.Content[0]
	if n.Kind == yaml.MappingNode {
		r.value(n, v, "")
	} else {
		r.value(n, v.Field(0), "endpoints")
	}
	if len(r.problems) == 0 {
		checkEndpoints(list.Endpoints, "endpoints", r.wrong)
	}
	return list.Endpoints, r.problems.orNil()
}

// checkEndpoints judges a list of endpoints, which may be empty.
func checkEndpoints(all []Endpoint, key string, wrong report) {
	if len(all) > MaxEndpoints {
		wrong(key, "has %d endpoints; must be at most %d", len(all), MaxEndpoints)
		return
	}
	seen, total := make(map[string]bool, len(all)), 0
	for i := range all {
		e, at := &all[i], fmt.Sprintf("%s[%d]", key, i)
		e.check(at, wrong)
		if seen[e.Address] {
			wrong(at, "%q stands here twice; remove one", e.Address)
		}
		seen[e.Address] = true
		total += min(e.Weight, MaxWeight)
	}
	if total > maxTotal {
		wrong(key, "the weights are %d together; must be at most %d", total, maxTotal)
	}
}

func (e *Endpoint) check(at string, wrong report) {
	e.checkPlace(at, wrong)
	if e.Weight < 1 || e.Weight > MaxWeight {
		wrong(at+".weight", "%d is not valid; must be from 1 to %d", e.Weight, MaxWeight)
	}
	if e.Priority > MaxPriority {
		wrong(at+".priority", "%d is not valid; must be from 0 to %d", e.Priority, MaxPriority)
	}
	if e.Standing != "" && !slices.Contains(Standings(), e.Standing) {
		wrong(at+".standing", "%q is not valid; must be one of %s", e.Standing, strings.Join(Standings(), ", "))
	}
	if len(e.Metadata) > maxMetadata {
		wrong(at+".metadata", "has %d entries; must be at most %d", len(e.Metadata), maxMetadata)
	}
	for _, text := range []Pair{{"hostname", e.Hostname}, {"region", e.Region}, {"zone", e.Zone}, {"sub_zone", e.SubZone}} {
		if len(text.Value) > maxText {
			wrong(at+"."+text.Name, "is longer than %d bytes", maxText)
		}
	}
}

// checkPlace judges the address, at the key of the whole endpoint where it
// stands as text.
func (e *Endpoint) checkPlace(at string, wrong report) {
	host, port, err := net.SplitHostPort(e.Address)
	if path, ok := UnixPath(e.Address); ok {
		checkUnixPath(path, func(format string, a ...any) { wrong(at, format, a...) })
	} else if e.Address == OriginalDestination {
		wrong(at, "%s is instead of endpoints; remove the others", e.Address)
	} else if err != nil || host == "" || !goodPort(port) || port == "0" {
		wrong(at, "%q is not valid; must be host:port, as 10.0.0.7:8080 or orders.internal:80", e.Address)
	}
}
