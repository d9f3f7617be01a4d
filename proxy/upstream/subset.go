package upstream

import (
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// Subsets divide a cluster's hosts by their metadata, for exchanges that want
// some of them (Want.Subset).
type Subsets struct {
	Selectors []Selector
	Fallback  Fallback // where no selector has the keys that are wanted, or none are
	Default   []Pair   // metadata of the hosts of FallbackDefault

	// ScaleLocalities has a locality's weight count in a subset for as large a
	// part as the subset has of the locality's hosts.
	ScaleLocalities bool
}

// Selector makes a subset of each combination of values of its keys.
type Selector struct {
	Keys     []string
	Fallback Fallback // where nobody has the values that are wanted; that of Subsets by default
	Fewer    []string // keys that are looked at instead, for FallbackKeys
	Single   bool     // one host has the values: of several the first
}

// Fallback says who is picked where there is no subset.
type Fallback uint8

const (
	FallbackUnset   Fallback = iota
	FallbackNone             // nobody
	FallbackAny              // any host
	FallbackDefault          // those of Subsets.Default
	FallbackKeys             // those of fewer keys, for a selector
)

// forest is the trees of subsets.
type forest struct {
	c         *Cluster
	config    *Subsets
	all       []*Host
	now       int64
	selectors []selector
	fallback  branch
	any       branch
}

type selector struct {
	Selector
	by map[uint64]*branch // hash of the values
}

// branch is one subset. Its tree is made when it is asked for first.
type branch struct {
	values []string // of the selector's keys
	hosts  []*Host
	scope  string
	once   sync.Once
	tree   *tree
}

func (b *branch) of(f *forest) *tree {
	b.once.Do(func() {
		var whole []*Host
		if f.config.ScaleLocalities {
			whole = f.all
		}
		b.tree = f.c.plant(b.hosts, whole, b.scope, f.now)
	})
	return b.tree
}

func (c *Cluster) subsets(all []*Host, now int64) *forest {
	if c.options.Balance.Subsets == nil {
		return nil
	}
	f := &forest{c: c, config: c.options.Balance.Subsets, all: all, now: now}
	f.any = branch{hosts: all, scope: ", subset fallback"}
	f.fallback = branch{scope: ", subset fallback"}
	for _, h := range all {
		if h.has(f.config.Default) {
			f.fallback.hosts = append(f.fallback.hosts, h)
		}
	}
	twice := 0
	for _, s := range f.config.Selectors {
		s.Keys = slices.Sorted(slices.Values(s.Keys))
		s.Fewer = slices.Sorted(slices.Values(s.Fewer))
		by, more := byValues(all, s.Keys, s.Single)
		f.selectors, twice = append(f.selectors, selector{s, by}), twice+more
	}
	c.counts.subsetTwice.Store(uint64(twice))
	return f
}

// byValues divides hosts by their values of keys. twice is how many were left out
// because a subset is to be of a single one.
func byValues(hosts []*Host, keys []string, single bool) (by map[uint64]*branch, twice int) {
	by = map[uint64]*branch{}
	for _, h := range hosts {
		values, ok := h.values(keys)
		if !ok {
			continue
		}
		hash := hashOf(len(values), func(i int) string { return values[i] })
		b := by[hash]
		if b == nil {
			b = &branch{values: values, scope: ", subset"}
			by[hash] = b
		}
		switch {
		case !slices.Equal(b.values, values):
		case single && len(b.hosts) > 0:
			twice++
		default:
			b.hosts = append(b.hosts, h)
		}
	}
	return by, twice
}

// values are those of h's metadata for keys; ok where it has all of them.
func (h *Host) values(keys []string) (all []string, ok bool) {
	e := h.told.Load()
	if e == nil {
		return nil, false
	}
	for _, k := range keys {
		v, ok := e.Metadata[k]
		if !ok {
			return nil, false
		}
		all = append(all, v)
	}
	return all, true
}

func (h *Host) has(pairs []Pair) bool {
	e := h.told.Load()
	for _, p := range pairs {
		if e == nil {
			return false
		}
		if v, ok := e.Metadata[p.Key]; !ok || v != p.Value {
			return false
		}
	}
	return true
}

func hashOf(n int, value func(int) string) uint64 {
	var d xxhash.Digest
	d.Reset()
	for i := range n {
		_, _ = d.WriteString(value(i)) // never fails
		_, _ = d.WriteString("\x00")
	}
	return d.Sum64()
}

// find is the tree for what w wants; nil for nobody.
func (f *forest) find(w *Want) *tree {
	for i := range f.selectors {
		s := &f.selectors[i]
		if !sameKeys(s.Keys, w.Subset) {
			continue
		}
		if b := s.find(len(w.Subset), func(i int) string { return w.Subset[i].Value }); b != nil {
			return b.of(f)
		}
		if s.Fallback == FallbackKeys {
			return f.fewer(s, w.Subset)
		}
		if s.Fallback != FallbackUnset {
			return f.fall(s.Fallback)
		}
		break
	}
	return f.fall(f.config.Fallback)
}

// sameKeys reports whether wanted, which is in order, has these keys.
func sameKeys(keys []string, wanted []Pair) bool {
	if len(keys) != len(wanted) {
		return false
	}
	for i, k := range keys {
		if wanted[i].Key != k {
			return false
		}
	}
	return true
}

func (s *selector) find(n int, value func(int) string) *branch {
	b := s.by[hashOf(n, value)]
	if b == nil {
		return nil
	}
	for i, v := range b.values {
		if v != value(i) {
			return nil
		}
	}
	return b
}

// fewer is the tree for some of the keys that are wanted.
func (f *forest) fewer(s *selector, wanted []Pair) *tree {
	value := func(i int) string {
		at := slices.IndexFunc(wanted, func(p Pair) bool { return p.Key == s.Fewer[i] })
		return wanted[at].Value
	}
	for i := range f.selectors {
		o := &f.selectors[i]
		if !slices.Equal(o.Keys, s.Fewer) {
			continue
		}
		if b := o.find(len(s.Fewer), value); b != nil {
			return b.of(f)
		}
	}
	return f.fall(f.config.Fallback)
}

func (f *forest) fall(how Fallback) *tree {
	f.c.counts.subsetFallback.Add(1)
	switch how {
	case FallbackAny:
		return f.any.of(f)
	case FallbackDefault:
		return f.fallback.of(f)
	}
	return nil
}
