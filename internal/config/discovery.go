package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Discovery says who is asked for a cluster's endpoints, and how often. Which
// keys have a meaning depends on the type.
type Discovery struct {
	Type       string        `yaml:"type"`           // one of the types below
	Path       string        `yaml:"path,omitempty"` // of a file that lists endpoints
	Name       string        `yaml:"name,omitempty"` // host:port for DNS, _service._proto.domain for SRV
	URL        string        `yaml:"url,omitempty"`  // of a registry, as http://127.0.0.1:9700
	Service    string        `yaml:"service,omitempty"`
	Token      string        `yaml:"token,omitempty"`       // that the registry wants
	Refresh    time.Duration `yaml:"refresh"`               // between two questions
	Jitter     time.Duration `yaml:"jitter"`                // at most so much is added to it, by chance
	Timeout    time.Duration `yaml:"timeout"`               // of one question
	RespectTTL bool          `yaml:"respect_ttl,omitempty"` // ask again when an answer of DNS has expired
	Family     string        `yaml:"family,omitempty"`      // of addresses
	Resolvers  []string      `yaml:"resolvers,omitempty"`   // name servers; the system's where empty
	RetryBase  time.Duration `yaml:"retry_base"`            // first wait after a question without answer; doubled up to
	RetryMax   time.Duration `yaml:"retry_max"`
	Initial    time.Duration `yaml:"initial_timeout"` // for which a start waits for the first answer

	IgnoreHealth bool `yaml:"ignore_health_on_host_removal,omitempty"`
}

// The types of discovery.
const (
	ByFile       = "file"
	ByDNS        = "dns"
	ByLogicalDNS = "dns_logical"
	BySRV        = "srv"
	ByRegistry   = "registry"
)

// The families of addresses that a name is resolved to.
const (
	PreferV4 = "v4_preferred" // those of IPv4, or where there are none, of IPv6
	OnlyV4   = "v4"
	OnlyV6   = "v6"
	AnyIP    = "all"
)

var families = []string{PreferV4, OnlyV4, OnlyV6, AnyIP}

// unsaid is a time that settles by the type.
const unsaid = -1

// kind is a type of discovery with the key that it must have, and the times that
// it goes by.
type kind struct {
	name, key, example string
	refresh, jitter    time.Duration
	others             []string // further keys that have a meaning
}

var kinds = []kind{
	{ByFile, "path", "/etc/pitot/shop.yaml", time.Second, 0, nil},
	{ByDNS, "name", "shop.internal:8080", 5 * time.Second, 0, []string{"respect_ttl", "family", "resolvers"}},
	{ByLogicalDNS, "name", "shop.example.com:443", 5 * time.Second, 0, []string{"respect_ttl", "family", "resolvers"}},
	{BySRV, "name", "_http._tcp.shop.internal", 5 * time.Second, 0, []string{"respect_ttl", "family", "resolvers"}},
	{ByRegistry, "service", "shop", 30 * time.Second, 30 * time.Second, []string{"url", "token"}},
}

func (d *Discovery) setDefaults() {
	d.Refresh, d.Jitter = unsaid, unsaid
	d.Timeout, d.Initial = 5*time.Second, 5*time.Second
	d.RetryBase, d.RetryMax = time.Second, 10*time.Second
}

// settle fills in what follows from the type.
func (d *Discovery) settle() {
	for _, k := range kinds {
		if k.name != d.Type {
			continue
		}
		if d.Refresh == unsaid {
			d.Refresh = k.refresh
		}
		if d.Jitter == unsaid {
			d.Jitter = min(k.jitter, d.Refresh)
		}
		if d.Family == "" && slices.Contains(k.others, "family") {
			d.Family = PreferV4
		}
		if d.URL == "" && d.Type == ByRegistry {
			d.URL = "http://127.0.0.1:9700"
		}
	}
	if d.Type == ByFile { // a look at it is cheap
		d.RetryBase, d.RetryMax = d.Refresh, d.Refresh
	}
	d.Refresh, d.Jitter = max(0, d.Refresh), max(0, d.Jitter)
}

// minRefresh keeps who is asked from being asked all the time.
const minRefresh = 100 * time.Millisecond

