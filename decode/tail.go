package decode

import "github.com/pitot-io/pitot/internal/event"

// Bytes of a message that a Tail gives, and keeps for that.
const (
	TailShown = 256
	tailBytes = 4 << 10
)

// Tail holds what a dump of messages may need of one direction: the first bytes
// behind the latest message, and all bytes that are being fed.
type Tail struct {
	head   []byte // from headAt on, at most tailBytes
	headAt int64
	last   []byte // from lastAt on
	lastAt int64
}

// Add takes the bytes that are about to be decoded.
func (t *Tail) Add(offset int64, b []byte) {
	if t.headAt+int64(len(t.head)) != offset && len(t.head) < tailBytes { // a gap, or the beginning
		t.head, t.headAt = t.head[:0], offset
	}
	t.head = append(t.head, b[:min(len(b), tailBytes-min(tailBytes, len(t.head)))]...)
	t.last, t.lastAt = append(t.last[:0], b...), offset
}

// Take gives the first bytes of the message at offset, at most TailShown, as far
// as they are there. What is before the message's end is forgotten.
func (t *Tail) Take(offset, size int64) []byte {
	want := min(size, TailShown)
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

// Unpacking shows who inspects a connection the bytes that one decoder unpacked
// for the next: its messages lie in those, not in the connection's own. The
// zero value shows nothing to nobody.
type Unpacking struct {
	how    string
	tell   func(*Message)
	tails  [2]Tail
	offset [2]int64
}

// Inspect is Conn.Inspect for the next decoder, nil where tell is. how says what
// was done to the bytes: "decrypted".
func (u *Unpacking) Inspect(how string, tell func(*Message)) func(*Message) {
	if u.how, u.tell = how, tell; tell == nil {
		return nil
	}
	return u.message
}

// Feed takes the bytes that the next decoder is about to be fed.
func (u *Unpacking) Feed(d event.Dir, b []byte) {
	if u.tell != nil {
		u.tails[d].Add(u.offset[d], b)
		u.offset[d] += int64(len(b))
	}
}

func (u *Unpacking) message(m *Message) {
	if m.Unpacked == "" {
		d := m.Dir
		if m.Swapped {
			d = d.Other()
		}
		m.Unpacked, m.Inner = u.how, u.tails[d].Take(m.Offset, m.Size)
	}
	u.tell(m)
}
