package upstream

import (
	"fmt"
	"strings"
)

// Policy is a way to choose a host.
type Policy interface {
	Name() string // as the configuration has it
	// Over makes a Picker of hosts, of which there is at least one. They do
	// not change; a Picker is made anew when members, weights or health do.
	Over(hosts []*Host) Picker
}

// Picker chooses the host of one exchange. Calls come from many goroutines at
// once.
type Picker interface{ Pick(w *Want) *Host }

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
