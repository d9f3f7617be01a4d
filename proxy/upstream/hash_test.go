package upstream

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// keysOf is the host of each of n hashes.
func keysOf(p Picker, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = p.Pick(&Want{Hash: xxhash.Sum64String(fmt.Sprint("key", i)), Hashed: true}).Address()
	}
	return all
}

func over(t testing.TB, policy string, tuning Tuning, endpoints []Endpoint) Picker {
	t.Helper()
	p, err := NewPolicy(policy, tuning)
	if err != nil {
		t.Fatal(err)
	}
	return p.Over(&Set{Hosts: New(Options{Endpoints: endpoints}).Hosts()})
}

func count(keys []string) map[string]int {
	n := map[string]int{}
	for _, k := range keys {
		n[k]++
	}
	return n
}

// at is the place of that number, unpacked.
func (r *ring) at(i int) place {
	part := 0
	for int(r.parts[part+1]) <= i {
		part++
	}
	return place{uint64(part)<<(64-r.bits) | r.places[i]>>r.bits, r.host(uint64(i))}
}

// A lookup in the packed ring finds what a search of the places finds, however
// many there are of hosts and of places, and next to each place.
func TestFindingInARing(t *testing.T) {
	for _, c := range []struct {
		tuning  Tuning
		weights []uint32
	}{
		{Tuning{RingMin: 1}, []uint32{1, 1}},
		{Tuning{RingMin: 1, RingMax: 3}, []uint32{1, 1, 1, 1, 1, 1, 1}}, // fewer places than hosts
		{Tuning{}, []uint32{1, 7, 3}},
		{Tuning{RingMin: 100_000}, []uint32{5, 9}},
	} {
		r := over(t, "ring_hash", c.tuning, weighted(c.weights...)).(*ring)
		var hashes []uint64
		for i, step := 0, max(1, len(r.places)/200); i < len(r.places)-1; i += step {
			h := r.at(i).hash
			hashes = append(hashes, h-1, h, h+1)
		}
		for i := range uint64(200) {
			hashes = append(hashes, i*0x9e3779b97f4a7c15)
		}
		all := make([]place, len(r.places)-1)
		for part := range len(r.parts) - 1 {
			for i := r.parts[part]; i < r.parts[part+1]; i++ {
				all[i] = place{uint64(part)<<(64-r.bits) | r.places[i]>>r.bits, r.host(uint64(i))}
			}
		}
		for _, hash := range append(hashes, 0, math.MaxUint64) {
			at, _ := slices.BinarySearchFunc(all, hash, func(p place, h uint64) int { return cmp.Compare(p.hash, h) })
			for _, later := range []int{0, 1, 5, len(all)} {
				if got, want := r.find(hash, later), all[(at+later)%len(all)].host; got != want {
					t.Fatalf("%d places of %d hosts: hash %x, %d later: host %d, want %d", len(all), len(c.weights), hash, later, got, want)
				}
			}
		}
	}
}

// A ring as Ketama has it, found by hand: the place of "<key>_<i>" by xxHash64,
// and the first place that is not before the hash.
func TestRingIsKetama(t *testing.T) {
	addresses := []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}
	r := over(t, "ring_hash", Tuning{RingMin: 12}, Addresses(addresses...)).(*ring)
	type at struct {
		hash uint64
		host string
	}
	var want []at
	for _, a := range addresses {
		for i := range 4 {
			want = append(want, at{xxhash.Sum64String(fmt.Sprintf("%s_%d", a, i)), a})
		}
	}
	slices.SortFunc(want, func(a, b at) int {
		if a.hash < b.hash {
			return -1
		}
		return 1
	})
	if len(r.places)-1 != len(want) {
		t.Fatalf("%d places, want %d", len(r.places)-1, len(want))
	}
	for i := range want {
		p := r.at(i)
		if p.hash != want[i].hash || r.hosts[p.host].Address() != want[i].host {
			t.Errorf("place %d: %x %s, want %x %s", i, p.hash, r.hosts[p.host].Address(), want[i].hash, want[i].host)
		}
		for _, hash := range []uint64{p.hash, p.hash - 1} { // just up to the place
			if got := r.Pick(&Want{Hash: hash, Hashed: true}); got.Address() != want[i].host {
				t.Errorf("hash %x: %s, want %s", hash, got.Address(), want[i].host)
			}
		}
		next := want[(i+1)%len(want)].host
		if got := r.Pick(&Want{Hash: p.hash + 1, Hashed: true}); got.Address() != next {
			t.Errorf("just after place %d: %s, want %s", i, got.Address(), next)
		}
		if got := r.Pick(&Want{Hash: p.hash, Hashed: true, Attempt: 2}); got.Address() != want[(i+2)%len(want)].host {
			t.Errorf("the third try of place %d: %s, want %s", i, got.Address(), want[(i+2)%len(want)].host)
		}
	}
}

