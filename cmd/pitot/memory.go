package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// ballastSize is how much the collector believes to be alive beside what is, in
// bytes. A proxy keeps little and passes much on, so that a heap of its own
// size would be collected a dozen times a second; each time every connection's
// stack is looked at, halved, and grown again by the next request. With the
// ballast a collection comes after some 16 MiB of new memory at the earliest.
// Nobody writes to these pages, so they cost none.
const ballastSize = 16 << 20

// When trimmer gives memory back: in a second in which less than trimBelow
// bytes were allocated, if more than trimAfter were since the last time.
const (
	trimEvery = time.Second
	trimBelow = 256 << 10
	trimAfter = 4 << 20
)

// tendMemory suits the collector to a proxy until ctx is done.
func tendMemory(ctx context.Context) {
	ballast := make([]byte, ballastSize)
	defer runtime.KeepAlive(ballast)
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	var t trimmer
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if t.due(allocated()) {
				debug.FreeOSMemory()
			}
		}
	}
}

// replayMemory is where the collector of a replay begins to work harder, in
// bytes: what has to be kept is bounded below it.
const replayMemory = 384 << 20

// boundMemory keeps a replay's garbage small where there is little room left.
// GOMEMLIMIT says otherwise.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(replayMemory)
	}
}

// trimmer finds the moments to give memory back to the system: when a busy
// time has just ended. What is left over from it is garbage, and stacks that
// are larger than waiting takes.
type trimmer struct{ last, trimmed uint64 }

// due is told how many bytes were allocated so far, every trimEvery.
func (t *trimmer) due(total uint64) bool {
	quiet := total-t.last < trimBelow
	t.last = total
	if !quiet || total-t.trimmed < trimAfter {
		return false
	}
	t.trimmed = total
	return true
}

// allocated is how many bytes of heap were ever allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
