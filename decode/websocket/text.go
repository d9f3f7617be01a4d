package websocket

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/pitot-io/pitot/internal/event"
)

// Bounds of what is kept of a session.
const (
	mostMessages = 4096
	mostText     = 1 << 20  // bytes of its messages, and of one that is compressed
	deflateReach = 32 << 10 // bytes that a message may refer back to (RFC 1951)
)

// text is the message of one direction that is being read.
type text struct {
	limit  int // bytes of a message that are wanted
	buf    []byte
	cut    bool
	binary bool

	packed bool          // buf is compressed
	back   []byte        // the end of what was decompressed before
	blind  bool          // what was before is not known any more
	reader io.ReadCloser // nil before the first compressed message
}

// begin takes note of a frame that begins.
func (x *text) begin(f *frame) {
	if f.opcode() == opContinuation {
		return
	}
	x.buf, x.cut, x.binary, x.packed = x.buf[:0], false, f.opcode() == opBinary, f.first&compressed != 0
}

// add unmasks b, the next bytes of h's payload, as far as there is room.
func (x *text) add(h *half, b []byte) {
	most := x.limit
	if x.packed {
		most = mostText
	}
	if room := most - len(x.buf); room < len(b) {
		x.cut, b = true, b[:max(0, room)]
	}
	at := h.size - h.rest
	for i, c := range b {
		if h.masked {
			c ^= h.mask[(at+int64(i))&3]
		}
		x.buf = append(x.buf, c)
	}
}

// whole is the message that has come to its end; cut says that it is not all.
func (x *text) whole() (data []byte, cut bool) {
	if !x.packed {
		return x.buf, x.cut
	}
	if data, cut = x.unpack(); len(data) > x.limit {
		data, cut = data[:x.limit], true
	}
	return data, cut
}

// unpack decompresses the message (RFC 7692, 7.2.2). It may refer to messages
// before it, so that after one that is not whole none can be read.
func (x *text) unpack() (data []byte, cut bool) {
	if x.cut || x.blind {
		x.blind = true
		return nil, true
	}
	const tail = "\x00\x00\xff\xff" + "\x01\x00\x00\xff\xff" // what its sender took off, and an end for the reader
	from := bytes.NewReader(append(x.buf, tail...))
	if x.reader == nil {
		x.reader = flate.NewReaderDict(from, x.back)
	} else {
		_ = x.reader.(flate.Resetter).Reset(from, x.back) // fails only as a reader of another kind would
	}
	data, err := io.ReadAll(io.LimitReader(x.reader, mostText+1))
	if x.blind = err != nil || len(data) > mostText; !x.blind {
		x.back = append(x.back, data[max(0, len(data)-deflateReach):]...)
		x.back = append(x.back[:0], x.back[max(0, len(x.back)-deflateReach):]...)
	}
	return data, x.blind
}

// message keeps the message that direction d has come to the end of.
func (t *conn) message(d event.Dir, at int64) {
	x := t.half[d].text
	if x == nil {
		return
	}
	data, cut := x.whole() // in any case: what follows may refer to it
	if len(t.ws.Messages) >= mostMessages || t.texts+len(data) > mostText {
		t.texts = mostText + 1 // so that what is kept is a beginning
		return
	}
	t.texts += len(data)
	t.ws.Messages = append(t.ws.Messages, event.WSMessage{Dir: d, Binary: x.binary, Cut: cut, Time: at, Data: string(data)})
}
