package tap

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Watcher is shown one connection of a capture while it is decoded. Offsets
// count the bytes of a direction from the connection's first, missing ones
// included. What it is given is valid during the call only.
type Watcher interface {
	Feed(d event.Dir, offset int64, b []byte)           // bytes about to be decoded
	Gap(d event.Dir, at, offset, n int64, snapped bool) // n bytes are missing, 0 an unknown number; snapped: cut by the capture's snapshot length
	Message(m *decode.Message)                          // what the decoder found
	Close(at int64, unwatched bool)                     // everything was told; unwatched: only the watching ended
}

// watched is a stream with a Watcher beside it.
type watched struct {
	*stream
	watcher Watcher
	snapped bool // the gap to come is one of the snapshot length
}

func (w *watched) Feed(d event.Dir, at int64, b []byte) {
	w.watcher.Feed(d, w.offset[d], b)
	w.stream.Feed(d, at, b)
}

func (w *watched) Gap(d event.Dir, at, n int64) {
	w.watcher.Gap(d, at, w.offset[d], n, w.snapped)
	w.snapped = false
	w.stream.Gap(d, at, n)
}

func (w *watched) Truncated() {
	w.snapped = true
	w.stream.Truncated()
}

func (w *watched) Close(at int64) {
	w.stream.Close(at)
	w.watcher.Close(at, w.conn.Unwatched())
}
