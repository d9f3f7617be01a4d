package upstream

import (
	"cmp"
	"math"
	"slices"
	"sync"
)

// Earliest deadline first: each host has a deadline, the earliest is picked and
// gets a new one, 1/weight later. So hosts come as often as they weigh, and those
// of one weight evenly spread. Of hosts with one deadline, the one that got it
// first comes first.

// schedule is EDF with weights that may change from one pick to the next: a
// weight is looked at when its host is picked. A pick costs a lock and O(log n).
type schedule struct {
	weigh func(h *Host, now int64) float64 // more than 0

	mu    sync.Mutex // guards what follows
	heap  []turn     // the earliest is the first
	count uint64     // of turns given
}

// turn is when a host is to be picked next.
type turn struct {
	deadline float64
	order    uint64 // of getting it
	host     *Host

	weight    float64 // the deadline is base + nth/weight, which adds up no errors
	base, nth float64
}

func (a *turn) before(b *turn) bool {
	return a.deadline < b.deadline || a.deadline == b.deadline && a.order < b.order
}

// newSchedule begins at a moment of the first round, from 0 to below 1: as if
// there had been picks before, so that many proxies do not move in step.
func newSchedule(s *Set, moment float64, weigh func(*Host, int64) float64) *schedule {
	e := &schedule{weigh: weigh, heap: make([]turn, len(s.Hosts)), count: uint64(len(s.Hosts))}
	for i, h := range s.Hosts {
		w := weigh(h, s.Now)
		nth := math.Floor(moment*w) + 1
		e.heap[i] = turn{deadline: nth / w, order: uint64(i), host: h, weight: w, nth: nth}
	}
	for i := len(e.heap)/2 - 1; i >= 0; i-- {
		e.down(i)
	}
	return e
}

func (e *schedule) Pick(w *Want) *Host {
	e.mu.Lock()
	defer e.mu.Unlock()
	top := &e.heap[0]
	h := top.host
	if weight := e.weigh(h, w.Now); weight != top.weight {
		top.base, top.nth, top.weight = top.deadline, 0, weight
	}
	top.nth++
	top.deadline = top.base + top.nth/top.weight
	top.order = e.count
	e.count++
	e.down(0)
	return h
}

// down moves a turn to its place among those that are later.
func (e *schedule) down(i int) {
	heap := e.heap
	t := heap[i]
	for {
		child := 2*i + 1
		if child >= len(heap) {
			break
		}
		if child+1 < len(heap) && heap[child+1].before(&heap[child]) {
			child++
		}
		if !heap[child].before(&t) {
			break
		}
		heap[i] = heap[child]
		i = child
	}
	heap[i] = t
}

// sequence is the order in which EDF picks entries whose weights stay as they
// are: a round, after which it begins anew. It has as many entries as the weights
// sum up to, shortened by what divides them all; nil where that is more than most.
func sequence(weights []uint32, most int) []uint32 {
	divisor, sum := uint32(0), uint64(0)
	for _, w := range weights {
		divisor, sum = gcd(divisor, w), sum+uint64(w)
	}
	if divisor == 0 || sum/uint64(divisor) > uint64(most) {
		return nil
	}
	length := sum / uint64(divisor)
	type pick struct{ nth, of, weight uint32 } // its deadline is nth/weight
	picks, ends := make([]pick, length), make([]uint32, length+1)
	bucket := func(nth, weight uint32) uint64 { return (uint64(nth)*length - 1) / uint64(weight) }
	each := func(f func(p pick)) {
		for i, w := range weights {
			for n := uint32(1); n <= w/divisor; n++ {
				f(pick{n, uint32(i), w / divisor})
			}
		}
	}
	each(func(p pick) { ends[bucket(p.nth, p.weight)+1]++ }) // about one in each
	for i := range length {
		ends[i+1] += ends[i]
	}
	at := slices.Clone(ends[:length])
	each(func(p pick) {
		b := bucket(p.nth, p.weight)
		picks[at[b]] = p
		at[b]++
	})
	order := make([]uint32, 0, length)
	for b := range length {
		slices.SortFunc(picks[ends[b]:ends[b+1]], func(x, y pick) int {
			return cmp.Or(
				cmp.Compare(uint64(x.nth)*uint64(y.weight), uint64(y.nth)*uint64(x.weight)),
				cmp.Compare(x.weight, y.weight), // the lighter one has waited for longer
				cmp.Compare(x.of, y.of))
		})
		for _, p := range picks[ends[b]:ends[b+1]] {
			order = append(order, p.of)
		}
	}
	return order
}

func gcd(a, b uint32) uint32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// equal reports whether all hosts weigh the same.
func equal(hosts []*Host) bool {
	w := hosts[0].Weight()
	return !slices.ContainsFunc(hosts, func(h *Host) bool { return h.Weight() != w })
}

func weightsOf(hosts []*Host) []uint32 {
	all := make([]uint32, len(hosts))
	for i, h := range hosts {
		all[i] = h.Weight()
	}
	return all
}
