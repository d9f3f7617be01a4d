package accesslog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Open makes the output of a file, which is appended to.
func Open(name string, limit int, log *slog.Logger) (*Output, error) {
	f := &file{name: name}
	if err := f.reopen(); err != nil {
		return nil, fmt.Errorf("access log: %w; name a file that can be written", err)
	}
	return newOutput(name, f, limit, log), nil
}

// To makes the output of somebody else's writer, such as standard output.
func To(name string, w io.Writer, limit int, log *slog.Logger) *Output {
	return newOutput(name, stream{w}, limit, log)
}

type file struct {
	name string
	f    *os.File
}

func (f *file) deliver(_ context.Context, lines []byte) error {
	_, err := f.f.Write(lines)
	return err
}

// reopen keeps the old file when there can be no new one.
func (f *file) reopen() error {
	next, err := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	old := f.f
	f.f = next
	if old != nil {
		return old.Close()
	}
	return nil
}

func (f *file) close() error { return f.f.Close() }

type stream struct{ w io.Writer }

func (s stream) deliver(_ context.Context, lines []byte) error {
	_, err := s.w.Write(lines)
	return err
}

func (stream) reopen() error { return nil }
func (stream) close() error  { return nil }
