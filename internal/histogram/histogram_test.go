package histogram

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestQuantilesAreOffByLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(1<<10, 1<<36), 1, 300).Draw(t, "durations")
		var c Counts
		for _, ns := range all {
			c[Bucket(ns)]++
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 1} {
			want := all[int(q*float64(len(all)-1))]
			got := c.Quantile(q, c.Sum())
			if off := float64(got-want) / float64(want); off > 0.07 || off < -0.07 {
				t.Fatalf("quantile %v of %v is %d, want about %d", q, all, got, want)
			}
		}
	})
}

func TestBucketsAreInOrder(t *testing.T) {
	last := 0
	for i := range Size - 1 {
		if b := Bucket(Middle(i)); b != i {
			t.Errorf("the middle of bucket %d is in %d", i, b)
		}
	}
	for ns := int64(1); ns < 1<<40; ns += ns/9 + 1 {
		b := Bucket(ns)
		if b < last || b >= Size {
			t.Fatalf("%d ns is in bucket %d after %d", ns, b, last)
		}
		last = b
	}
}

// What is older than two spans is forgotten, what is older than one is not yet.
func TestRecentForgets(t *testing.T) {
	var r Recent
	begin := int64(1000 * Span)
	r.Observe(1e6, begin)
	r.Observe(2e6, begin+1)
	for after, want := range map[int64]uint64{0: 2, Span: 2, 2 * Span: 0, 9 * Span: 0} {
		if _, n := r.Counts(begin + after); n != want {
			t.Errorf("%d ns later %d are counted, want %d", after, n, want)
		}
	}
	r.Observe(3e6, begin+Span)
	if c, n := r.Counts(begin + Span); n != 3 || c.Quantile(1, n) < 29e5 {
		t.Errorf("%d are counted, the longest %d", n, c.Quantile(1, n))
	}
	r.Observe(4e6, begin+2*Span)
	if _, n := r.Counts(begin + 2*Span); n != 2 {
		t.Errorf("%d are counted, want the two youngest", n)
	}
	r.Observe(5e6, begin+7*Span)
	if _, n := r.Counts(begin + 7*Span); n != 1 {
		t.Errorf("%d are counted after a pause, want 1", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var r Recent
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := int64(1); pb.Next(); i++ {
			r.Observe(i%1e9, i)
		}
	})
}
