package upstream

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

// balanceCounts count what the balancer decides.
type balanceCounts struct {
	panic          Counter // lb_healthy_panic
	subsetFallback Counter
	subsetTwice    Counter // lb_subsets_single_host_per_subset_duplicate, of now

	zoneSmall, zoneNoProxies, zoneFull, zoneDirect, zoneSampled, zoneCross Counter
}

func (n *balanceCounts) stats() []Stat {
	return []Stat{
		{"lb_healthy_panic", n.panic.Load(), false},
		{"lb_subsets_fallback", n.subsetFallback.Load(), false},
		{"lb_subsets_single_host_per_subset_duplicate", n.subsetTwice.Load(), true},
		{"lb_zone_cluster_too_small", n.zoneSmall.Load(), false},
		{"lb_local_cluster_not_ok", n.zoneNoProxies.Load(), false},
		{"lb_zone_no_capacity_left", n.zoneFull.Load(), false},
		{"lb_zone_routing_all_directly", n.zoneDirect.Load(), false},
		{"lb_zone_routing_sampled", n.zoneSampled.Load(), false},
		{"lb_zone_routing_cross_zone", n.zoneCross.Load(), false},
	}
}

// Panics are the priorities of which so few hosts are healthy that health is not
// looked at.
func (c *Cluster) Panics() (priorities []int) { return c.now.Load().panics() }

func (m *members) panics() (priorities []int) {
	if m.tree == nil {
		return nil
	}
	for i, yes := range m.tree.panics {
		if yes {
			priorities = append(priorities, i)
		}
	}
	return priorities
}

// Asked notes that h has given its first answer to a health check, good or bad.
// When everybody has, a cluster that is in panic from its start is told to be.
func (h *Host) Asked() {
	if h.asked.Load() || h.asked.Swap(true) {
		return
	}
	c := h.cluster
	c.mu.Lock()
	if !h.forgotten.Load() { // and so one of those counted
		if c.unasked--; c.unasked == 0 {
			c.notePanic(c.now.Load(), c.options.Clock())
		}
	}
	c.mu.Unlock()
	c.tellUntold()
}

// countUnasked counts those who have not been asked yet. The caller has the lock.
func (c *Cluster) countUnasked(hosts []*Host) {
	c.unasked = 0
	for _, h := range hosts {
		if !h.asked.Load() {
			c.unasked++
		}
	}
}

// notePanic keeps what is to be told of panics that begin or end, for changed.
// A cluster begins in panic whose hosts are to be checked first; that is none to
// tell until all of them were. The caller has the lock.
func (c *Cluster) notePanic(m *members, now int64) {
	was, is := c.panicking, m.panics()
	c.calm = c.calm || len(is) == 0 && len(m.all) > 0 || c.options.Newcomers == 0
	if !c.calm && c.unasked > 0 || fmt.Sprint(was) == fmt.Sprint(is) {
		return
	}
	c.panicking = is
	healthy, degraded := 0, 0
	for _, h := range m.all {
		switch f := h.Flags(); {
		case f&Out != 0:
		case f&degradedFlags != 0:
			degraded++
		default:
			healthy++
		}
	}
	n := event.Notice{Time: now, Name: event.EventPanic, Severity: event.Critical}
	phase, list := event.PhaseBegin, join(is)
	what := "every host is picked, healthy or not"
	if c.options.Balance.FailInPanic {
		what = "nobody is picked"
	}
	n.Body = fmt.Sprintf("cluster %q panics: %d of %d hosts are healthy, less than %d %% at priority %s; %s", c.name, healthy+degraded, len(m.all), c.options.Balance.PanicThreshold, list, what)
	if len(is) == 0 {
		phase, list, n.Severity = event.PhaseEnd, join(was), event.Info
		n.Body = fmt.Sprintf("cluster %q panics no more: %d of %d hosts are healthy", c.name, healthy+degraded, len(m.all))
	}
	n.Attributes = []event.KeyValue{
		{Key: event.AttrPhase, Value: phase}, {Key: event.AttrPanicPriorities, Value: list},
		{Key: event.AttrPanicThreshold, Value: strconv.Itoa(c.options.Balance.PanicThreshold)},
		{Key: event.AttrPanicHealthy, Value: strconv.Itoa(healthy)}, {Key: event.AttrPanicDegraded, Value: strconv.Itoa(degraded)},
		{Key: event.AttrMembers, Value: strconv.Itoa(len(m.all))},
	}
	c.untold = append(c.untold, n)
}

func join(numbers []int) string {
	var all []string
	for _, n := range numbers {
		all = append(all, strconv.Itoa(n))
	}
	return strings.Join(all, ",")
}

// tellUntold tells what was noted under the lock.
func (c *Cluster) tellUntold() {
	c.mu.Lock()
	all := c.untold
	c.untold = nil
	c.mu.Unlock()
	for i := range all {
		c.Tell(nil, &all[i])
	}
}
