package upstream

import "math/rand/v2"

// random takes any host, as often as it weighs. Unlike round robin it does not
// favour the host that follows one which fails.
type random struct{}

func newRandom(Tuning) Policy { return random{} }

func (random) Name() string   { return "random" }
func (random) Traits() Traits { return Traits{Drawn: true} }

func (random) Over(s *Set) Picker {
	switch {
	case len(s.Hosts) == 1:
		return only{s.Hosts[0]}
	case equal(s.Hosts):
		return anyone(s.Hosts)
	}
	return newAliases(s.Hosts)
}

type anyone []*Host

func (hosts anyone) Pick(*Want) *Host { return hosts[rand.Uint32N(uint32(len(hosts)))] }

// aliases draws by weight in constant time (A. J. Walker, M. D. Vose): a place
// for each host is drawn, part of which belongs to another.
type aliases struct {
	hosts []*Host
	share []float64 // of the place that is the host's own
	other []uint32  // whose the rest is
}

func newAliases(hosts []*Host) *aliases {
	n, sum := len(hosts), 0.0
	for _, h := range hosts {
		sum += float64(h.Weight())
	}
	a := &aliases{hosts: hosts, share: make([]float64, n), other: make([]uint32, n)}
	var small, large []uint32
	for i, h := range hosts {
		if a.share[i] = float64(h.Weight()) * float64(n) / sum; a.share[i] < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.other[s] = l
		if a.share[l] -= 1 - a.share[s]; a.share[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) { // what rounding has left
		a.share[i] = 1
	}
	return a
}

func (a *aliases) Pick(*Want) *Host {
	i := rand.Uint32N(uint32(len(a.hosts)))
	if rand.Float64() >= a.share[i] {
		i = a.other[i]
	}
	return a.hosts[i]
}
