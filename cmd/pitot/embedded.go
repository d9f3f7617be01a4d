package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/store/launch"
	"github.com/pitot-io/pitot/sink/store/library"
)

// embedded is the embedded store as a run uses it: a process of its own that
// is started when none runs, and again when it has died.
type embedded struct {
	options launch.Options
	lease   *launch.Store
	log     *slog.Logger
}

// openEmbedded finds or starts the store.
func openEmbedded(ctx context.Context, options launch.Options, log *slog.Logger) (*embedded, error) {
	lease, err := launch.Ensure(ctx, options)
	if err != nil {
		return nil, err
	}
	return &embedded{options: options, lease: lease, log: log}, nil
}

// engineMissing tells that there can be no embedded store on this machine as it
// is. A run that did not ask for one in so many words goes on without history.
func engineMissing(err error) bool {
	var missing *library.MissingError
	return errors.As(err, &missing)
}

func (e *embedded) dsn() string { return e.lease.DSN() }

// revive makes sure that a store runs, and holds a lease on it.
func (e *embedded) revive(ctx context.Context) {
	s, err := launch.Ensure(ctx, e.options)
	if err != nil {
		e.log.Warn("the store cannot be started again", "error", err)
		return
	}
	if s.Started {
		e.log.Info("the store had ended and was started again", "address", s.Addr)
	}
	_ = e.lease.Close(ctx) // of a store that may be gone
	e.lease = s
}

func (e *embedded) close(ctx context.Context) error { return e.lease.Close(ctx) }

// reviving is the sink of an embedded store. After a failed write it sees to it
// that there is a store for the next try.
type reviving struct {
	sink.Sink
	store *embedded
}

func (r reviving) Write(ctx context.Context, batches []*event.Batch) error {
	err := r.Sink.Write(ctx, batches)
	if err != nil && !sink.IsPermanent(err) && ctx.Err() == nil {
		r.store.revive(ctx)
	}
	return err
}
