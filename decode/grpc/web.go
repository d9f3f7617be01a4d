package grpc

import (
	"bytes"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// webTrailers reads the trailers that gRPC-Web puts into the last frame of the
// answer's body: lines of fields as HTTP/1 has them.
func (k *call) webTrailers(m *body) {
	switch {
	case m.flags()&flagCompressed != 0:
		k.packed = true
	case m == &k.body[event.ToClient]:
		k.Trailers(event.ToClient, lines(m.kept))
	}
}

// lines are fields in the form of HTTP/1, and implement decode.Fields.
type lines []byte

func (l lines) Field(name string) (string, bool) {
	for rest := []byte(l); len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		key, value, ok := bytes.Cut(line, []byte(":"))
		if ok && bytes.EqualFold(bytes.TrimSpace(key), []byte(name)) {
			return decode.View(bytes.TrimSpace(value)), true
		}
	}
	return "", false
}