func TestPlacesByWeight(t *testing.T) {
	for _, c := range []struct {
		tuning  Tuning
		weights []uint32
		want    string
	}{
		{Tuning{}, []uint32{1, 1}, "map[0:512 1:512]"},
		{Tuning{}, []uint32{1, 2}, "map[0:342 1:684]"}, // ceil(1024/3) for the lightest
		{Tuning{RingMin: 3}, []uint32{1, 1, 1}, "map[0:1 1:1 2:1]"},
		{Tuning{RingMin: 4, RingMax: 8}, []uint32{1, 99}, "map[0:1 1:7]"},
	} {
		r := over(t, "ring_hash", c.tuning, weighted(c.weights...)).(*ring)
		n := map[uint32]int{}
		for i := range len(r.places) - 1 {
			n[r.host(uint64(i))]++
		}
		if fmt.Sprint(n) != c.want {
			t.Errorf("%+v, weights %d: %v places, want %s", c.tuning, c.weights, n, c.want)
		}
	}
}

// Maglev's table, filled by hand as the paper has it: each host in turn takes its
// next free entry.
func TestTableIsMaglev(t *testing.T) {
	const size = 251
	addresses := []string{"10.0.0.3:80", "10.0.0.1:80", "10.0.0.2:80"}
	got := over(t, "maglev", Tuning{TableSize: size}, Addresses(addresses...)).(*table)
	slices.Sort(addresses)
	want := make([]string, size)
	next := make([]int, len(addresses))
	for filled := 0; filled < size; {
		for i, a := range addresses {
			d := xxhash.NewWithSeed(1)
			d.WriteString(a)
			offset, skip := xxhash.Sum64String(a)%size, d.Sum64()%(size-1)+1
			for {
				at := (offset + uint64(next[i])*skip) % size
				next[i]++
				if want[at] == "" {
					want[at] = a
					break
				}
			}
			if filled++; filled == size {
				break
			}
		}
	}
	for i, h := range got.entries {
		if got.hosts[h].Address() != want[i] {
			t.Fatalf("entry %d: %s, want %s", i, got.hosts[h].Address(), want[i])
		}
	}
	hash := uint64(77)
	for attempt := 1; attempt < 5; attempt++ {
		at := (hash ^ (math.MaxUint64 - uint64(attempt) + 1)) % size
		if h := got.Pick(&Want{Hash: hash, Hashed: true, Attempt: attempt}); h.Address() != want[at] {
			t.Errorf("try %d: %s, want %s", attempt, h.Address(), want[at])
		}
	}
}

func TestEntriesByWeight(t *testing.T) {
	for _, c := range []struct {
		weights []uint32
	}{{[]uint32{1, 1}}, {[]uint32{1, 3}}, {[]uint32{5, 3, 2}}, {[]uint32{100, 1}}} {
		tab := over(t, "maglev", Tuning{}, weighted(c.weights...)).(*table)
		n, sum := make([]int, len(c.weights)), uint32(0)
		for _, h := range tab.entries {
			n[h]++
		}
		for _, w := range c.weights {
			sum += w
		}
		for i, w := range c.weights {
			want := float64(DefaultTable) * float64(w) / float64(sum)
			if math.Abs(float64(n[i])-want) > float64(len(c.weights)) {
				t.Errorf("weights %d: host %d has %d entries, want %.0f", c.weights, i, n[i], want)
			}
		}
	}
}

func TestMoreHostsThanEntries(t *testing.T) {
	tab := over(t, "maglev", Tuning{TableSize: 11}, many(20, 1)).(*table)
	if len(tab.entries) != DefaultTable {
		t.Errorf("%d entries", len(tab.entries))
	}
}

// How even hashes are spread, and how many of them move when one of 100 hosts
// goes. On a ring of 256 places each a host's part differs by 1/sqrt(256) = 6 %
// of the mean, one in 40 by twice that; in a table by one entry in 655. The 400
// keys that each has here add 5 %. When a host goes from a ring its neighbours
// take over; those who stay get 3 places more, 259, so that the ring is as large
// as before: 1.2 % of the others' hashes go there. In a table a part moves that
// is smaller the larger the table is.
func TestSpreadAndMovement(t *testing.T) {
	const hosts, keys = 100, 40_000
	hashes := make([]uint64, keys)
	for i := range hashes {
		hashes[i] = xxhash.Sum64String(fmt.Sprint("key", i))
	}
	for _, c := range []struct {
		policy string
		tuning Tuning
		most   float64 // of any host, against the mean
		others float64 // part of the hashes of those who stay that move, at most
	}{
		{"ring_hash", Tuning{RingMin: 256 * hosts}, 1.40, 0.014},
		{"ring_hash", Tuning{}, 2.3, 0}, // 11 places each, before and after
		{"maglev", Tuning{}, 1.2, 0.02},
		{"maglev", Tuning{TableSize: 655_373}, 1.2, 0.005},
	} {
		all := many(hosts, 1)
		before, after := over(t, c.policy, c.tuning, all), over(t, c.policy, c.tuning, slices.Delete(slices.Clone(all), 37, 38))
		n, moved, most := map[string]int{}, 0, 0
		for _, hash := range hashes {
			w := &Want{Hash: hash, Hashed: true}
			was := before.Pick(w).Address()
			n[was]++
			most = max(most, n[was])
			if was != all[37].Address && after.Pick(w).Address() != was {
				moved++
			}
		}
		if got := float64(most) * hosts / keys; got > c.most {
			t.Errorf("%s: a host has %.2f of the mean, want at most %.2f", c.policy, got, c.most)
		}
		if part := float64(moved) / keys; part > c.others {
			t.Errorf("%s: %.4f of the hashes of others moved, want at most %.4f", c.policy, part, c.others)
		}
	}
}

