package packet

import (
	"bytes"
	"testing"
)

// pieceModel is a datagram byte by byte: what came first stays, and the first
// last fragment says where it ends.
type pieceModel struct {
	come  [1 << 10]bool
	bytes [1 << 10]byte
	total int
}

func (m *pieceModel) add(offset int, b []byte, more bool) {
	if !more && m.total < 0 {
		m.total = offset + len(b)
	}
	for i, v := range b {
		if at := offset + i; !m.come[at] {
			m.come[at], m.bytes[at] = true, v
		}
	}
}

func (m *pieceModel) whole() bool {
	for at := range max(m.total, 0) {
		if !m.come[at] {
			return false
		}
	}
	return m.total >= 0
}

// FuzzFragments puts datagrams together beside the model: they become whole at
// the same fragment, and of the same bytes.
func FuzzFragments(f *testing.F) {
	f.Add([]byte("\x00\x02a\x01\x02\x01b\x00"))
	f.Add([]byte("\x03\x00a\x00\x02\x02b\x01\x00\x03c\x01"))
	f.Add([]byte("\x02\x00a\x00\x00\x00b\x01\x01\x00c\x01")) // a hole before the last, of eight bytes
	f.Add([]byte("\x02\x00a\x00\x01\x00c\x01\x00\x00b\x01")) // and one at the front
	f.Add([]byte("\x05\x01a\x00\x02\x00b\x00\x00\x09c\x01"))
	f.Fuzz(func(t *testing.T, script []byte) {
		all := newFragments(DefaultLimits())
		m := &pieceModel{total: -1}
		for ; len(script) >= 4; script = script[4:] {
			offset, n, more := int(script[0]&63)*8, (int(script[1]&15)+1)*8, script[3]&1 != 0
			if !more {
				n -= int(script[3] >> 1 & 7)
			}
			b := bytes.Repeat(script[2:3], n)
			d := all.datagram(fragmentKey{id: 1}, 1)
			d.add(offset, b, more)
			m.add(offset, b, more)
			if got := len(d.holes) == 0; got != m.whole() {
				t.Fatalf("whole: %t, the model says %t; holes %v, total %d", got, m.whole(), d.holes, d.total)
			}
			if !m.whole() {
				continue
			}
			if !bytes.Equal(d.buf[:d.total], m.bytes[:m.total]) {
				t.Fatalf("got  %q\nwant %q", d.buf[:d.total], m.bytes[:m.total])
			}
			all.forget(fragmentKey{id: 1})
			m = &pieceModel{total: -1}
		}
	})
}
