package upstream

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// benches are the policies as they are measured.
var benches = []struct {
	name, policy string
	tuning       Tuning
	weights      uint32 // from 1 up to this; 1 for all the same
}{
	{"round_robin", "round_robin", Tuning{}, 1},
	{"round_robin, weights 1-5", "round_robin", Tuning{}, 5},
	{"round_robin, weights 1-1000", "round_robin", Tuning{}, 1000},
	{"least_request", "least_request", Tuning{}, 1},
	{"least_request, 5 choices", "least_request", Tuning{Choices: 5}, 1},
	{"least_request, weights 1-5", "least_request", Tuning{}, 5},
	{"least_request, full scan", "least_request", Tuning{FullScan: true}, 1},
	{"peak_ewma", "peak_ewma", Tuning{}, 1},
	{"random", "random", Tuning{}, 1},
	{"random, weights 1-5", "random", Tuning{}, 5},
	{"ring_hash", "ring_hash", Tuning{}, 1},
	{"ring_hash, bounded", "ring_hash", Tuning{Balance: 150}, 1},
	{"maglev", "maglev", Tuning{}, 1},
	{"maglev, bounded", "maglev", Tuning{Balance: 150}, 1},
}

func many(n int, weights uint32) []Endpoint {
	all := make([]Endpoint, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range all {
		all[i] = Endpoint{Address: fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255), Weight: 1 + r.Uint32N(weights)}
	}
	return all
}

// What a pick costs. On a machine that others use ns/op is mostly theirs: the
// metric best-ns is that of the quickest of many short batches.
func BenchmarkPick(b *testing.B) {
	for _, p := range benches {
		for _, n := range []int{10, 1000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", p.name, n), func(b *testing.B) {
				policy, err := NewPolicy(p.policy, p.tuning)
				if err != nil {
					b.Fatal(err)
				}
				c := New(Options{Endpoints: many(n, p.weights), Policy: policy})
				w := &Want{Hashed: true, Now: 1}
				b.ReportAllocs()
				b.ResetTimer()
				inBatches(b, func() {
					w.Hash = w.Hash*6364136223846793005 + 1442695040888963407 // Knuth's generator: cheap, and all over the ring
					h, err := c.choose(w)
					if err != nil || h == nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

// inBatches does b.N times what one does.
func inBatches(b *testing.B, one func()) {
	const batch = 2000
	best := time.Duration(math.MaxInt64)
	for left := b.N; left > 0; left -= batch {
		n, began := min(batch, left), time.Now()
		for range n {
			one()
		}
		if n == batch {
			best = min(best, time.Since(began))
		}
	}
	if b.N >= batch {
		b.ReportMetric(float64(best)/batch, "best-ns")
	}
}

// A host's part that picks look at is one cache line, which nobody shares.
func TestAHostIsOneCacheLine(t *testing.T) {
	if n := unsafe.Sizeof(Host{}); n <= 48 || n > 64 {
		t.Errorf("%d bytes, want those of a size class of 64", n)
	}
}

// What a change of members costs until the new choice is in use.
func BenchmarkRebuild(b *testing.B) {
	for _, p := range benches {
		for _, n := range []int{10, 1000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", p.name, n), func(b *testing.B) {
				policy, err := NewPolicy(p.policy, p.tuning)
				if err != nil {
					b.Fatal(err)
				}
				c := New(Options{Endpoints: many(n, p.weights), Policy: policy})
				for b.Loop() {
					c.balance(&members{all: c.Hosts()})
				}
			})
		}
	}
}

// A cluster with everything on picks without an allocation, too.
func TestChoosingAllocatesNothing(t *testing.T) {
	for _, p := range benches {
		policy, err := NewPolicy(p.policy, p.tuning)
		if err != nil {
			t.Fatal(err)
		}
		c := New(Options{Policy: policy, Endpoints: many(100, p.weights), Balance: Balance{
			Localities: []LocalityWeight{{Locality{}, 1}},
			Subsets:    &Subsets{Selectors: []Selector{{Keys: []string{"stage"}}}, Fallback: FallbackAny},
		}})
		w := &Want{Subset: []Pair{{"stage", "canary"}}, Override: "nobody:1,nobody:2", Now: 1}
		if _, err := c.choose(w); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { w.Hash++; _, _ = c.choose(w) }); n != 0 {
			t.Errorf("%s: %v allocations per pick, want 0", p.name, n)
		}
	}
}
