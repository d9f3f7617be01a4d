package ratelimit

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pitot-io/pitot/internal/config"
)

const ms = int64(time.Millisecond)

// Each step is a time in ms, how many tokens are asked for and whether they are
// there, and how many are left then.
func TestBucketArithmetic(t *testing.T) {
	for _, c := range []struct {
		bucket config.TokenBucket
		steps  string
	}{
		{config.TokenBucket{Max: 3, Fill: 3, Interval: time.Second}, "0:1+2 0:1+1 0:1+0 0:1-0 333:1-0 334:1+0 667:1+0 1001:1+0 1001:1-0 9000:1+2"},
		{config.TokenBucket{Max: 1, Fill: 1, Interval: time.Minute}, "0:1+0 59999:1-0 60000:1+0 119999:1-0 120000:1+0"},
		{config.TokenBucket{Max: 10, Fill: 1, Interval: 100 * time.Millisecond}, "0:10+0 99:1-0 100:1+0 250:1+0 250:1-0 299:1-0 300:1+0 900:3+3 900:4-3"},
		{config.TokenBucket{Max: 2, Fill: 100, Interval: time.Second}, "0:2+0 5:1-0 10:1+0 30:2+0 10000:2+0 10000:1-0"},
		{config.TokenBucket{Max: 5, Fill: 5, Interval: 24 * time.Hour}, "0:5+0 17279999:1-0 17280000:1+0"},
	} {
		r := newRate(&c.bucket)
		var b bucket
		b.reset(&r, 0)
		for _, step := range strings.Fields(c.steps) {
			var at, n, left int64
			var sign rune
			if _, err := fmt.Sscanf(step, "%d:%d%c%d", &at, &n, &sign, &left); err != nil {
				t.Fatal(step, err)
			}
			if got := b.take(&r, at*ms, n); got != (sign == '+') {
				t.Errorf("%+v: %s: took %v", c.bucket, step, got)
			}
			if got := b.left(&r, at*ms); got != left {
				t.Errorf("%+v: %s: %d left", c.bucket, step, got)
			}
		}
	}
}

func TestBucketTellsWhenThereIsATokenAgain(t *testing.T) {
	r := newRate(&config.TokenBucket{Max: 2, Fill: 1, Interval: time.Second})
	var b bucket
	b.reset(&r, 0)
	b.take(&r, 0, 2)
	for at, want := range map[int64]time.Duration{0: time.Second, 400: 600 * time.Millisecond, 1000: 0, 5000: 0} {
		if got := b.wait(&r, at*ms, 1); got != want {
			t.Errorf("at %d ms: %v, want %v", at, got, want)
		}
	}
}

func TestBucketTakesBack(t *testing.T) {
	r := newRate(&config.TokenBucket{Max: 2, Fill: 1, Interval: time.Hour})
	var b bucket
	b.reset(&r, 0)
	b.take(&r, 0, 2)
	b.giveBack(&r, 1)
	if !b.take(&r, 0, 1) || b.take(&r, 0, 1) {
		t.Error("one token was given back, and not one could be taken")
	}
	b.giveBack(&r, 2)
	b.giveBack(&r, 2)
	if b.left(&r, 0) != 2 {
		t.Errorf("%d are left in a bucket of 2", b.left(&r, 0))
	}
}

// Whatever the times, no more goes on within any span than the bucket holds and
// what flows in; and nothing is refused that fits.
func TestBucketNeverGivesMoreThanItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := config.TokenBucket{
			Max:      rapid.IntRange(1, 50).Draw(t, "max"),
			Fill:     rapid.IntRange(1, 1000).Draw(t, "fill"),
			Interval: time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(time.Hour)).Draw(t, "interval")),
		}
		r := newRate(&c)
		var b bucket
		b.reset(&r, 0)
		now, level, last := int64(0), float64(c.Max), int64(0)
		perNS := float64(c.Fill) / float64(c.Interval)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now += rapid.Int64Range(0, 2*int64(c.Interval)/int64(c.Fill)).Draw(t, "pause")
			level = min(float64(c.Max), level+float64(now-last)*perNS)
			last = now
			took := b.take(&r, now, 1)
			switch {
			case took && level < 1-1e-3:
				t.Fatalf("at %d a token was there of %f", now, level)
			case !took && level > 1+1e-3:
				t.Fatalf("at %d none was there of %f", now, level)
			}
			if took {
				level--
			}
		}
	})
}

// Many take at once, and as many tokens are gone as were there.
func TestBucketIsExactUnderConcurrency(t *testing.T) {
	r := newRate(&config.TokenBucket{Max: 1000, Fill: 1, Interval: time.Hour})
	var b bucket
	b.reset(&r, 0)
	var took atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				if b.take(&r, 1, 1) {
					took.Add(1)
				}
			}
		})
	}
	all.Wait()
	if took.Load() != 1000 {
		t.Errorf("%d of 1000 tokens were taken", took.Load())
	}
}

func TestTableForgetsWhoIsUsedLeastRecently(t *testing.T) {
	r := newRate(&config.TokenBucket{Max: 1, Fill: 1, Interval: time.Hour})
	tb := newTable(3)
	for _, k := range []string{"a", "b", "c"} {
		tb.find([]byte(k), &r, 0).take(&r, 0, 1)
	}
	tb.find([]byte("a"), &r, 0)
	tb.find([]byte("d"), &r, 0) // b goes
	if got := tb.evicted.Load(); got != 1 || tb.size() != 3 {
		t.Fatalf("%d evicted, %d there", got, tb.size())
	}
	for k, full := range map[string]bool{"a": false, "c": false, "d": true} {
		if got := tb.find([]byte(k), &r, 0).left(&r, 0) == 1; got != full {
			t.Errorf("%s is full: %v", k, got)
		}
	}
	if tb.find([]byte("b"), &r, 0).left(&r, 0) != 1 {
		t.Error("b was forgotten, and is not full when it comes back")
	}
}

func TestTableIsBoundedUnderConcurrency(t *testing.T) {
	r := newRate(&config.TokenBucket{Max: 5, Fill: 1, Interval: time.Hour})
	const most = 2000
	tb := newTable(most)
	if len(tb.shards) != maxShards {
		t.Fatalf("%d shards", len(tb.shards))
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 5000 {
				tb.find(fmt.Appendf(nil, "%d/%d", i%2, j), &r, int64(j)).take(&r, int64(j), 1)
			}
		})
	}
	all.Wait()
	if n := tb.size(); n > most || n < most/2 {
		t.Errorf("%d keys of at most %d", n, most)
	}
	if tb.evicted.Load() < 10_000-most {
		t.Errorf("%d evicted", tb.evicted.Load())
	}
}
