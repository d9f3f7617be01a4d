package main

import (
	"io"

	"github.com/pitot-io/pitot/internal/event"
)

const jsonBuffer = 256 << 10

// jsonLines writes what it is given as JSON Lines. After the first error it
// writes nothing more; flush tells of it.
type jsonLines struct {
	w   io.Writer
	buf []byte
	err error
}

func newJSONLines(w io.Writer) *jsonLines {
	return &jsonLines{w: w, buf: make([]byte, 0, jsonBuffer+jsonBuffer/4)}
}

func (j *jsonLines) Exchange(x *event.Exchange) {
	j.buf = x.AppendJSON(j.buf)
	j.drain(jsonBuffer)
}

func (j *jsonLines) Notice(n *event.Notice) {
	j.buf = n.AppendJSON(j.buf)
	j.drain(jsonBuffer)
}

func (j *jsonLines) flush() error {
	j.drain(1)
	return j.err
}

func (j *jsonLines) drain(atLeast int) {
	if len(j.buf) < atLeast {
		return
	}
	if j.err == nil {
		_, j.err = j.w.Write(j.buf)
	}
	j.buf = j.buf[:0]
}
