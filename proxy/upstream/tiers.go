package upstream

import (
	"slices"
	"sync"
)

// tiers are the priorities of a tree, for exchanges that leave some of them out.
type tiers struct {
	loads
	all  []tier
	fail bool // nobody is picked in panic
}

// tier is one priority. The sets of those that get no exchanges otherwise are
// made when they are asked for first.
type tier struct {
	grower
	classes [len(classWords)]struct {
		once sync.Once
		set  *set
	}
}

// set is the hosts of a class, nil where there are none.
func (r *tier) set(class class) *set {
	c := &r.classes[class]
	c.once.Do(func() { c.set = r.grow(class) })
	return c.set
}

// without are the loads when those priorities are left out, nil where no other
// can carry anything. It is what Envoy's previous_priorities does: those that are
// left share all exchanges by what they can carry, and what rounding leaves goes
// to the first of them.
func (l *loads) without(priorities []int) (healthy, degraded []int) {
	well, half, sum := slices.Clone(l.well), slices.Clone(l.half), 0
	for i := range well {
		if slices.Contains(priorities, i) {
			well[i], half[i] = 0, 0
		}
		sum += well[i] + half[i]
	}
	norm := min(100, sum)
	if norm == 0 {
		return nil, nil
	}
	healthy, degraded = make([]int, len(well)), make([]int, len(well))
	for left := 100; left > 0; { // the second time round there is what rounding left
		left = more(healthy, well, norm, left)
		left = more(degraded, half, norm, left)
	}
	return healthy, degraded
}

// at is the set that a draw of 100 falls to by those loads.
func (r *tiers) at(draw int, healthy, degraded []int) *set {
	for c, loads := range [...][]int{healthyOnes: healthy, degradedOnes: degraded} {
		for i, load := range loads {
			if draw < load {
				return r.of(i, class(c))
			}
			draw -= load
		}
	}
	return nil
}

// of is the set of a class of a priority, or of all its hosts in panic.
func (r *tiers) of(priority int, class class) *set {
	switch {
	case !r.panics[priority]:
		return r.all[priority].set(class)
	case r.fail:
		return nil
	}
	return r.all[priority].set(allOnes)
}
