// Package jsonl writes spans and events as JSON Lines, one object per line, in the order they come.
package jsonl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
)

// Sink is a sink.Sink over a writer. It is used by one goroutine at a time.
type Sink struct {
	name  string
	out   io.Writer
	close func() error
	line  []byte
	err   error // of an earlier write, which may have left half a line
}

// New writes to out, which stays open. name is for errors.
func New(name string, out io.Writer) *Sink {
	return &Sink{name: name, out: out, close: func() error { return nil }}
}

// Create writes to a new file at path, replacing what is there.
func Create(path string) (*Sink, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("JSON Lines file: %w", err)
	}
	w := bufio.NewWriterSize(f, 256<<10)
	s := New(path, w)
	s.close = func() error { return errors.Join(w.Flush(), f.Close()) }
	return s, nil
}

// flushAt is how many bytes are collected before they are written.
const flushAt = 64 << 10

// Write writes every batch: its spans, then its events. A failure is permanent, as part of a line may have been written; so is everything after
// it, but for a context that had ended before anything was written.
func (s *Sink) Write(ctx context.Context, batches []*event.Batch) error {
	if s.err != nil {
		return s.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.line = s.line[:0]
	for _, b := range batches {
		for i := range b.Exchanges {
			s.line = b.Exchanges[i].AppendJSON(s.line)
			s.flush(flushAt)
		}
		for i := range b.Notices {
			s.line = b.Notices[i].AppendJSON(s.line)
			s.flush(flushAt)
		}
	}
	s.flush(0)
	return s.err
}

// flush writes what is collected when it is more than n bytes.
func (s *Sink) flush(n int) {
	if len(s.line) <= n || s.err != nil {
		return
	}
	if _, err := s.out.Write(s.line); err != nil {
		s.err = sink.Permanent(fmt.Errorf("write %s: %w", s.name, err))
	}
	s.line = s.line[:0]
}

// Close flushes and closes the file, if there is one.
func (s *Sink) Close() error {
	err := s.close()
	s.close = func() error { return nil }
	if err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	return nil
}
