package main

import (
	"context"

	"github.com/pitot-io/pitot/tap"
)

// openUntil opens the files of a replay, and gives up when ctx ends. Opening a
// named pipe waits for who writes to it, and then for the first bytes; that
// cannot be ended: it is left behind and ends with the process.
func openUntil(ctx context.Context, o tap.ReplayOptions) (*tap.Replay, error) {
	type opened struct {
		r   *tap.Replay
		err error
	}
	done := make(chan opened, 1)
	go func() {
		r, err := tap.OpenReplay(o)
		done <- opened{r, err}
	}()
	select {
	case got := <-done:
		return got.r, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
