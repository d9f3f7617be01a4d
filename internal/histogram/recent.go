package histogram

import "sync/atomic"

// Span is how long half of a Recent counts, ns.
const Span = 30e9

// Recent counts the durations of the last 30 to 60 s. It may be used by many
// goroutines, and is ready as it is. What is counted while a half begins anew
// may be lost: it is for a picture and not for a sum.
type Recent struct {
	at    atomic.Int64 // number of the half that counts, by time
	halfs [2][Size]atomic.Uint32
}

// Observe counts a duration of ns that ended at now, ns since the Unix epoch.
func (r *Recent) Observe(ns, now int64) {
	n := now / Span
	if was := r.at.Load(); was < n && r.at.CompareAndSwap(was, n) {
		r.clear(n)
		if n-was > 1 {
			r.clear(n + 1)
		}
	}
	r.halfs[n&1][Bucket(ns)].Add(1)
}

func (r *Recent) clear(n int64) {
	for i := range r.halfs[n&1] {
		r.halfs[n&1][i].Store(0)
	}
}

// Counts are those of the time before now, and how many they are.
func (r *Recent) Counts(now int64) (c Counts, n uint64) {
	last := now / Span
	for k := last - 1; k <= last; k++ {
		if at := r.at.Load(); k > at || k < at-1 {
			continue
		}
		for i := range c {
			c[i] += uint64(r.halfs[k&1][i].Load())
		}
	}
	return c, c.Sum()
}
