package main

import (
	"context"
	"os"

	"github.com/pitot-io/pitot/tap"
)

// openUntil opens the files of a replay, and gives up when ctx ends: a named
// pipe waits for who writes to it, and then for the first bytes.
func openUntil(ctx context.Context, o tap.ReplayOptions) (*tap.Replay, error) {
	return tap.Until(ctx, func() (*tap.Replay, error) { return tap.OpenReplay(o) })
}

// createUntil creates a file, and gives up when ctx ends: a named pipe waits
// for who reads it. It is not opened for reading, as os.Create does: that would
// not wait, and what is written would be lost.
func createUntil(ctx context.Context, name string) (*os.File, error) {
	return tap.Until(ctx, func() (*os.File, error) { return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666) })
}
