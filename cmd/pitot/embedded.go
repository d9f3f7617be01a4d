package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/pitot-io/pitot/sink/store/launch"
	"github.com/pitot-io/pitot/sink/store/library"
)

// openEmbedded finds or starts the embedded store, and starts it again when it
// ends before the run does. The pump keeps what is to be written meanwhile.
func openEmbedded(ctx context.Context, options launch.Options, log *slog.Logger) (*launch.Keeper, error) {
	return launch.Keep(ctx, options, func(what string, err error) {
		if err != nil {
			log.Warn(what, "error", err)
			return
		}
		log.Info(what)
	})
}

// engineMissing tells that there can be no embedded store on this machine as it
// is. A run that did not ask for one in so many words goes on without history.
func engineMissing(err error) bool {
	var missing *library.MissingError
	return errors.As(err, &missing)
}
