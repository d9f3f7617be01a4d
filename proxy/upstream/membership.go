package upstream

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

// Discovery and health checks tell of the same hosts and may differ. Health is
// what counts, discovery is a hint:
//
//	                        checks succeed          checks fail, or none yet
//	discovery tells of it   it is picked            it is not picked
//	it does no more         it is picked            it is removed
//
// So an empty or wrong answer takes nobody away who works. Without active checks
// discovery alone decides. A host that is to go though it works is told as
// draining or unhealthy first.

// Membership is what a change did to the members of a cluster.
type Membership struct {
	Added, Removed []string // addresses
	Missed         []string // that are told of no more, from now on, and stay
	Found          []string // that are told of again
	Total          int      // members from now on
	Missing        int      // of them, those that are told of no more
	Same           bool     // it changed nothing at all
}

// Update takes a new list of endpoints over; of several with one address the
// first counts. Hosts that were there before keep their connections, counters
// and flags.
func (c *Cluster) Update(endpoints []Endpoint) Membership {
	c.mu.Lock()
	m := c.settle(endpoints)
	c.mu.Unlock()
	c.changed(&m)
	return m
}

// rebuild makes the choice anew after flags have changed.
func (c *Cluster) rebuild() {
	c.mu.Lock()
	if c.postponed() {
		c.mu.Unlock()
		return
	}
	m := c.review()
	c.mu.Unlock()
	c.changed(&m)
}

// begin makes the first members. What an operator did to hosts outlives a new
// configuration, and so does what checks found, until they look again.
func (c *Cluster) begin(endpoints []Endpoint, before *Cluster) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var known []*Host
	if before != nil {
		known = before.Hosts()
	}
	var all []*Host
	if len(endpoints) == 0 && len(known) > 0 {
		for _, h := range known {
			n := c.meet(h.Endpoint(), nil, new(Membership))
			n.flags.Store(h.flags.Load() & uint32(Absent|FailedDiscovery|DegradedDiscovery))
			all = append(all, n)
		}
		c.endpoints = before.toldLast()
	} else {
		c.settle(endpoints)
		all = slices.Clone(c.now.Load().all)
	}
	c.remember(all, known)
	if before != nil {
		c.calm, c.panicking = before.mood()
	}
	c.keep(all, nil, new(Membership))
}

// toldLast is what discovery told last.
func (c *Cluster) toldLast() []Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endpoints
}

// mood is whether the cluster has been out of panic, and the panic that was told.
func (c *Cluster) mood() (calm bool, panicking []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calm, c.panicking
}

// remember has hosts go on with what was known of them.
func (c *Cluster) remember(all, known []*Host) {
	kept := Drained
	if c.options.Checked {
		kept |= FailedCheck | DegradedCheck | Unchecked
	}
	before := make(map[string]*Host, len(known))
	for _, h := range known {
		before[h.address] = h
	}
	for _, h := range all {
		if old := before[h.address]; old != nil {
			h.flags.Store(uint32(h.Flags()&^kept | old.Flags()&kept))
			h.asked.Store(old.asked.Load())
		}
	}
}

// settle makes the members of what is told. The caller has the lock.
func (c *Cluster) settle(endpoints []Endpoint) (m Membership) {
	now := c.now.Load()
	if slices.EqualFunc(endpoints, c.endpoints, Endpoint.same) {
		return Membership{Total: len(now.all), Same: true}
	}
	c.endpoints = endpoints
	before := make(map[string]*Host, len(now.all))
	for _, h := range now.all {
		before[h.address] = h
	}
	told := make(map[string]bool, len(endpoints))
	next := make([]*Host, 0, len(endpoints))
	for _, e := range endpoints {
		if !told[e.Address] {
			told[e.Address] = true
			next = append(next, c.meet(e, before[e.Address], &m))
		}
	}
	missed := map[*Host]bool{}
	for _, h := range now.all {
		if !told[h.address] {
			missed[h] = h.flags.Or(uint32(Absent))&uint32(Absent) == 0
			next = append(next, h)
		}
	}
	c.keep(next, missed, &m)
	return m
}

// meet is the host that is told of: h, where it is known.
func (c *Cluster) meet(e Endpoint, h *Host, m *Membership) *Host {
	if h == nil {
		h = newHost(c, e.Address, c.options)
		h.flags.Store(uint32(c.options.Newcomers))
		c.greetNew(h)
		m.Added = append(m.Added, e.Address)
	}
	if h.Flags()&Absent != 0 {
		m.Found = append(m.Found, e.Address)
	}
	h.learn(e)
	return h
}

// review is settle when nothing new was told. The caller has the lock.
func (c *Cluster) review() (m Membership) {
	c.keep(slices.Clone(c.now.Load().all), nil, &m)
	return m
}

