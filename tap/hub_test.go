package tap

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func publish(h *Hub, n int) {
	for i := range n {
		h.Publisher(0).Exchange(&event.Exchange{Stream: int64(i)})
	}
}

func TestHubKeepsOrderAndLosesNothingForAConsumerThatIsWaitedFor(t *testing.T) {
	h := NewHub(1)
	s := h.Subscribe("slow", 1, true)
	const n = 5*event.BatchCap + 3
	go func() {
		publish(h, n)
		h.Close()
	}()
	var next int64
	for b := range s.C() {
		for i := range b.Exchanges {
			if b.Exchanges[i].Stream != next {
				t.Fatalf("got exchange %d, want %d", b.Exchanges[i].Stream, next)
			}
			next++
		}
	}
	if next != n || s.Dropped() != 0 || s.Taken() != n {
		t.Errorf("read %d of %d, taken %d, dropped %d", next, n, s.Taken(), s.Dropped())
	}
}

func TestHubDropsAndCountsForAConsumerThatIsNot(t *testing.T) {
	h := NewHub(1)
	s := h.Subscribe("stuck", 2, false)
	publish(h, 10*event.BatchCap)
	h.Close()
	read := 0
	for b := range s.C() {
		read += len(b.Exchanges)
	}
	if read != 2*event.BatchCap || s.Dropped() != 8*event.BatchCap {
		t.Errorf("read %d, dropped %d", read, s.Dropped())
	}
	if got := s.Taken() + s.Dropped(); got != h.Seen() {
		t.Errorf("taken+dropped = %d, seen = %d", got, h.Seen())
	}
}

func TestHubFlushesOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(4)
		s := h.Subscribe("s", 8, false)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { h.Run(ctx) })
		publish(h, 1)
		if b := <-s.C(); len(b.Exchanges) != 1 {
			t.Errorf("got %d exchanges", len(b.Exchanges))
		}
		cancel()
		wg.Wait()
	})
}

func TestLeavingFreesAPublisherThatWaits(t *testing.T) {
	h := NewHub(1)
	s := h.Subscribe("leaves", 1, true)
	done := make(chan struct{})
	go func() {
		publish(h, 4*event.BatchCap)
		close(done)
	}()
	<-s.C()
	s.Close()
	<-done
	s.Close() // twice is fine
	h.Close()
}

func TestNobodySubscribedNothingKept(t *testing.T) {
	h := NewHub(1)
	x := event.Exchange{}
	p := h.Publisher(7)
	if n := testing.AllocsPerRun(100, func() { p.Exchange(&x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	h.Close()
	if h.Seen() != 0 {
		t.Errorf("seen %d", h.Seen())
	}
	if _, open := <-h.Subscribe("late", 1, false).C(); open {
		t.Error("a subscription to a closed hub is open")
	}
}

func TestPublishersInParallel(t *testing.T) {
	h := NewHub(2)
	s := h.Subscribe("all", 1000, false)
	var wg sync.WaitGroup
	const each = 3000
	for key := range int64(4) {
		wg.Go(func() {
			for range each {
				h.Publisher(key).Exchange(&event.Exchange{Name: fmt.Sprint(key)})
			}
		})
	}
	wg.Wait()
	h.Close()
	read := 0
	for b := range s.C() {
		read += len(b.Exchanges)
	}
	if read != 4*each || h.Seen() != 4*each {
		t.Errorf("read %d, seen %d, want %d", read, h.Seen(), 4*each)
	}
}

// BenchmarkPublish measures what an exchange costs its connection.
func BenchmarkPublish(b *testing.B) {
	h := NewHub(1)
	s := h.Subscribe("bench", 64, false)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range s.C() {
		}
	})
	x := event.Exchange{Name: "GET /cart/{id}", HTTP: &event.HTTP{Method: "GET", Path: "/cart/7"}}
	p := h.Publisher(0)
	b.ReportAllocs()
	for b.Loop() {
		p.Exchange(&x)
	}
	h.Close()
	wg.Wait()
}
