package mongo

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Compressors of OP_COMPRESSED.
const (
	compressNoop = iota
	compressSnappy
	compressZlib
	compressZstd
)

var compressors = [...]string{"noop", "snappy", "zlib", "zstd"}

// inflater undoes OP_COMPRESSED and is used again for the next message. What
// it gives is bounded by the size that the message names, which is bounded by
// Limits.Document; what is longer than one piece is cut down as a message that
// came in pieces is.
type inflater struct {
	src  bytes.Reader
	zlib io.ReadCloser // nil until needed
	zstd *zstd.Decoder // nil until needed
	out  []byte
	kept []byte
	half half
}

// Sizes in bytes.
const (
	onePiece = 64 << 10 // more is inflated piece by piece
	maxOut   = 1 << 20  // of inflater.out, for the next message
)

// message replaces what m carries by what that was before it was compressed,
// or marks it as packed.
func (in *inflater) message(m *message, d event.Dir, l *decode.Limits) {
	r := reader{b: m.body}
	original, size := r.int32(), int(r.int32())
	id := r.take(1)
	m.packed = true
	if id == nil {
		return
	}
	m.opcode = original
	if int(id[0]) >= len(compressors) {
		return
	}
	m.compressor = compressors[id[0]]
	if original == opCompressed || !travels(original, d) || size < 0 || size > l.Document {
		return
	}
	n := 0
	if size <= onePiece {
		m.body = in.once(id[0], r.b, size)
		n = len(m.body)
	} else {
		n = in.pieces(m, id[0], r.b, size, d, l)
	}
	m.packed = n == 0 && size > 0
	m.cut = m.cut || n < size
}

// once gives at most size bytes, fewer when src is cut or corrupt.
func (in *inflater) once(id byte, src []byte, size int) []byte {
	out := in.room(size)
	switch id {
	case compressNoop:
		return src[:min(size, len(src))]
	case compressSnappy:
		return unsnap(out, src)
	case compressZstd:
		if in.openZstd(nil) {
			out, _ = in.zstd.DecodeAll(src, out) // what was given before an error is good
			return out
		}
		return nil
	}
	return in.read(in.openZlib(src), out[:size])
}

// read fills b as far as r goes.
func (in *inflater) read(r io.Reader, b []byte) []byte {
	if r == nil {
		return nil
	}
	n, _ := io.ReadFull(r, b)
	return b[:n]
}

// pieces inflates src piece by piece into a half, which keeps what is wanted,
// and returns how many bytes were inflated or are known to be unwanted.
func (in *inflater) pieces(m *message, id byte, src []byte, size int, d event.Dir, l *decode.Limits) int {
	h := &in.half
	*h = half{header: header{length: headerLen + size, opcode: m.opcode}, buf: &in.kept, limit: softKeep}
	in.kept = in.kept[:0]
	n := 0
	switch id {
	case compressNoop:
		n = h.piece(src, n, size, d, l)
	case compressSnappy:
		n = h.piece(unsnap(in.room(size), src), n, size, d, l)
	case compressZlib:
		n = in.drain(in.openZlib(src), size, d, l)
	case compressZstd:
		in.src.Reset(src)
		if in.openZstd(&in.src) {
			n = in.drain(in.zstd, size, d, l)
			_ = in.zstd.Reset(nil) // lets go of src
		}
	}
	if h.hole.open() {
		h.closeHole()
	}
	m.body, m.skipped = in.kept, h.skipped
	m.cut = m.cut || h.cut
	return n
}

// piece keeps what b, which follows n bytes, adds to a message of size bytes.
func (h *half) piece(b []byte, n, size int, d event.Dir, l *decode.Limits) int {
	b = b[:min(len(b), size-n)]
	h.keep(b, d, l)
	return n + len(b)
}

// drain reads r to its end, or until nothing more is wanted.
func (in *inflater) drain(r io.Reader, size int, d event.Dir, l *decode.Limits) (n int) {
	buf := in.room(onePiece)[:onePiece]
	for n < size && r != nil && !in.half.full {
		b := in.read(r, buf[:min(len(buf), size-n)])
		if len(b) == 0 {
			return n
		}
		n = in.half.piece(b, n, size, d, l)
	}
	return n
}

// room is an empty buffer for size bytes.
func (in *inflater) room(size int) []byte {
	if cap(in.out) < size {
		in.out = make([]byte, 0, size)
	}
	return in.out[:0:size]
}

// release lets go of what is too large to be kept for the next message.
func (in *inflater) release() {
	if cap(in.out) > maxOut {
		in.out = nil
	}
	if cap(in.kept) > maxPooled {
		in.kept = nil
	}
	in.src.Reset(nil)
}

// openZlib is a reader of what src was; nil when src does not begin as zlib
// does.
func (in *inflater) openZlib(src []byte) io.Reader {
	in.src.Reset(src)
	if in.zlib == nil {
		r, err := zlib.NewReader(&in.src)
		if err != nil {
			return nil
		}
		in.zlib = r
		return r
	}
	if err := in.zlib.(zlib.Resetter).Reset(&in.src, nil); err != nil {
		return nil
	}
	return in.zlib
}

// openZstd makes the decoder ready; with a reader, for streaming from it. The
// decoder works in the caller's goroutine and never gives more than it is asked
// for.
func (in *inflater) openZstd(r io.Reader) bool {
	if in.zstd == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxMessage), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return false
		}
		in.zstd = z
	}
	return r == nil || in.zstd.Reset(r) == nil
}

// unsnap undoes snappy into the capacity of out. Of a block that is cut or
// corrupt it gives the beginning.
func unsnap(out, src []byte) []byte {
	if n, err := snappy.DecodedLen(src); err != nil || n > cap(out) {
		return unsnapStart(out, src)
	}
	b, err := snappy.Decode(out[:cap(out)], src)
	if err != nil {
		return unsnapStart(out, src)
	}
	return b
}
