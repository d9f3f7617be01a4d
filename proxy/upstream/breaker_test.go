package upstream

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

func statOf(t testing.TB, c *Cluster, name string) uint64 {
	t.Helper()
	for _, s := range c.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	t.Fatalf("no stat %q", name)
	return 0
}

func TestBreakersAreOnByDefault(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a")})
	defer c.Close()
	for name, want := range map[string]uint64{
		"circuit_breakers.default.remaining_rq": 1024, "circuit_breakers.default.remaining_cx": 1024, "circuit_breakers.default.remaining_pending": 1024,
		"circuit_breakers.high.remaining_retries": 3, "circuit_breakers.high.rq_open": 0,
	} {
		if got := statOf(t, c, name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

func TestRequestsBeyondTheThresholdAreRefused(t *testing.T) {
	c := New(Options{Name: "shop", Endpoints: Addresses("a", "b"), Breakers: [2]Thresholds{{Requests: 2}, {Requests: -1}}})
	defer c.Close()
	w := new(Want)
	one, err := c.Pick(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Pick(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	_, err = c.Pick(t.Context(), w)
	if !errors.Is(err, ErrOverflow) || !strings.Contains(err.Error(), `cluster "shop": circuit breaker is open: max_requests of priority default is 2`) {
		t.Errorf("a third one: %v", err)
	}
	if _, err := c.Pick(t.Context(), &Want{High: true}); !errors.Is(err, ErrOverflow) {
		t.Errorf("of high priority, of which there is to be none: %v", err)
	}
	if _, err := c.Pick(t.Context(), &Want{Whole: true}); err != nil {
		t.Errorf("a whole connection: %v", err)
	}
	if _, err := c.PickOther(t.Context(), w, one); err != nil {
		t.Errorf("another host for one that is under way: %v", err)
	}
	if n := statOf(t, c, "upstream_rq_pending_overflow"); n != 2 || statOf(t, c, "circuit_breakers.default.rq_open") != 1 {
		t.Errorf("%d counted; %v", n, c.Stats())
	}
	w.Done(one)
	if _, err := c.Pick(t.Context(), new(Want)); err != nil {
		t.Errorf("after one is over: %v", err)
	}
}

// A cluster without hosts does not use up its breaker.
func TestAPickThatFailsIsNotCounted(t *testing.T) {
	c := New(Options{Breakers: [2]Thresholds{{Requests: 1}, {}}})
	for range 3 {
		if _, err := c.Pick(t.Context(), new(Want)); !errors.Is(err, ErrNoHost) {
			t.Fatal(err)
		}
	}
}

func TestRetriesBeyondTheThresholdAreRefused(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a")})
	defer c.Close()
	for range DefaultMaxRetries {
		if err := c.BeginRetry(false); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.BeginRetry(false); !errors.Is(err, ErrOverflow) || statOf(t, c, "upstream_rq_retry_overflow") != 1 {
		t.Errorf("one more: %v", err)
	}
	if c.EndRetry(false); c.BeginRetry(false) != nil {
		t.Error("none after one was over")
	}
}

// Never more than the threshold are let in, whoever comes at once, and in the
// end none is left counted.
func TestThresholdHoldsUnderRace(t *testing.T) {
	const most = 4
	c := New(Options{Endpoints: Addresses("a", "b"), Breakers: [2]Thresholds{{Requests: most}, {}}})
	defer c.Close()
	var now, worst, served atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 500 {
				w := new(Want)
				h, err := c.Pick(t.Context(), w)
				if err != nil {
					continue
				}
				served.Add(1)
				for n := now.Add(1); n > worst.Load(); {
					worst.Store(n)
				}
				now.Add(-1)
				w.Done(h)
			}
		})
	}
	all.Wait()
	if requests, _ := c.UnderWay(false); requests != 0 || worst.Load() > most || served.Load() == 0 {
		t.Errorf("%d at once, want %d at most; %d left of %d", worst.Load(), most, requests, served.Load())
	}
}

// The opening of a breaker is told once, and its end with what it refused.
func TestBreakersTellOfThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []event.Notice
		c := New(Options{Name: "shop", Endpoints: Addresses("a"), Breakers: [2]Thresholds{{Requests: -1}, {}}, Tell: func(n *event.Notice) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, *n)
		}})
		defer c.Close()
		for range 500 {
			_, _ = c.Pick(t.Context(), new(Want))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 2 {
			t.Fatalf("%d events, want two", len(told))
		}
		for i, want := range []string{
			`begin max_requests default 0`, `end max_requests default 0 500`,
		} {
			got := []string{}
			for _, a := range told[i].Attributes {
				if a.Key != event.AttrCluster {
					got = append(got, a.Value)
				}
			}
			if strings.Join(got, " ") != want || told[i].Name != event.EventBreaker {
				t.Errorf("%s %q: %v, want %s", told[i].Name, told[i].Body, got, want)
			}
		}
	})
}

// What the breakers add to a pick is paid in few nanoseconds and no memory.
func BenchmarkBreakers(b *testing.B) {
	c := New(Options{Endpoints: Addresses(names(10)...)})
	w := Want{Now: 1}
	b.ReportAllocs()
	for b.Loop() {
		h, err := c.Pick(b.Context(), &w)
		if err != nil {
			b.Fatal(err)
		}
		w.Done(h)
	}
}

func TestBreakersAllocateNothing(t *testing.T) {
	c := New(Options{Endpoints: Addresses(names(10)...), Breakers: [2]Thresholds{{Requests: 1}, {}}})
	defer c.Close()
	w := Want{Now: 1}
	if n := testing.AllocsPerRun(100, func() {
		h, err := c.Pick(t.Context(), &w)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Pick(t.Context(), &w); err == nil { // refused
			t.Fatal("not refused")
		}
		w.Done(h)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
