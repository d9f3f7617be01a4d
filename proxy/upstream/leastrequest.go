package upstream

import "math/rand/v2"

// leastRequest takes the less busy of two hosts drawn without replacement:
// drawing with it would, with two hosts, pick the busier one every fourth time.
type leastRequest struct{}

func newLeastRequest() Policy { return leastRequest{} }

func (leastRequest) Name() string { return "least_request" }

func (leastRequest) Over(hosts []*Host) Picker { return lessBusy(hosts) }

type lessBusy []*Host

func (hosts lessBusy) Pick(*Want) *Host {
	n := uint32(len(hosts))
	if n == 1 {
		return hosts[0]
	}
	i, j := rand.Uint32N(n), rand.Uint32N(n-1)
	if j >= i {
		j++
	}
	a, b := hosts[i], hosts[j]
	if b.Active() < a.Active() {
		return b
	}
	return a
}