// The order in which hosts are told does not matter, and what else there is to
// know of them neither.
func TestPlacesComeFromKeysAlone(t *testing.T) {
	named := func(hostname, key string) []Endpoint {
		return []Endpoint{{Address: "a:1", Hostname: hostname}, {Address: "b:1", Metadata: map[string]string{HashKeyName: key}}, {Address: "c:1"}}
	}
	for _, policy := range []string{"ring_hash", "maglev"} {
		first := keysOf(over(t, policy, Tuning{}, named("one", "two")), 1000)
		turned := named("one", "two")
		slices.Reverse(turned)
		if !slices.Equal(first, keysOf(over(t, policy, Tuning{}, turned), 1000)) {
			t.Errorf("%s: another order changed something", policy)
		}
		elsewhere := named("one", "two")
		elsewhere[0].Address, elsewhere[1].Address = "x:9", "y:9"
		moved := keysOf(over(t, policy, Tuning{}, elsewhere), 1000)
		for i := range moved {
			if strings.NewReplacer("x:9", "a:1", "y:9", "b:1").Replace(moved[i]) != first[i] {
				t.Fatalf("%s: key %d went from %s to %s though names stayed", policy, i, first[i], moved[i])
			}
		}
		if n := count(keysOf(over(t, policy, Tuning{}, named("same", "same")), 1000)); len(n) != 3 {
			t.Errorf("%s: of hosts with one name some get nothing: %v", policy, n)
		}
	}
}

// slots = max(1, ceil(((total+1)*factor+99)/100 * share))
func TestFormulaOfBoundedLoad(t *testing.T) {
	for _, c := range []struct {
		total  int64
		factor int
		share  float64
		want   float64
	}{
		{0, 100, 0.5, 1},
		{9, 100, 0.5, 5},
		{9, 150, 0.5, 8},
		{99, 125, 0.1, 13},
		{0, 100, 0.001, 1},
		{999, 120, 0.25, 300},
	} {
		if got := slots(c.total, c.factor, c.share); got != c.want {
			t.Errorf("slots(%d, %d, %v) = %v, want %v", c.total, c.factor, c.share, got, c.want)
		}
	}
}

// One hash alone: its host takes its share of what is under way, and then others
// do, none more than the bound and one.
func TestBoundedLoadSpreadsOneHash(t *testing.T) {
	for _, name := range []string{"ring_hash", "maglev"} {
		p, err := NewPolicy(name, Tuning{Balance: 150})
		if err != nil {
			t.Fatal(err)
		}
		c := New(Options{Policy: p, Endpoints: many(10, 1)})
		whys := map[string]int{}
		for range 100 {
			w := &Want{Hash: 42, Hashed: true}
			if _, err := c.Pick(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			whys[w.Why]++
		}
		for _, h := range c.Hosts() {
			if h.Active() > 16 {
				t.Errorf("%s: %s has %d of 100 exchanges, want at most 15 and one", name, h.Address(), h.Active())
			}
		}
		if whys[name] == 0 || whys[name+", bounded"] == 0 || len(whys) != 2 {
			t.Errorf("%s: %v", name, whys)
		}
	}
}

func TestAWalkComesByEverybody(t *testing.T) {
	for n := uint32(1); n < 40; n++ {
		for _, hash := range []uint64{0, 1 << 33, 0xdeadbeef << 32, math.MaxUint64} {
			seen, at := map[uint32]bool{}, uint32(0)
			for range n {
				seen[at] = true
				at = (at + walk(hash, n)) % n
			}
			if len(seen) != int(n) {
				t.Fatalf("%d of %d with step %d", len(seen), n, walk(hash, n))
			}
		}
	}
}

// A further try of a hash goes elsewhere, to the same place each time.
func TestFurtherTriesOfAHash(t *testing.T) {
	for _, name := range []string{"ring_hash", "maglev"} {
		p, _ := NewPolicy(name, Tuning{})
		c := New(Options{Policy: p, Endpoints: many(5, 1)})
		tries := func() (all []string) {
			w := &Want{Hash: 99, Hashed: true}
			for {
				h, err := c.Pick(t.Context(), w)
				if err != nil {
					return all
				}
				all = append(all, h.Address())
				w.Avoid(h)
			}
		}
		a, b := tries(), tries()
		if len(a) != 5 || a[0] != b[0] || a[1] != b[1] {
			t.Errorf("%s: %v and %v", name, a, b)
		}
	}
	p, _ := NewPolicy("maglev", Tuning{})
	c := New(Options{Policy: p, Endpoints: many(5, 1)})
	w := new(Want)
	if _, err := c.Pick(t.Context(), w); err != nil || w.Why != "maglev, no hash" {
		t.Errorf("%q, %v", w.Why, err)
	}
}
