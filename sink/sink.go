// Package sink says what a destination of events is, and holds the pump that
// stands before every one of them.
package sink

import (
	"context"
	"errors"

	"github.com/pitot-io/pitot/internal/event"
)

// Sink is one destination. Write blocks until the batches are safe or cannot
// be made so; it never keeps them. Calls come from one goroutine at a time.
// Wrap an error in Permanent when trying again cannot help.
type Sink interface {
	Write(ctx context.Context, batches []*event.Batch) error
	Close() error
}

// Permanent marks err as one that a retry cannot mend.
func Permanent(err error) error { return permanent{err} }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// IsPermanent reports whether err, or an error that it wraps, is Permanent.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}
