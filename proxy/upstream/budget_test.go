package upstream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// Retries may be a part of what is under way, and some in any case.
func TestBudget(t *testing.T) {
	var told []event.Notice
	c := New(Options{Name: "c", Endpoints: Addresses("a"), Budget: &Budget{Percent: 20, Min: 3}, Tell: func(n *event.Notice) { told = append(told, *n) }})
	defer c.Close()
	allowed := func() (n int) {
		for c.BeginRetry(false) == nil {
			n++
		}
		for range n {
			c.EndRetry(false)
		}
		return n
	}
	var w Want
	for active := range 101 {
		if want := max(3, active/5); active%10 == 0 {
			if got := allowed(); got != want {
				t.Errorf("with %d under way %d retries are allowed, want %d", active, got, want)
			}
		}
		if _, err := c.Pick(context.Background(), &w); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.BeginRetry(true); err != nil {
		t.Errorf("retries of high priority: %v", err)
	}
	if n := statOf(t, c, "upstream_rq_retry_overflow"); n != 11 || len(told) != 1 || told[0].Name != event.EventRetriesOver {
		t.Errorf("%d refused, told %v", n, told)
	}
	if err := c.BeginRetry(true); err != nil || statOf(t, c, "upstream_rq_retry_active") != 2 || statOf(t, c, "circuit_breakers.high.remaining_retries") != 1 {
		t.Errorf("%v", err)
	}
}

// However many ask at once, there are never more.
func TestBudgetHolds(t *testing.T) {
	c := New(Options{Name: "c", Endpoints: Addresses("a"), Budget: &Budget{Percent: 20, Min: 3}})
	defer c.Close()
	var now, most atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				if err := c.BeginRetry(false); err != nil {
					if !errors.Is(err, ErrOverflow) {
						t.Error(err)
					}
					continue
				}
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				now.Add(-1)
				c.EndRetry(false)
			}
		})
	}
	all.Wait()
	if most.Load() > 3 || statOf(t, c, "upstream_rq_retry_active") != 0 {
		t.Errorf("%d at once", most.Load())
	}
}
