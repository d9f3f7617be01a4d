package config

import (
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Services names the services behind addresses. The most exact entry decides:
// address with port, address, then the narrowest network.
type Services struct {
	entries []service // as written
	ports   map[netip.AddrPort]string
	hosts   map[netip.Addr]string
	nets    []service // narrowest first
}

type service struct {
	key, name string
	net       netip.Prefix
}

// Add names what is at key: ip:port, ip, or a network as 10.0.0.0/8. It
// reports whether it understood key.
func (s *Services) Add(key, name string) bool {
	e := service{key: key, name: name}
	if a, err := netip.ParseAddrPort(key); err == nil {
		s.init()
		s.ports[netip.AddrPortFrom(a.Addr().Unmap(), a.Port())] = name
	} else if a, err := netip.ParseAddr(strings.Trim(key, "[]")); err == nil {
		s.init()
		s.hosts[a.Unmap()] = name
	} else if p, err := netip.ParsePrefix(key); err == nil {
		e.net = p.Masked()
		s.nets = append(s.nets, e)
		slices.SortStableFunc(s.nets, func(a, b service) int { return b.net.Bits() - a.net.Bits() })
	} else {
		return false
	}
	s.entries = append(s.entries, e)
	return true
}

func (s *Services) init() {
	if s.ports == nil {
		s.ports, s.hosts = map[netip.AddrPort]string{}, map[netip.Addr]string{}
	}
}

// Lookup is the name of what is at a; "" when nobody named it.
func (s *Services) Lookup(a netip.AddrPort) string {
	if len(s.entries) == 0 || !a.IsValid() {
		return ""
	}
	ip := a.Addr().Unmap()
	if name, ok := s.ports[netip.AddrPortFrom(ip, a.Port())]; ok {
		return name
	}
	if name, ok := s.hosts[ip]; ok {
		return name
	}
	for i := range s.nets {
		if s.nets[i].net.Contains(ip) {
			return s.nets[i].name
		}
	}
	return ""
}

// MarshalYAML writes the entries as they were read.
func (s Services) MarshalYAML() (any, error) {
	m := make(map[string]string, len(s.entries))
	for _, e := range s.entries {
		m[e.key] = e.name
	}
	return m, nil
}

func (r *reader) services(n *yaml.Node, s *Services, key string) {
	r.each(n, key, func(address string, k, v *yaml.Node) {
		at := join(key, address)
		r.lines[at] = k.Line
		switch {
		case v.Kind != yaml.ScalarNode || v.Value == "":
			r.wrong(at, "must be the name of a service")
		case !s.Add(address, v.Value):
			r.wrong(at, "is no address; must be as 10.0.0.7:8080, 10.0.0.7 or 10.0.0.0/8")
		}
	})
}
