//go:build !unix

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/pitot-io/pitot/proxy"
)

var errSucceeded = errors.New("a successor has taken over")

// succeeding waits for ctx: this system has no signal that asks for a successor.
func succeeding(ctx context.Context, _ <-chan os.Signal, _ *proxy.Server, _ func(error), _ *slog.Logger) {
	<-ctx.Done()
}

// successions and hangups have none here.
func successions() (<-chan os.Signal, func()) { return nil, func() {} }
func hangups() (<-chan os.Signal, func())     { return nil, func() {} }
