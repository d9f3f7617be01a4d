package upstream

import (
	"cmp"
	"slices"
)

// ZoneAware has exchanges stay where the proxy is, as far as the hosts there are
// as large a part of all hosts as the proxies there are of all proxies: then each
// host gets as much as any other. Zero values stand for the defaults named here.
type ZoneAware struct {
	Own     Locality // where the proxy is
	MinSize int      // healthy hosts that the cluster must have; 6 by default
	Enabled int      // percent of exchanges that it is done for; 100 by default, negative for none
}

func (z ZoneAware) withDefaults() ZoneAware {
	z.MinSize = cmp.Or(z.MinSize, 6)
	z.Enabled = max(0, cmp.Or(z.Enabled, 100))
	return z
}

// Follow has c take the hosts of another cluster for the proxies that send to
// it, this one among them, which zone awareness must know.
func (c *Cluster) Follow(proxies *Cluster) {
	if c.callers.Swap(proxies) == proxies {
		return
	}
	if proxies != nil && proxies != c {
		proxies.mu.Lock()
		proxies.followers = append(proxies.followers, c)
		proxies.mu.Unlock()
	}
	c.rebuild()
}

// tellFollowers has those look again who go by c's hosts.
func (c *Cluster) tellFollowers() {
	c.mu.Lock()
	c.followers = slices.DeleteFunc(c.followers, func(f *Cluster) bool { return f.callers.Load() != c })
	all := slices.Clone(c.followers)
	c.mu.Unlock()
	for _, f := range all {
		f.rebuild()
	}
}

// proxiesAt is how many healthy proxies there are at each locality.
func (c *Cluster) proxiesAt() (at map[Locality]int, total int) {
	proxies := c.callers.Load()
	if proxies == nil {
		return nil, 0
	}
	at = map[Locality]int{}
	for _, h := range proxies.now.Load().all {
		if h.Usable() {
			at[h.locality()]++
			total++
		}
	}
	return at, total
}

// The parts that zones get of exchanges, of 10000.
const whole = 10_000

// zoneShares are the parts of exchanges that go to each locality: own, the number
// of the proxy's, gets all where hosts are as large a part there as proxies are,
// and else what they are; the others get the rest, by how many more hosts than
// proxies they have.
func zoneShares(hosts, proxies []int, own int) (shares []float64, direct bool) {
	up, local := percentages(hosts), percentages(proxies)
	shares = make([]float64, len(hosts))
	if up[own] >= local[own] {
		shares[own] = whole
		return shares, true
	}
	shares[own] = float64(up[own] * whole / local[own])
	room := 0
	for i := range up {
		if i != own {
			room += max(0, up[i]-local[i])
		}
	}
	if room == 0 {
		return shares, false
	}
	for i := range up {
		if i != own {
			shares[i] = (whole - shares[own]) * float64(max(0, up[i]-local[i])) / float64(room)
		}
	}
	return shares, false
}

// percentages are parts of 10000.
func percentages(counts []int) []int {
	total := 0
	for _, n := range counts {
		total += n
	}
	all := make([]int, len(counts))
	for i, n := range counts {
		if total > 0 {
			all[i] = n * whole / total
		}
	}
	return all
}

// divideByZone divides a set among zones. Where that cannot be it counts why
// with each pick.
func (g *grower) divideByZone(s *set, a *ZoneAware) {
	z, n := byLocality(s.hosts), &g.c.counts
	at, total := g.c.proxiesAt()
	own := slices.Index(z.names, a.Own)
	switch {
	case a.Enabled == 0, len(z.names) < 2:
		return
	case total == 0 || at[a.Own] == 0:
		s.count = &n.zoneNoProxies
		return
	case len(s.hosts) < a.MinSize:
		s.count = &n.zoneSmall
		return
	case own < 0:
		own = len(z.names)
		z.names, z.hosts = append(z.names, a.Own), append(z.hosts, nil)
	}
	hosts, proxies := make([]int, len(z.names)), make([]int, len(z.names))
	for i, l := range z.names {
		hosts[i], proxies[i] = len(z.hosts[i]), at[l]
		total -= at[l]
	}
	hosts, proxies = append(hosts, 0), append(proxies, total) // at places without hosts
	shares, direct := zoneShares(hosts, proxies, own)
	if sum(shares) < 1 { // no host has room for what comes from here
		s.count = &n.zoneFull
		return
	}
	everywhere := len(z.names)
	for i := range shares {
		shares[i] *= float64(a.Enabled) / 100
	}
	shares[everywhere] = whole * (1 - float64(a.Enabled)/100)
	s.split(shares, func(i int) *set {
		switch {
		case i == everywhere:
			return g.part(s.hosts, healthyOnes, "")
		case i != own:
			return counted(g.part(z.hosts[i], healthyOnes, ", other zone"), &n.zoneCross)
		case direct:
			return counted(g.part(z.hosts[i], healthyOnes, ", own zone"), &n.zoneDirect)
		}
		return counted(g.part(z.hosts[i], healthyOnes, ", own zone"), &n.zoneSampled)
	})
}

func counted(s *set, c *Counter) *set {
	s.count = c
	return s
}

func sum(all []float64) (s float64) {
	for _, v := range all {
		s += v
	}
	return s
}