// keep has those of all stay who are told of or healthy; missed are true for
// those who were told of until now. It takes all, and the caller has the lock.
func (c *Cluster) keep(all []*Host, missed map[*Host]bool, m *Membership) {
	stay := all[:0]
	for _, h := range all {
		if h.Flags()&Absent != 0 {
			if !c.staysAbsent(h) {
				m.Removed = append(m.Removed, h.address)
				c.forget(h)
				continue
			}
			m.Missing++
			if missed[h] {
				m.Missed = append(m.Missed, h.address)
			}
		}
		stay = append(stay, h)
	}
	clear(all[len(stay):])
	m.Total = len(stay)
	c.settleAccounts()
	c.balance(&members{all: stay})
}

// staysAbsent reports whether a host stays that discovery tells of no more.
func (c *Cluster) staysAbsent(h *Host) bool {
	return c.options.Checked && !c.options.IgnoreHealth && h.Flags()&(FailedCheck|Unchecked|FailedDiscovery) == 0
}

// forget lets a host go, which ends what is under way there. The caller has the
// lock.
func (c *Cluster) forget(h *Host) {
	h.forgotten.Store(true)
	h.retire()
	c.leaving = append(c.leaving, h)
}

// settleAccounts adds up what was counted at hosts where nothing is open any
// more. The caller has the lock.
func (c *Cluster) settleAccounts() {
	c.leaving = slices.DeleteFunc(c.leaving, func(h *Host) bool {
		over := h.stats.cxActive.Load() == 0 && h.active.Load() == 0
		if over {
			c.past = added(c.past, h.Stats())
		}
		return over
	})
}

// added is the sum of two lists of the same numbers, but for gauges, which are
// those of the first.
func added(sum, more []Stat) []Stat {
	if sum == nil {
		sum = (&Host{body: new(body)}).Stats()
	}
	for i, s := range more {
		if !s.Gauge {
			sum[i].Value += s.Value
		}
	}
	return sum
}

// everybody is the members, and those that are no more but still have something
// open, with the sum of what was counted at those that are over.
func (c *Cluster) everybody() (all []*Host, past []Stat) {
	if c.original != nil {
		return c.original.all(), nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleAccounts()
	return slices.Concat(c.now.Load().all, c.leaving), slices.Clone(c.past)
}

func (e Endpoint) same(o Endpoint) bool {
	return e.Address == o.Address && e.Hostname == o.Hostname && e.Weight == o.Weight && e.Priority == o.Priority &&
		e.Locality == o.Locality && e.Standing == o.Standing && maps.Equal(e.Metadata, o.Metadata)
}

// OnChange has f called whenever hosts have come or gone. It is not to wait.
func (c *Cluster) OnChange(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers = append(c.watchers, f)
}

// notify calls who asked for it.
func (c *Cluster) notify() {
	c.mu.Lock()
	watchers := slices.Clone(c.watchers)
	c.mu.Unlock()
	for _, f := range watchers {
		f()
	}
}

// namesTold bounds how many hosts an event names.
const namesTold = 16

// changed counts and tells a change of who belongs to the cluster.
func (c *Cluster) changed(m *Membership) {
	c.tellUntold()
	c.tellFollowers()
	if len(m.Added)+len(m.Removed)+len(m.Missed)+len(m.Found) == 0 {
		return
	}
	if len(m.Added)+len(m.Removed) > 0 {
		c.memberships.Add(1)
		c.notify()
	}
	n := event.Notice{Time: c.options.Clock(), Name: event.EventMembership, Body: fmt.Sprintf("cluster %q has %d hosts: %d came, %d went", c.name, m.Total, len(m.Added), len(m.Removed))}
	if m.Missing > 0 {
		n.Body += fmt.Sprintf("; discovery tells no more of %d, which are healthy and stay", m.Missing)
	}
	if len(m.Found) > 0 {
		n.Body += fmt.Sprintf("; discovery tells of %d again", len(m.Found))
	}
	if m.Total == 0 || m.Missing > 0 {
		n.Severity = event.Warn
	}
	for _, list := range []struct {
		key string
		all []string
	}{{event.AttrAdded, m.Added}, {event.AttrRemoved, m.Removed}, {event.AttrMissed, m.Missed}, {event.AttrFound, m.Found}} {
		n.Attributes = append(n.Attributes, event.KeyValue{Key: list.key, Value: strconv.Itoa(len(list.all))})
		if len(list.all) > 0 {
			n.Attributes = append(n.Attributes, event.KeyValue{Key: list.key + ".hosts", Value: strings.Join(list.all[:min(namesTold, len(list.all))], ",")})
		}
	}
	n.Attributes = append(n.Attributes, event.KeyValue{Key: event.AttrMembers, Value: strconv.Itoa(m.Total)}, event.KeyValue{Key: event.AttrMissing, Value: strconv.Itoa(m.Missing)})
	c.Tell(nil, &n)
}
