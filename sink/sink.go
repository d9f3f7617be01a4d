// Package sink says what a destination of events is, and holds the pump that
// stands before every one of them.
package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

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

// WriteError is a write to what is called name that failed; errors of files
// tell their name already.
func WriteError(name string, err error) error {
	var file *fs.PathError
	if errors.As(err, &file) {
		err = file.Err
	}
	return fmt.Errorf("write %s: %w", name, err)
}

// IsPermanent reports whether err, or an error that it wraps, is Permanent.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}
