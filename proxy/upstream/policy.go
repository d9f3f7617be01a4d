package upstream

import (
	"fmt"
	"strings"
	"time"
)

// Policy is a way to choose a host.
type Policy interface {
	Name() string // as the configuration has it
	// Over makes a Picker of a set, in which there is at least one host. It does
	// not change; a Picker is made anew when members, weights or health do.
	Over(s *Set) Picker
	// Traits say what else there is to know of the policy's pickers.
	Traits() Traits
}

// Set is the hosts that a Picker picks from.
type Set struct {
	Hosts []*Host
	Scale []float64 // by which the weight of each is multiplied, for a policy that Hashes; nil for 1
	Now   int64     // ns since the Unix epoch
}

// Traits of a policy.
type Traits struct {
	Bounded bool // how much is under way at the cluster counts
	Hashes  bool // Want.Hash decides: the same one goes to the same host
	Drawn   bool // a pick changes nothing for the next: one more costs nobody his turn
	Table   int  // entries of what a Picker looks up, however few hosts there are
}

// Picker chooses the host of one exchange. Calls come from many goroutines at
// once.
type Picker interface{ Pick(w *Want) *Host }

// Tuning is what can be set of policies. Zero values stand for the defaults
// named here.
type Tuning struct {
	Choices  int      // least_request, peak_ewma: how many hosts are drawn; 2 by default
	Bias     *float64 // least_request: how much exchanges under way count against a weight; 1 by default, 0 for not at all
	FullScan bool     // least_request: look at every host instead

	SlowStart SlowStart // round_robin and least_request

	RingMin   int // ring_hash: places on the ring at least; 1024 by default
	RingMax   int // and at most; 8388608 by default
	TableSize int // maglev: a prime; 65537 by default
	Balance   int // ring_hash, maglev: percent of the mean load that a host may have, 100 or more; 0 for no bound

	Decay   time.Duration // peak_ewma: after which a latency counts for a third; 10 s by default
	Initial time.Duration // peak_ewma: latency of hosts of which nothing is known; 30 ms by default
	Penalty time.Duration // peak_ewma: that a failure counts as at least; 1 s by default
}

// NamedPolicy is one entry of Policies.
type NamedPolicy struct {
	Name string
	New  func(Tuning) Policy
}

// Policies lists every balancing policy.
func Policies() []NamedPolicy {
	return []NamedPolicy{
		{"round_robin", newRoundRobin},
		{"least_request", newLeastRequest},
		{"peak_ewma", newPeakEWMA},
		{"random", newRandom},
		{"ring_hash", newRingHash},
		{"maglev", newMaglev},
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
func NewPolicy(name string, t Tuning) (Policy, error) {
	for _, p := range Policies() {
		if p.Name == name {
			return p.New(t), nil
		}
	}
	return nil, fmt.Errorf("policy %q is unknown; valid: %s", name, strings.Join(PolicyNames(), ", "))
}

// only is the Picker of one host.
type only struct{ host *Host }

func (o only) Pick(*Want) *Host { return o.host }
