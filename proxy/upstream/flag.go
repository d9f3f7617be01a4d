package upstream

// Flag is something that speaks against taking a host. Each is set by one part
// of the proxy, which knows nothing of the others.
type Flag uint32

const (
	FailedCheck       Flag = 1 << iota // active health checks fail
	DegradedCheck                      // they are answered by a host that says it is degraded
	Unchecked                          // no check has been answered yet
	Ejected                            // outlier detection has taken it out
	Drained                            // an operator has
	FailedDiscovery                    // discovery says that it is unhealthy
	DegradedDiscovery                  // or degraded
	Absent                             // discovery tells of it no more; it stays while checks find it healthy
	ImmediateFail                      // it said itself, in an answer, that it fails: FailedCheck goes along with it
	Away                               // it could not be connected to just now; taken all the same where there is no other
	numFlags          = iota
)

var flagNames = [numFlags]string{
	"failed_active_hc", "degraded_active_hc", "pending_active_hc", "failed_outlier_check", "drained",
	"failed_eds_health", "degraded_eds_health", "pending_dynamic_removal",
	"excluded_via_immediate_hc_fail",
	"connect_backoff",
}

// Out are the flags of a host that takes no exchanges.
const Out = FailedCheck | Unchecked | Ejected | Drained | FailedDiscovery

// Excluded are the flags of a host that does not count as one of its cluster's
// when it is asked how many of them are healthy: it goes by its own wish, or was
// never seen healthy yet.
const Excluded = Unchecked | ImmediateFail

// Names are those of the flags that are set, as Envoy has them, in order of value.
func (f Flag) Names() (all []string) {
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return all
}

// Flags are those that are set for h.
func (h *Host) Flags() Flag { return Flag(h.flags.Load()) }

// Usable reports whether nothing speaks against taking h.
func (h *Host) Usable() bool { return h.Flags()&Out == 0 }

// Mark sets or clears flags of h, and has the cluster look who may be picked
// when that changed something. It reports whether it did.
func (h *Host) Mark(f Flag, on bool) (changed bool) {
	var old uint32
	if on {
		old = h.flags.Or(uint32(f))
		changed = old&uint32(f) != uint32(f)
	} else {
		old = h.flags.And(^uint32(f))
		changed = old&uint32(f) != 0
	}
	if changed {
		if !on && f&(FailedCheck|Unchecked) != 0 {
			h.since.Store(h.cluster.options.Clock())
		}
		h.cluster.rebuild()
	}
	return changed
}
