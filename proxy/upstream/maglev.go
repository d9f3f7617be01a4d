package upstream

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// maglev has each hash be served as a table says that is filled by the hosts in
// turn, each in an order of its own (Eisenbud and others, NSDI 2016). Compared
// with a ring it is spread more evenly and found faster; when a host comes or
// goes a few more hashes move.
type maglev struct{ size, balance int }

// Bounds of a table; its size is a prime.
const (
	DefaultTable = 65537
	MaxTable     = 5_000_011
)

// middleTable is for clusters that have more hosts than the default one has
// entries.
const middleTable = 655_373

func newMaglev(t Tuning) Policy { return maglev{cmp.Or(t.TableSize, DefaultTable), t.Balance} }

func (maglev) Name() string     { return "maglev" }
func (p maglev) Traits() Traits { return Traits{Hashes: true, Bounded: p.balance > 0, Table: p.size} }

func (p maglev) Over(s *Set) Picker {
	size := p.size
	for _, larger := range [...]int{DefaultTable, middleTable, MaxTable} {
		if size < len(s.Hosts) { // somebody would have no entry
			size = max(size, larger)
		}
	}
	t := newTable(s, size)
	if p.balance > 0 {
		return newBounded(s, t, p.balance)
	}
	return t
}

type table struct {
	hosts   []*Host
	entries []uint32
}

// filler fills a host's entries.
type filler struct {
	host       uint32
	next, skip uint64 // the first one, and how far each is from the one before
	share      float64
	target     float64
}

func newTable(s *Set, size int) *table {
	shares, _, most := s.shares()
	keys := hashKeys(s.Hosts)
	all := make([]filler, 0, len(keys))
	for i, key := range keys {
		if shares[i] <= 0 {
			continue
		}
		d := xxhash.NewWithSeed(1)
		_, _ = d.WriteString(key) // never fails
		all = append(all, filler{host: uint32(i), next: xxhash.Sum64String(key) % uint64(size), skip: d.Sum64()%uint64(size-1) + 1, share: shares[i]})
	}
	slices.SortFunc(all, func(a, b filler) int { return cmp.Compare(keys[a.host], keys[b.host]) })
	t := &table{hosts: s.Hosts, entries: make([]uint32, size)}
	t.fill(all, most)
	return t
}

// free marks an entry that is nobody's yet.
const free = ^uint32(0)

// fill has the hosts take entries in turn: the heaviest in each round, the others
// as often as they weigh against it.
func (t *table) fill(all []filler, most float64) {
	for i := range t.entries {
		t.entries[i] = free
	}
	size := uint64(len(t.entries))
	for left, round := len(t.entries), 1.0; ; round++ {
		for i := range all {
			f := &all[i]
			if round*f.share < f.target {
				continue
			}
			f.target += most
			for t.entries[f.next] != free {
				f.step(size)
			}
			t.entries[f.next] = f.host
			f.step(size)
			if left--; left == 0 {
				return
			}
		}
	}
}

func (f *filler) step(size uint64) {
	if f.next += f.skip; f.next >= size {
		f.next -= size
	}
}

func (t *table) Pick(w *Want) *Host { return t.hosts[t.find(w.hash(), w.turn())] }

// find is the number of the host of a hash, for a try after so many others.
func (t *table) find(hash uint64, later int) uint32 {
	if later > 0 {
		hash ^= ^uint64(0) - uint64(later) + 1
	}
	return t.entries[hash%uint64(len(t.entries))]
}
