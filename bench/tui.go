package main

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tui"
)

// eventsPerSecond is the rate that the screen is measured at.
const eventsPerSecond = 50_000

// benchTUI runs the terminal UI in this process on a steady stream of events,
// and the stream alone: the difference is what the screen costs.
func benchTUI(o options, _ string) error {
	t := newTable(fmt.Sprintf("Terminal UI at %d events/s", eventsPerSecond), "CPU s / s", "events/s")
	for range o.rounds {
		for _, shown := range []bool{true, false} {
			cpu, rate, err := screenOnce(o.secs, shown)
			if err != nil {
				return err
			}
			name := "the stream alone"
			if shown {
				name = "stream and screen"
			}
			t.add(name, cpu, rate)
		}
	}
	t.print()
	return nil
}

func screenOnce(length time.Duration, shown bool) (cpu, rate float64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	batches := make(chan *event.Batch, 64)
	before, began, sent := ownCPU(), time.Now(), make(chan int, 1)
	go func() { sent <- stream(ctx, batches) }()
	if shown {
		keys, hold := io.Pipe()
		defer hold.Close()
		err = tui.Run(ctx, tui.Options{Batches: batches, Title: "bench", Input: keys, Output: io.Discard, Width: 120, Height: 40})
	} else {
		for range batches {
		}
	}
	n := <-sent
	took := time.Since(began).Seconds()
	return (ownCPU() - before) / took, float64(n) / took, err
}

// stream sends batches at the rate until ctx is done, and closes them.
func stream(ctx context.Context, batches chan<- *event.Batch) (n int) {
	defer close(batches)
	x := event.Exchange{Service: "shop", Protocol: event.HTTP11, HTTP: &event.HTTP{Method: "GET", StatusCode: 200}}
	routes := []string{"GET /cart/{id}", "POST /cart/{id}/pay", "GET /products", "GET /search"}
	tick := time.NewTicker(time.Second * event.BatchCap / eventsPerSecond)
	defer tick.Stop()
	for {
		b := new(event.Batch)
		for !b.Full() {
			now := time.Now().UnixNano()
			x.Name, x.Start, x.End = routes[n%len(routes)], now-int64(n%7)*1e6, now
			b.Exchange(&x)
			n++
		}
		select {
		case <-ctx.Done():
			return n
		case batches <- b:
		}
		select {
		case <-ctx.Done():
			return n
		case <-tick.C:
		}
	}
}

// ownCPU is the CPU seconds that this process has used.
func ownCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
