package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/pitot-io/pitot/proxy"
)

// filesMoved gets every SIGUSR1, which who moves logs away sends, until stop.
func filesMoved() (moved chan os.Signal, stop func()) {
	moved = make(chan os.Signal, 1)
	signal.Notify(moved, syscall.SIGUSR1)
	return moved, func() { signal.Stop(moved) }
}

// reopenLogs opens access logs anew whenever they were moved, until ctx is done.
func reopenLogs(ctx context.Context, moved <-chan os.Signal, s *proxy.Server, log *slog.Logger) {
	for {
		select {
		case <-moved:
			if err := s.ReopenLogs(); err != nil {
				log.Warn(err.Error())
			} else {
				log.Info("access logs are open again")
			}
		case <-ctx.Done():
			return
		}
	}
}
