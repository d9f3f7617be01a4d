package http2

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Detect tells HTTP/2 by the client's preface, or by frames whose fields are
// such as go in direction d. Frames that may go in either direction wait for
// one that tells: a connection joined in the middle may have its sides mistaken.
func Detect(d event.Dir, b []byte) decode.Verdict {
	if startsWithPreface(d, b) {
		if len(b) < len(preface) {
			return decode.Maybe
		}
		return decode.Yes
	}
	_, v := chain(d, b, nil, false, true)
	return v
}
