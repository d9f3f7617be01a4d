// Package jsonl writes spans and events as JSON Lines, one object per line, in the order they come.
package jsonl

import (
	"context"
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
	err   error // of the write under way
	half  bool  // an earlier write has left half a line
}

// New writes to out, which stays open. name is for errors.
func New(name string, out io.Writer) *Sink {
	return &Sink{name: name, out: out, close: func() error { return nil }}
}

// Append writes to the end of the file at path, so that a run does not destroy
// what one before it has told, and two may share a file while one takes over
// from the other. Half a line, as a full disk leaves, is ended first. Nothing is
// kept in a buffer of its own: the file can be followed.
func Append(path string) (*Sink, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	s := New(path, f)
	s.close, s.half = f.Close, torn(f)
	return s, nil
}

// torn tells whether a file ends within a line.
func torn(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

// flushAt is how many bytes are collected before they are written.
const flushAt = 64 << 10

// Write writes every batch: its spans, then its events. A failure is permanent, as lines may have been written already and would be again; but for
// a context that had ended before anything was. Batches after it are tried anew, on a new line: a disk that was full may have room again.
func (s *Sink) Write(ctx context.Context, batches []*event.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.line, s.err = s.line[:0], nil
	if s.half {
		s.line = append(s.line, '\n')
	}
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

// flush writes what is collected when it is more than atLeast bytes.
func (s *Sink) flush(atLeast int) {
	if len(s.line) <= atLeast || s.err != nil {
		return
	}
	n, err := s.out.Write(s.line)
	if n > 0 {
		s.half = s.line[n-1] != '\n'
	}
	if err != nil {
		s.err = sink.Permanent(sink.WriteError(s.name, err))
	}
	s.line = s.line[:0]
}

// Close flushes and closes the file, if there is one.
func (s *Sink) Close() error {
	err := s.close()
	s.close = func() error { return nil }
	if err != nil {
		return sink.WriteError(s.name, err)
	}
	return nil
}
