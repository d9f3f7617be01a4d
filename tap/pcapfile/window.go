package pcapfile

import "io"

const windowSize = 128 << 10

// window is a read buffer that lends its bytes. It grows to the largest record
// asked for, which callers bound.
type window struct {
	src    io.Reader
	buf    []byte
	from   int // buf[from:to] is read and not yet consumed
	to     int
	offset int64 // in the stream, of buf[from]
	err    error // of src, told when the bytes before it are used up

	// take and give, where set, let others go on using the bytes of a buffer
	// that is full: it is given away, never written to again, and another taken.
	take func(n int) []byte // of at least n bytes
	give func([]byte)
}

// peek gives the next n bytes without consuming them. With fewer than n before
// the end it gives those and an error.
func (w *window) peek(n int) ([]byte, error) {
	if w.to-w.from < n {
		w.fill(n)
		if w.to-w.from < n {
			return w.buf[w.from:w.to], w.err
		}
	}
	return w.buf[w.from : w.from+n : w.from+n], nil
}

func (w *window) fill(n int) {
	switch {
	case w.take != nil:
		w.exchange(n)
	case n > len(w.buf):
		grown := make([]byte, max(n, windowSize))
		w.to = copy(grown, w.buf[w.from:w.to])
		w.buf, w.from = grown, 0
	case w.from > 0:
		w.to = copy(w.buf, w.buf[w.from:w.to])
		w.from = 0
	}
	for idle := 0; w.to-w.from < n && w.err == nil; {
		got, err := w.src.Read(w.buf[w.to:])
		w.to += got
		w.err = err
		if idle++; got > 0 {
			idle = 0
		} else if idle > 100 {
			w.err = io.ErrNoProgress
		}
	}
}

// exchange makes room for n bytes from w.from on, in a fresh buffer when there
// is none, or so little that reads would be short.
func (w *window) exchange(n int) {
	if room := len(w.buf) - w.to; w.from+n <= len(w.buf) && room >= len(w.buf)/8 {
		return
	}
	fresh := w.take(max(n, windowSize))
	to := copy(fresh, w.buf[w.from:w.to])
	if w.buf != nil {
		w.give(w.buf)
	}
	w.buf, w.from, w.to = fresh, 0, to
}

// consume goes past n bytes that peek has shown.
func (w *window) consume(n int) {
	w.from += n
	w.offset += int64(n)
}

// skip consumes n bytes, of which none need be in the buffer.
func (w *window) skip(n int64) error {
	for n > 0 {
		if w.from == w.to {
			if _, err := w.peek(1); err != nil {
				return err
			}
		}
		step := int(min(n, int64(w.to-w.from)))
		w.consume(step)
		n -= int64(step)
	}
	return nil
}

func (w *window) empty() bool { return w.from == w.to }

// Read makes a window a source for what unpacks it.
func (w *window) Read(p []byte) (int, error) {
	if w.empty() {
		if _, err := w.peek(1); w.empty() {
			return 0, err
		}
	}
	n := copy(p, w.buf[w.from:w.to])
	w.consume(n)
	return n, nil
}
