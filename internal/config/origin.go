package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ProxyProtocol says what becomes of the headers by which a proxy before this
// one tells of its clients.
type ProxyProtocol struct {
	Accept  string        `yaml:"accept"`            // off, optional or required
	Trusted []string      `yaml:"trusted,omitempty"` // networks from which headers are believed; empty for all
	Timeout time.Duration `yaml:"timeout"`           // for the header
}

// The values of proxy_protocol.accept, and some of other keys.
const (
	Off      = "off"
	Optional = "optional"
	Required = "required"
)

// Trusts are the networks of Trusted.
func (p *ProxyProtocol) Trusts() (all []netip.Prefix) {
	for _, s := range p.Trusted {
		if n, ok := parseNetwork(s); ok { // checked before
			all = append(all, n)
		}
	}
	return all
}

// parseNetwork reads a network, or an address for one of its own.
func parseNetwork(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), a.Zone() == ""
	}
	n, err := netip.ParsePrefix(s)
	return n.Masked(), err == nil
}

// The values of a listener's transparent, beside Off.
const (
	Redirected = "redirect"
	TProxy     = "tproxy"
)

// OriginalDestination stands for the endpoints of a cluster that goes wherever
// clients wanted to go.
const OriginalDestination = "original_destination"

// The versions of the PROXY protocol that a cluster's hosts may be told.
const (
	V1 = "v1"
	V2 = "v2"
)

func (l *Listener) checkOrigin(key string, wrong report) {
	l.ProxyProtocol.check(key+".proxy_protocol", wrong)
	if all := []string{Off, Redirected, TProxy}; !slices.Contains(all, l.Transparent) {
		wrong(key+".transparent", "%q is not valid; must be one of %s", l.Transparent, strings.Join(all, ", "))
	} else if _, unix := UnixPath(l.Address); unix && l.Transparent != Off {
		wrong(key+".transparent", "nobody is redirected to a Unix socket; remove it, or listen on a port")
	}
}

func (p *ProxyProtocol) check(key string, wrong report) {
	if all := []string{Off, Optional, Required}; !slices.Contains(all, p.Accept) {
		wrong(key+".accept", "%q is not valid; must be one of %s", p.Accept, strings.Join(all, ", "))
	}
	for _, s := range p.Trusted {
		if _, ok := parseNetwork(s); !ok {
			wrong(key+".trusted", "%q is not valid; must be a network or an address, as 10.0.0.0/8", s)
		}
	}
	switch {
	case p.Accept == Optional && len(p.Trusted) == 0:
		wrong(key+".trusted", "must be there where headers are optional: else any client could say that it is another")
	case p.Accept != Off && p.Timeout == 0:
		wrong(key+".timeout", "must be more than 0")
	}
}

// Original reports whether the cluster goes wherever clients wanted to go.
func (c *Cluster) Original() bool {
	return len(c.Endpoints) == 1 && c.Endpoints[0].Address == OriginalDestination
}

func (c *Cluster) checkProxyProtocol(key string, wrong report) {
	if v := c.ProxyProtocol; v != Off && v != V1 && v != V2 {
		wrong(key+".proxy_protocol", "%q is not valid; must be one of %s, %s, %s", v, Off, V1, V2)
	} else if v != Off && c.Protocol != HTTP1 {
		wrong(key+".protocol", "must be %s where proxy_protocol is %s: many clients would share a connection that says it is one's", HTTP1, v)
	}
	if c.Protocol != HTTP1 && (c.ProxyProtocol != Off || c.Original()) {
		wrong(key+".protocol", "must be %s where connections are for one client each or go where clients wanted to go: many clients share one of HTTP/2", HTTP1)
	}
}

// checkOriginals wants listeners to know where their clients wanted to go, where
// that decides about it.
func (c *Config) checkOriginals(key string, l *Listener, wrong report) {
	if l.Transparent != Off || l.ProxyProtocol.Accept != Off {
		return
	}
	for i := range c.Clusters {
		name := c.Clusters[i].Name
		if slices.Contains(l.Clusters(), name) && c.Clusters[i].Original() {
			wrong(key+".transparent", "must be %s or %s: cluster %q goes where clients wanted to go, and only such a listener knows", Redirected, TProxy, name)
		}
	}
}
