package upstream

import "math"

// LocalityWeight is the share that a locality gets of a priority's exchanges,
// beside the others'.
type LocalityWeight struct {
	Locality Locality
	Weight   uint32
}

// zones are a class's hosts by locality, in the order in which they come.
type zones struct {
	names []Locality
	hosts [][]*Host
}

func byLocality(hosts []*Host) (z zones) {
	at := map[Locality]int{}
	for _, h := range hosts {
		l := h.locality()
		i, known := at[l]
		if !known {
			i = len(z.names)
			at[l] = i
			z.names, z.hosts = append(z.names, l), append(z.hosts, nil)
		}
		z.hosts[i] = append(z.hosts[i], h)
	}
	return z
}

func (h *Host) locality() Locality {
	if e := h.told.Load(); e != nil {
		return e.Locality
	}
	return Locality{}
}

// divide gives parts of a set to localities, where that is wanted.
func (g *grower) divide(s *set, class class) {
	b := &g.c.options.Balance
	switch {
	case len(b.Localities) > 0:
		g.divideByWeight(s, class)
	case b.Zone != nil && g.priority == 0 && class == healthyOnes:
		g.divideByZone(s, b.Zone)
	}
}

// divideByWeight gives localities shares by their weights, and by how much of it
// their hosts can carry. For a policy that hashes it weighs hosts instead.
func (g *grower) divideByWeight(s *set, class class) {
	z, b := byLocality(s.hosts), &g.c.options.Balance
	if len(z.names) < 2 {
		return
	}
	shares, sum := make([]float64, len(z.names)), 0.0
	for i, l := range z.names {
		shares[i] = b.effective(l, len(z.hosts[i]), countAt(g.level.all, l)) * g.scale(l)
		sum += shares[i]
	}
	if sum <= 0 {
		return // nobody has a weight: then places are not looked at
	}
	if g.c.options.Policy.Traits().Hashes {
		s.picker = g.c.options.Policy.Over(&Set{Hosts: s.hosts, Scale: scales(s.hosts, z, shares), Now: g.now})
		return
	}
	s.split(shares, func(i int) *set { return g.part(z.hosts[i], class, "") })
}

// scale is the part of a locality's hosts, of one priority, that the level has;
// 1 where that does not count.
func (g *grower) scale(l Locality) float64 {
	if g.whole == nil {
		return 1
	}
	here, there := 0, 0
	for _, h := range g.level.all {
		if h.locality() == l {
			here++
		}
	}
	for _, h := range g.whole {
		if h.locality() == l && h.priority() == g.priority && h.Flags()&Drained == 0 { // as those of a level
			there++
		}
	}
	return float64(here) / float64(max(1, there))
}

// effective is a locality's weight, less what its hosts cannot carry of it.
func (b *Balance) effective(l Locality, able, total int) float64 {
	weight := 1.0
	for i := range b.Localities {
		if b.Localities[i].Locality == l {
			weight = float64(b.Localities[i].Weight)
		}
	}
	return weight * min(100, float64(b.Overprovisioning*able)/float64(max(1, total))) / 100
}

func countAt(hosts []*Host, l Locality) (n int) {
	for _, h := range hosts {
		if h.locality() == l && h.Flags()&Excluded == 0 {
			n++
		}
	}
	return n
}

// scales are what hosts' weights are multiplied with so that localities get
// their shares.
func scales(hosts []*Host, z zones, shares []float64) []float64 {
	by := map[Locality]float64{}
	for i, l := range z.names {
		sum := 0.0
		for _, h := range z.hosts[i] {
			sum += float64(h.Weight())
		}
		by[l] = shares[i] / sum
	}
	all := make([]float64, len(hosts))
	for i, h := range hosts {
		all[i] = by[h.locality()]
	}
	return all
}

// part is a set of some of another's hosts, with a picker of its own.
func (g *grower) part(hosts []*Host, class class, place string) *set {
	in := &Set{Hosts: hosts, Now: g.now}
	s := g.leaf(in, class, place)
	s.picker = g.c.options.Policy.Over(in)
	return s
}

// split divides s by shares; part makes each part that gets something.
func (s *set) split(shares []float64, part func(i int) *set) {
	weights := tenThousandths(shares)
	kept := make([]uint32, 0, len(weights))
	for i, w := range weights {
		if w > 0 {
			s.parts, kept = append(s.parts, part(i)), append(kept, w)
		}
	}
	s.order = sequence(kept, math.MaxInt32)
}

// tenThousandths are shares as parts of about 10000; each above 0 has one at
// least.
func tenThousandths(shares []float64) []uint32 {
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	all := make([]uint32, len(shares))
	for i, s := range shares {
		if s > 0 {
			all[i] = max(1, uint32(math.Round(s/sum*10_000)))
		}
	}
	return all
}
