package upstream

import (
	"testing"
	"time"
)

// A host says which part of its weight it has; without slow start it has all.
func TestWarm(t *testing.T) {
	now := int64(1_000_000 * time.Second)
	for _, name := range []string{"round_robin", "least_request"} {
		policy, err := NewPolicy(name, Tuning{SlowStart: SlowStart{Window: 10 * time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		c := New(Options{Endpoints: Addresses("a"), Policy: policy})
		h := c.Hosts()[0]
		h.since.Store(now)
		for after, want := range map[time.Duration]float64{0: 0.1, 5 * time.Second: 0.5, 10 * time.Second: 1, time.Hour: 1} {
			if got := h.Warm(now + int64(after)); got != want {
				t.Errorf("%s: after %v %v of the weight, want %v", name, after, got, want)
			}
		}
	}
	if got := New(Options{Endpoints: Addresses("a")}).Hosts()[0].Warm(now); got != 1 {
		t.Errorf("without slow start %v", got)
	}
}
