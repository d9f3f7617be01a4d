package upstream

import "cmp"

// Balance says how it is decided which hosts a policy chooses among. Zero values
// stand for the defaults named here.
//
// The order is: the hosts that the exchange wants by name (Override); the subset
// with the metadata that it wants; a priority, by how many of its hosts are
// healthy; all of its hosts, where too few are (panic); a locality; the policy.
type Balance struct {
	Overprovisioning int  // percent that a priority's healthy hosts can carry of their share; 140 by default
	PanicThreshold   int  // percent of a priority's hosts below which health is not looked at; 50 by default, negative for never
	FailInPanic      bool // pick nobody then, instead
	WeightedHealth   bool // hosts count by their weights there

	Localities []LocalityWeight // by which localities get their shares; none has localities not looked at
	Zone       *ZoneAware       // prefer hosts that are where the proxy is; nil for not
	Subsets    *Subsets         // nil for none
}

// Defaults of Balance.
const (
	DefaultOverprovisioning = 140
	DefaultPanicThreshold   = 50
)

func (b Balance) withDefaults() Balance {
	b.Overprovisioning = cmp.Or(b.Overprovisioning, DefaultOverprovisioning)
	b.PanicThreshold = max(0, cmp.Or(b.PanicThreshold, DefaultPanicThreshold))
	if b.Zone != nil {
		z := b.Zone.withDefaults()
		b.Zone = &z
	}
	return b
}
