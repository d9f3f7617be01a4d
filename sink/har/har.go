// Package har writes HTTP exchanges as an HTTP Archive (HAR 1.2), which
// browsers' developer tools open. Entries are written one by one as they come,
// so that memory does not grow with their number.
package har

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
)

// Sink is a sink.Sink over a writer. It is used by one goroutine at a time.
// What is no HTTP exchange (MongoDB, TCP, events) has no place in an archive
// and is left out. A WebSocket session is part of its handshake's entry, which
// waits for the session's end.
type Sink struct {
	name  string
	out   io.Writer
	close func() error
	begun bool
	buf   bytes.Buffer // entries that are yet to be written
	enc   *json.Encoder
	err   error // of an earlier write, which may have left half an entry

	open   map[handshake]*entry // that wait for their sessions
	opened []handshake          // oldest first
}

// New writes to out, which stays open. name is for errors, version is pitot's.
func New(name, version string, out io.Writer) *Sink {
	s := &Sink{name: name, out: out, close: func() error { return nil }, open: make(map[handshake]*entry)}
	s.enc = json.NewEncoder(&s.buf)
	s.enc.SetEscapeHTML(false)
	s.buf.WriteString(`{"log":{"version":"1.2","creator":{"name":"pitot","version":`)
	s.encode(version)
	s.buf.WriteString(`},"entries":[`)
	return s
}

// Create writes to a new file at path, replacing what is there.
func Create(path, version string) (*Sink, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666) // not for reading: a named pipe waits for its reader
	if err != nil {
		return nil, fmt.Errorf("HAR file: %w", err)
	}
	w := bufio.NewWriterSize(f, 256<<10)
	s := New(path, version, w)
	s.close = func() error { return errors.Join(w.Flush(), f.Close()) }
	return s, nil
}

// encode appends v as JSON. It cannot fail: entries hold text and numbers only.
func (s *Sink) encode(v any) {
	_ = s.enc.Encode(v)
	s.buf.Truncate(s.buf.Len() - 1) // the newline
}

// flushAt is how many bytes are collected before they are written.
const flushAt = 64 << 10

// Write writes the HTTP exchanges of every batch. A failure is permanent, as part of an entry may have been written; so is everything after it, but
// for a context that had ended before anything was written.
func (s *Sink) Write(ctx context.Context, batches []*event.Batch) error {
	if s.err != nil {
		return s.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, b := range batches {
		for i := range b.Exchanges {
			s.add(&b.Exchanges[i])
		}
	}
	s.flush(0)
	return s.err
}

func (s *Sink) add(x *event.Exchange) {
	switch {
	case x.HTTP == nil:
	case x.WebSocket != nil:
		s.session(x)
	case x.HTTP.Upgrade == "websocket":
		s.handshake(x)
	default:
		s.entry(entryOf(x))
	}
}

func (s *Sink) entry(e *entry) {
	if s.begun {
		s.buf.WriteByte(',')
	}
	s.begun = true
	s.buf.WriteByte('\n')
	s.encode(e)
	s.flush(flushAt)
}

// flush writes what is collected when it is more than n bytes.
func (s *Sink) flush(n int) {
	if s.buf.Len() <= n || s.err != nil {
		return
	}
	if _, err := s.out.Write(s.buf.Bytes()); err != nil {
		s.err = sink.Permanent(sink.WriteError(s.name, err))
	}
	s.buf.Reset()
}

// Close ends the archive, and closes the file, if there is one.
func (s *Sink) Close() error {
	if s.close == nil {
		return nil
	}
	for _, h := range s.opened {
		s.ended(h)
	}
	s.buf.WriteString("\n]}}\n")
	s.flush(0)
	err := s.close()
	s.close = nil
	if err != nil {
		err = sink.WriteError(s.name, err)
	}
	return errors.Join(s.err, err)
}
