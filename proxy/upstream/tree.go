package upstream

import (
	"math/rand/v2"
	"strconv"
	"sync/atomic"
)

// tree is how the hosts of a cluster, or of a subset of it, are chosen from: who
// of them is for what part of the exchanges. It does not change.
type tree struct {
	hosts  []*Host   // all that may be picked in need
	sets   []*set    // that get exchanges
	draws  [100]*set // for each percent of the exchanges; nil for nobody
	only   *set      // that all draws are
	panics []bool    // by priority
	tiers  *tiers
	traits Traits
}

// set is hosts that a policy chooses among.
type set struct {
	hosts  []*Host
	picker Picker
	why    [numNotes]string
	blind  bool     // panic: health is not looked at
	count  *Counter // of picks; nil where nobody counts them

	parts []*set   // localities that share the set's exchanges; nil for none
	order []uint32 // in which they get them
	next  atomic.Uint64
}

// classes of the hosts of a priority.
type class uint8

const (
	healthyOnes class = iota
	degradedOnes
	allOnes
)

var classWords = [...]string{"", ", degraded", ", panic"}

// plant makes the tree of hosts. scope is added to why they are picked. whole is
// all of the cluster's where localities count by what hosts have of them.
func (c *Cluster) plant(hosts, whole []*Host, scope string, now int64) *tree {
	b := &c.options.Balance
	levels := b.levels(hosts)
	l := b.loads(levels)
	t := &tree{panics: l.panics, traits: c.options.Policy.Traits(), tiers: &tiers{loads: l, all: make([]tier, len(levels)), fail: b.FailInPanic}}
	at := 0
	for i := range levels {
		t.hosts = append(t.hosts, levels[i].all...)
		g := &t.tiers.all[i]
		g.grower = grower{c: c, level: &levels[i], whole: whole, priority: i, scope: scope, now: now}
		if !l.panics[i] {
			at = t.give(at, l.healthy[i], g, healthyOnes)
			continue
		}
		load := l.healthy[i] + l.degraded[i]
		if b.FailInPanic {
			at += load
			continue
		}
		at = t.give(at, load, g, allOnes)
	}
	for i := range levels {
		if !l.panics[i] {
			at = t.give(at, l.degraded[i], &t.tiers.all[i], degradedOnes)
		}
	}
	if len(t.sets) == 1 && at == 100 && t.draws[0] != nil && t.draws[99] != nil {
		t.only = t.sets[0]
	}
	return t
}

// give gives so many percent, from the one at on, to a class of a level.
func (t *tree) give(at, load int, g *tier, class class) (next int) {
	if load <= 0 {
		return at
	}
	if s := g.set(class); s != nil {
		t.sets = append(t.sets, s)
		for i := at; i < min(100, at+load); i++ {
			t.draws[i] = s
		}
	}
	return at + load
}

// grower makes the sets of a level.
type grower struct {
	c        *Cluster
	level    *level
	whole    []*Host // as plant has it
	priority int
	scope    string
	now      int64
}

func (g *grower) hosts(class class) []*Host {
	return [...][]*Host{g.level.healthy, g.level.degraded, g.level.all}[class]
}

// grow makes the set of a class, nil where it has no hosts.
func (g *grower) grow(class class) *set {
	hosts := g.hosts(class)
	if len(hosts) == 0 {
		return nil
	}
	s := g.leaf(&Set{Hosts: hosts, Now: g.now}, class, "")
	if class != allOnes {
		g.divide(s, class)
	} else {
		s.blind, s.count = true, &g.c.counts.panic
	}
	if s.parts == nil && s.picker == nil {
		s.picker = g.c.options.Policy.Over(&Set{Hosts: hosts, Now: g.now})
	}
	return s
}

// leaf is a set without a picker yet.
func (g *grower) leaf(in *Set, class class, place string) *set {
	s := &set{hosts: in.Hosts}
	why := g.c.options.Policy.Name()
	if g.priority > 0 {
		why += ", priority " + strconv.Itoa(g.priority)
	}
	why += classWords[class] + g.scope + place
	for n, word := range noteWords {
		s.why[n] = why + word
	}
	return s
}

// pick chooses a host of t for w, nil where there is none. While t is stale, hosts
// may have been found unfit since it was made.
func (t *tree) pick(w *Want, stale bool) *Host {
	w.note, w.shift = plainly, 0
	s := t.only
	if s == nil || len(w.shuns) > 0 {
		if s = t.draw(w); s == nil {
			return nil
		}
	}
	if s.parts != nil {
		s = s.parts[s.order[(s.next.Add(1)-1)%uint64(len(s.order))]]
	}
	if s.count != nil {
		s.count.Add(1)
	}
	w.Why = s.why[plainly]
	if len(w.tried) == 0 || t.traits.Hashes {
		if h := s.picker.Pick(w); s.takes(w, h, stale) {
			if w.note == plainly && len(w.shuns) > 0 {
				w.note = shunning
			}
			w.Why = s.why[w.note]
			return h
		}
	}
	return t.again(s, w, stale)
}

// draw is the set that w's exchange falls to, nil for nobody.
func (t *tree) draw(w *Want) *set {
	draw := w.Hash
	if !t.traits.Hashes || !w.Hashed {
		draw = rand.Uint64()
	}
	if len(w.shuns) > 0 {
		if healthy, degraded := t.tiers.without(w.shuns); healthy != nil {
			return t.tiers.at(int(draw%100), healthy, degraded)
		}
		w.shuns = w.shuns[:0]
	}
	return t.draws[draw%100]
}

// takes reports whether h, which the policy chose, may be picked: it may have
// been tried, or have been found unfit since the set was made. Its flags are not
// looked at without need, which would be to wait for memory in a large cluster.
func (s *set) takes(w *Want, h *Host, stale bool) bool {
	if stale {
		if f := h.Flags(); f&Out != 0 && (!s.blind || f&Drained != 0) {
			return false
		}
	}
	return !w.Avoids(h)
}

// againMost is how often a policy is asked once more.
const againMost = 8

// again is another host than those that were tried. A policy of turns is not
// asked, which would shift them.
func (t *tree) again(s *set, w *Want, stale bool) *Host {
	if t.traits.Drawn || t.traits.Hashes {
		for w.shift = 1; w.shift < againMost; w.shift++ {
			if h := s.picker.Pick(w); s.takes(w, h, stale) {
				w.Why = s.why[another]
				return h
			}
		}
	}
	h := some(s.hosts, func(h *Host) bool { return h.Usable() && !w.Avoids(h) })
	if h == nil {
		h = some(t.hosts, func(h *Host) bool { return h.Usable() && !w.Avoids(h) })
	}
	if h == nil && s.blind {
		h = some(s.hosts, func(h *Host) bool { return h.Flags()&Drained == 0 && !w.Avoids(h) })
	}
	if h != nil {
		w.Why = s.why[another]
	}
	return h
}

// some is any of the hosts that fit.
func some(hosts []*Host, fits func(*Host) bool) *Host {
	n := len(hosts)
	if n == 0 {
		return nil
	}
	for i, from := 0, rand.IntN(n); i < n; i++ {
		if h := hosts[(from+i)%n]; fits(h) {
			return h
		}
	}
	return nil
}
