package registry

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"time"
)

// Host is what the registry tells of a host, as in JSON.
type Host struct {
	IP          string    `json:"ip_address"`
	Port        uint16    `json:"port"`
	LastCheckIn time.Time `json:"last_check_in"`
	Revision    string    `json:"revision"`
	Service     string    `json:"service"`
	Repo        string    `json:"service_repo_name"`
	Tags        Tags      `json:"tags"`
	Load        *Load     `json:"load,omitempty"`
}

// Tags are what a host says of itself: text, numbers and truth values.
type Tags map[string]any

// The tags that mean something here or to a proxy.
const (
	TagZone   = "az"
	TagRegion = "region"
	TagID     = "instance_id"
	TagCanary = "canary"                // true or false
	TagWeight = "load_balancing_weight" // 1 to 100
)

// Weight is the host's share of the exchanges; 0 where nobody said.
func (t Tags) Weight() int {
	w, _ := t[TagWeight].(float64)
	return int(w)
}

// Load is how busy a host is. Utilizations are shares, 1 for all there is.
type Load struct {
	CPU         float64 `json:"cpu,omitempty"`
	Memory      float64 `json:"memory,omitempty"`
	Utilization float64 `json:"utilization,omitempty"` // of what the application runs out of first
	QPS         float64 `json:"qps,omitempty"`         // requests a second
	EPS         float64 `json:"eps,omitempty"`         // errors a second
}

// Registration is one check-in.
type Registration struct {
	Service  string
	Address  netip.AddrPort
	Revision string
	Repo     string
	Tags     Tags
	Load     *Load // nil tells nothing new
}

// Bounds of what a host may tell.
const (
	maxName  = 128  // bytes of a service's name, a repository's, a revision
	maxTags  = 64   // entries
	maxTag   = 1024 // bytes of a value
	maxLoad  = 1e12
	minShare = 1 // of load_balancing_weight
	maxShare = 100
)

// Kind is what a Refusal is about.
type Kind uint8

const (
	Bad     Kind = iota // the request is not as it must be
	Unknown             // there is no such host
	Full                // a limit is reached
)

// Refusal says why something was not done, in words for whoever asked.
type Refusal struct {
	Kind Kind
	Text string
}

func (r *Refusal) Error() string { return r.Text }

func refuse(k Kind, format string, a ...any) error { return &Refusal{k, fmt.Sprintf(format, a...)} }

func place(ip netip.Addr, port uint16) string {
	switch {
	case !ip.IsValid():
		return "at all"
	case port == 0:
		return ip.String()
	}
	return netip.AddrPortFrom(ip, port).String()
}

func (in *Registration) check() error {
	if err := checkName("service", in.Service); err != nil {
		return err
	}
	if !in.Address.IsValid() || in.Address.Port() == 0 || in.Address.Addr().Zone() != "" {
		return refuse(Bad, "ip and port must be there, as ip=10.0.0.7 and port=8080")
	}
	in.Address = netip.AddrPortFrom(in.Address.Addr().Unmap(), in.Address.Port())
	for what, text := range map[string]string{"revision": in.Revision, "service_repo_name": in.Repo} {
		if len(text) > maxName {
			return refuse(Bad, "%s is longer than %d bytes", what, maxName)
		}
	}
	if in.Load != nil {
		if err := in.Load.check(); err != nil {
			return err
		}
	}
	return in.Tags.check()
}

// checkName wants a name that can stand in a path: letters, digits and .-_
func checkName(what, name string) error {
	if name == "" || len(name) > maxName {
		return refuse(Bad, "%s must have from 1 to %d characters", what, maxName)
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_':
		default:
			return refuse(Bad, "%s %q is not valid; must be letters, digits, dots, dashes and underscores", what, name)
		}
	}
	return nil
}

func (t Tags) check() error {
	if len(t) > maxTags {
		return refuse(Bad, "there are %d tags; must be at most %d", len(t), maxTags)
	}
	for name, v := range t {
		if len(name) > maxName || name == "" {
			return refuse(Bad, "the name of a tag must have from 1 to %d bytes", maxName)
		}
		if err := checkTag(name, v); err != nil {
			return err
		}
	}
	return nil
}

func checkTag(name string, v any) error {
	text, isText := v.(string)
	number, isNumber := v.(float64)
	_, isTruth := v.(bool)
	switch name {
	case TagZone, TagRegion, TagID:
		if !isText {
			return refuse(Bad, "tag %s must be text", name)
		}
	case TagCanary:
		if !isTruth {
			return refuse(Bad, "tag %s must be true or false", name)
		}
	case TagWeight:
		if !isNumber {
			return refuse(Bad, "tag %s must be a whole number from %d to %d", name, minShare, maxShare)
		}
		return checkWeight(number)
	}
	if !isText && !isNumber && !isTruth || len(text) > maxTag {
		return refuse(Bad, "tag %s must be text of at most %d bytes, a number, true or false", name, maxTag)
	}
	return nil
}

func checkWeight(w float64) error {
	if w != math.Trunc(w) || w < minShare || w > maxShare {
		return refuse(Bad, "%s %v is not valid; must be a whole number from %d to %d", TagWeight, w, minShare, maxShare)
	}
	return nil
}

func (l *Load) check() error {
	for _, v := range []float64{l.CPU, l.Memory, l.Utilization, l.QPS, l.EPS} {
		if !(v >= 0 && v <= maxLoad) { // nor NaN
			return refuse(Bad, "load %v is not valid; must be a number from 0, a share as 0.7 for cpu, memory and utilization", v)
		}
	}
	return nil
}

func (in *Registration) host() Host {
	tags := in.Tags
	if tags == nil {
		tags = Tags{}
	}
	return Host{
		IP: in.Address.Addr().String(), Port: in.Address.Port(), Revision: in.Revision,
		Service: in.Service, Repo: in.Repo, Tags: tags,
	}
}

// same reports whether two hosts are told alike, but for load and check-in.
func (h *Host) same(o *Host) bool {
	return h.IP == o.IP && h.Port == o.Port && h.Revision == o.Revision && h.Repo == o.Repo && maps.Equal(h.Tags, o.Tags)
}

// parseTags reads tags as JSON.
func parseTags(text string) (t Tags, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return nil, refuse(Bad, "tags are not valid; must be an object of JSON, as {\"az\": \"eu-1a\"}")
	}
	return t, nil
}
