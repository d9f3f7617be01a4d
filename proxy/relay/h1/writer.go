package h1

import (
	"io"
	"strconv"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/hop"
)

// writer writes the messages of one side of a connection. What is small is
// gathered, so that a head and a short body go out together.
type writer struct {
	to   io.Writer
	pool *hop.Buffers
	show func([]byte) // is shown what is written; may be nil

	out     []byte // to be sent
	chunked bool   // the body under way
	dropped bool   // it had trailers, and no place for them
	sent    int64  // bytes of the message
	err     error  // of a write; nothing can be written after it
}

// next begins a new message.
func (w *writer) next() { w.chunked, w.dropped, w.sent = false, false, 0 }

// release gives the buffer back; what was not sent is lost.
func (w *writer) release() {
	w.pool.Put(w.out)
	w.out = nil
}

// space has the buffer hold n bytes more.
func (w *writer) space(n int) []byte {
	if w.out == nil {
		w.out = w.pool.Get(max(n, smallBuffer))[:0]
	}
	return w.out
}

// direct is how many bytes are worth a write of their own.
const direct = 8 << 10

// Write sends a piece of the body.
func (w *writer) Write(b []byte) error {
	if len(b) == 0 || w.err != nil {
		return w.err
	}
	if !w.chunked {
		return w.put(b)
	}
	w.out = strconv.AppendUint(w.space(0), uint64(len(b)), 16)
	w.out = append(w.out, "\r\n"...)
	if err := w.put(b); err != nil {
		return err
	}
	w.out = append(w.space(0), "\r\n"...)
	return nil
}

// put gathers b, or sends it where it is large.
func (w *writer) put(b []byte) error {
	if len(b) >= direct {
		if len(w.out) == 0 {
			return w.send(b)
		}
		if cap(w.out) < largeBuffer {
			w.enlarge()
		}
	}
	for {
		out := w.space(len(b))
		n := copy(out[len(out):cap(out)], b)
		w.out, b = out[:len(out)+n], b[n:]
		if len(b) == 0 {
			return nil
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if !w.chunked && len(b) >= direct {
			return w.send(b)
		}
	}
}

func (w *writer) enlarge() {
	next := w.pool.Get(largeBuffer)
	n := copy(next, w.out)
	w.pool.Put(w.out)
	w.out = next[:n]
}

// Flush sends what was gathered.
func (w *writer) Flush() error {
	if len(w.out) == 0 || w.err != nil {
		return w.err
	}
	err := w.send(w.out)
	w.out = w.out[:0]
	return err
}

func (w *writer) send(b []byte) error {
	if w.show != nil {
		w.show(b)
	}
	n, err := w.to.Write(b)
	w.sent += int64(n)
	if err != nil {
		w.err = fault(err)
	}
	return w.err
}

// end ends the body.
func (w *writer) end(trailers []http1.Field) error {
	w.dropped = !w.chunked && len(trailers) > 0
	if w.chunked {
		b := append(w.space(0), "0\r\n"...)
		for i := range trailers {
			b = appendField(b, &trailers[i])
		}
		w.out = append(b, "\r\n"...)
	}
	return w.err
}

func appendField(b []byte, f *http1.Field) []byte {
	b = append(b, f.Name...)
	b = append(b, ": "...)
	b = append(b, f.Value...)
	return append(b, "\r\n"...)
}
