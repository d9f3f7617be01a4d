//go:build unix

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/proxy"
	"github.com/pitot-io/pitot/proxy/inherit"
)

// successorLimit is how long a successor may take until it listens.
const successorLimit = 30 * time.Second

// errSucceeded is why a run ended whose sockets another process serves now.
var errSucceeded = errors.New("a successor has taken over")

// successions delivers SIGUSR2 until stop is called.
func successions() (asked <-chan os.Signal, stop func()) { return signals(syscall.SIGUSR2) }

// hangups delivers SIGHUP until stop is called.
func hangups() (asked <-chan os.Signal, stop func()) { return signals(syscall.SIGHUP) }

func signals(s os.Signal) (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, s)
	return c, func() { signal.Stop(c) }
}

// succeeding starts a successor each time it is asked to: this program anew,
// from its file, with the same arguments and the listening sockets. Once one
// listens, leave is called; until then nothing changes for clients.
func succeeding(ctx context.Context, asked <-chan os.Signal, server *proxy.Server, leave func(error), log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
		}
		pid, err := startSuccessor(ctx, server.Sockets())
		if err == nil {
			log.Info("a successor listens", "pid", pid)
			server.HandedOn()
			leave(errSucceeded)
			return
		}
		log.Error("no successor; this process goes on", "error", err)
	}
}

func startSuccessor(ctx context.Context, sockets []inherit.Named) (int, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, successorLimit)
	defer cancel()
	return inherit.Start(ctx, program, os.Args[1:], sockets)
}
