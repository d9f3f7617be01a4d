package upstream

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
)

// Policy chooses the host of one exchange. hosts is never empty and never
// changes; calls come from many goroutines at once.
type Policy interface {
	Pick(hosts []*Host) *Host
}

// NamedPolicy is one entry of Policies.
type NamedPolicy struct {
	Name string
	New  func() Policy
}

// Policies lists every balancing policy.
func Policies() []NamedPolicy {
	return []NamedPolicy{
		{"round_robin", newRoundRobin},
		{"least_request", newLeastRequest},
	}
}

// PolicyNames are the names of Policies, for messages.
func PolicyNames() []string {
	var names []string
	for _, p := range Policies() {
		names = append(names, p.Name)
	}
	return names
}

// NewPolicy makes the policy of that name.
func NewPolicy(name string) (Policy, error) {
	for _, p := range Policies() {
		if p.Name == name {
			return p.New(), nil
		}
	}
	return nil, fmt.Errorf("policy %q is unknown; valid: %s", name, strings.Join(PolicyNames(), ", "))
}

// roundRobin takes one host after the other. It starts anywhere, so that many
// proxies started together do not move in step.
type roundRobin struct{ next atomic.Uint64 }

func newRoundRobin() Policy {
	r := new(roundRobin)
	r.next.Store(uint64(rand.Uint32()))
	return r
}

func (r *roundRobin) Pick(hosts []*Host) *Host {
	return hosts[r.next.Add(1)%uint64(len(hosts))]
}

// leastRequest takes the less busy of two hosts drawn without replacement:
// drawing with it would, with two hosts, pick the busier one every fourth time.
type leastRequest struct{}

func newLeastRequest() Policy { return leastRequest{} }

func (leastRequest) Pick(hosts []*Host) *Host {
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
