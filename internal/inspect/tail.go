package inspect

// Bytes of a message that are shown, and kept for that.
const (
	hexBytes  = 256
	tailBytes = 4 << 10
)

// tail holds what a hex dump may need of one direction: the first bytes behind
// the latest message, and all bytes that are being fed.
type tail struct {
	head   []byte // from headAt on, at most tailBytes
	headAt int64
	last   []byte // from lastAt on
	lastAt int64
}

// add takes the bytes that are about to be decoded.
func (t *tail) add(offset int64, b []byte) {
	if t.headAt+int64(len(t.head)) != offset && len(t.head) < tailBytes { // a gap, or the beginning
		t.head, t.headAt = t.head[:0], offset
	}
	t.head = append(t.head, b[:min(len(b), tailBytes-min(tailBytes, len(t.head)))]...)
	t.last, t.lastAt = append(t.last[:0], b...), offset
}

// take gives the first bytes of the message at offset, as far as they are
// there, until add is called. What is before the message's end is forgotten.
func (t *tail) take(offset, size int64) []byte {
	want := min(size, hexBytes)
	b := cut(t.head, t.headAt, offset, want)
	if int64(len(b)) < want {
		if c := cut(t.last, t.lastAt, offset, want); len(c) > len(b) {
			b = c
		}
	}
	b = append([]byte(nil), b...)
	if end := offset + size; end > t.headAt {
		rest := cut(t.last, t.lastAt, end, tailBytes)
		t.head, t.headAt = append(t.head[:0], rest...), end
	}
	return b
}

// cut is the part of b, whose first byte is at base, of n bytes from offset.
func cut(b []byte, base, offset, n int64) []byte {
	from := offset - base
	if from < 0 || from >= int64(len(b)) {
		return nil
	}
	return b[from:min(int64(len(b)), from+n)]
}
