// Package sinktest holds what tests of sinks and of the pump share: a sink with faults to order, and the contract every sink passes.
package sinktest

import (
	"context"
	"errors"
	"sync"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
)

// Fake is a sink that stores in memory, once per token, and fails as told.
type Fake struct {
	// Fault is asked before each write; nil stores. It may block, as a slow sink does, until ctx ends.
	Fault func(ctx context.Context, attempt int) error
	// LoseAnswer makes a write that stored still fail, as when a connection breaks before the answer.
	LoseAnswer func(attempt int) bool

	mu       sync.Mutex
	attempts int
	tokens   map[string]bool
	rows     int
	blocks   []int
	closed   int
}

// ErrLost is the failure of LoseAnswer.
var ErrLost = errors.New("answer lost")

// Write is sink.Sink's.
func (f *Fake) Write(ctx context.Context, batches []*event.Batch) error {
	f.mu.Lock()
	f.attempts++
	attempt := f.attempts
	f.mu.Unlock()
	if f.Fault != nil {
		if err := f.Fault(ctx, attempt); err != nil {
			return err
		}
	}
	f.store(sink.Token(ctx), batches)
	if f.LoseAnswer != nil && f.LoseAnswer(attempt) {
		return ErrLost
	}
	return nil
}

func (f *Fake) store(token string, batches []*event.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if token != "" && f.tokens[token] {
		return
	}
	if f.tokens == nil {
		f.tokens = make(map[string]bool)
	}
	f.tokens[token] = true
	n := 0
	for _, b := range batches {
		n += len(b.Exchanges)
	}
	f.rows += n
	f.blocks = append(f.blocks, n)
}

// Close is sink.Sink's.
func (f *Fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}

// Rows is the number of exchanges stored, Blocks those of each write, Closed how often Close was called.
func (f *Fake) Rows() int { f.mu.Lock(); defer f.mu.Unlock(); return f.rows }

// Blocks lists the sizes of the writes that stored.
func (f *Fake) Blocks() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]int(nil), f.blocks...)
}

// Closed is how often Close was called.
func (f *Fake) Closed() int { f.mu.Lock(); defer f.mu.Unlock(); return f.closed }