func (d *Discovery) check(key string, wrong report) {
	at := slices.IndexFunc(kinds, func(k kind) bool { return k.name == d.Type })
	if at < 0 {
		wrong(key+".type", "%q is not valid; must be one of %s", d.Type, strings.Join(discoveries(), ", "))
		return
	}
	d.checkKeys(key, at, wrong)
	d.checkTimes(key, wrong)
	switch d.Type {
	case ByRegistry:
		d.checkRegistry(key, wrong)
	case BySRV:
		if d.Name != "" && (len(d.Name) > maxText || strings.ContainsAny(d.Name, ": /")) {
			wrong(key+".name", "%q is not valid; must be as _http._tcp.shop.internal: ports are in the records", d.Name)
		}
	case ByDNS, ByLogicalDNS:
		d.checkNamed(key, wrong)
	}
	for i, r := range d.Resolvers {
		if host, port, err := net.SplitHostPort(r); err != nil || net.ParseIP(host) == nil || !goodPort(port) || port == "0" {
			wrong(fmt.Sprintf("%s.resolvers[%d]", key, i), "%q is not valid; must be address and port of a name server, as 10.0.0.2:53", r)
		}
	}
}

func discoveries() (all []string) {
	for _, k := range kinds {
		all = append(all, k.name)
	}
	return all
}

// checkKeys wants the key that says who is asked, and none that mean nothing.
func (d *Discovery) checkKeys(key string, at int, wrong report) {
	given := []struct {
		name string
		set  bool
	}{
		{"path", d.Path != ""}, {"name", d.Name != ""}, {"service", d.Service != ""}, {"url", d.URL != ""}, {"token", d.Token != ""},
		{"respect_ttl", d.RespectTTL}, {"family", d.Family != ""}, {"resolvers", len(d.Resolvers) > 0},
	}
	k := kinds[at]
	for _, g := range given {
		if !g.set && g.name == k.key {
			wrong(key+"."+g.name, "must be there with type %s, as %s", d.Type, k.example)
		}
		if g.set && g.name != k.key && !slices.Contains(k.others, g.name) {
			wrong(key+"."+g.name, "has no meaning with type %s; remove it", d.Type)
		}
	}
	if d.Path != "" && !filepath.IsAbs(d.Path) {
		wrong(key+".path", "%q is not valid; must be an absolute path", d.Path)
	}
	if d.Family != "" && !slices.Contains(families, d.Family) {
		wrong(key+".family", "%q is not valid; must be one of %s", d.Family, strings.Join(families, ", "))
	}
}

func (d *Discovery) checkTimes(key string, wrong report) {
	if d.Refresh < minRefresh {
		wrong(key+".refresh", "%s is not valid; must be at least %s", d.Refresh, minRefresh)
	}
	if d.Timeout == 0 {
		wrong(key+".timeout", "must be more than 0")
	}
	if d.RetryBase < minRefresh || d.RetryMax < d.RetryBase {
		wrong(key+".retry_base", "must be at least %s, and retry_max not less", minRefresh)
	}
}

func (d *Discovery) checkNamed(key string, wrong report) {
	host, port, err := net.SplitHostPort(d.Name)
	if d.Name != "" && (err != nil || host == "" || len(host) > maxText || !goodPort(port) || port == "0") {
		wrong(key+".name", "%q is not valid; must be host:port, as shop.internal:8080", d.Name)
	}
}

func (d *Discovery) checkRegistry(key string, wrong report) {
	u, err := url.Parse(d.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		wrong(key+".url", "%q is not valid; must be as http://127.0.0.1:9700", d.URL)
	}
	if strings.ContainsAny(d.Service, "/?# ") || len(d.Service) > 128 {
		wrong(key+".service", "%q is not valid; must be the name of a service, without / and blanks", d.Service)
	}
}

// checkSources wants one place that endpoints come from.
func (c *Cluster) checkSources(key string, wrong report) {
	switch {
	case c.Discovery != nil && len(c.Endpoints) > 0:
		wrong(key+".endpoints", "stands beside discovery; keep one")
	case c.Discovery != nil:
		c.Discovery.check(key+".discovery", wrong)
	case len(c.Endpoints) == 0:
		wrong(key+".endpoints", "must name at least one endpoint, as [\"10.0.0.7:8080\"]; or say under discovery who tells them")
	}
}

// settleDiscovery has servers found by a name be asked for by it in TLS.
func (c *Cluster) settleDiscovery() {
	d := c.Discovery
	if d == nil {
		return
	}
	d.settle()
	if host, _, err := net.SplitHostPort(d.Name); err == nil && c.TLS != nil && c.TLS.SNI == "" && net.ParseIP(host) == nil {
		c.TLS.SNI = strings.TrimSuffix(host, ".")
	}
}
