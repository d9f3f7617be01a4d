package grpc

import "encoding/binary"

// body follows the messages of one direction: one byte of flags, four of
// length, the message. It counts the messages that were seen to their end.
type body struct {
	kind kind
	text base64Text // of webText

	head [prefix]byte
	have int   // bytes of head
	rest int64 // bytes of the message still to come, when have is prefix

	messages   int64
	payload    int64
	compressed int64

	lost    bool // the place of the next prefix is not known
	holed   bool // bytes of the message at hand are missing
	gap     bool // bytes are missing somewhere
	trailed bool // the trailers of gRPC-Web came: nothing follows

	limit int    // bytes of a message that are kept where it is to be told as JSON; 0: none is
	every bool   // and of every message, not of the first alone
	room  int    // bytes of the message at hand that are kept
	kept  []byte // of the message at hand
}

const (
	prefix      = 5
	maxTrailers = 8 << 10 // bytes of trailers in a body that are looked into
)

// Flags of a message's first byte.
const (
	flagCompressed = 1 << 0
	flagTrailers   = 1 << 7 // gRPC-Web
)

func (m *body) reset() { *m = body{kept: m.kept[:0]} }

func (m *body) flags() byte { return m.head[0] }
func (m *body) size() int64 { return int64(binary.BigEndian.Uint32(m.head[1:])) }

// cut reports whether the bytes ended inside a message, or cannot be told
// apart.
func (m *body) cut() bool { return m.lost || m.have > 0 || m.kind == webText && !m.text.whole() }

// next consumes bytes up to the end of a message at most; done says that one
// has ended with them.
func (m *body) next(b []byte) (n int, done bool) {
	if m.have < prefix {
		n = copy(m.head[m.have:], b)
		if m.have += n; m.have < prefix {
			return n, false
		}
		m.begin()
	} else {
		n = int(min(m.rest, int64(len(b))))
		if room := m.room - len(m.kept); room > 0 && !m.holed {
			m.kept = append(m.kept, b[:min(n, room)]...)
		}
		m.rest -= int64(n)
	}
	return n, !m.lost && m.have == prefix && m.rest == 0
}

// begin looks at a prefix that is complete. Flags that nobody has defined say
// that this is none.
func (m *body) begin() {
	known := byte(flagCompressed)
	if m.kind != plain {
		known |= flagTrailers
	}
	if m.flags()&^known != 0 {
		m.lost = true
		return
	}
	m.rest, m.holed, m.kept, m.room = m.size(), false, m.kept[:0], 0
	switch {
	case m.flags()&flagTrailers != 0:
		m.room = maxTrailers
	case m.rest <= int64(m.limit) && (m.every || m.messages == 0):
		m.room = m.limit
	}
}

// whole reports whether every byte of the message that has ended was kept.
func (m *body) whole() bool { return !m.holed && int64(len(m.kept)) == m.size() }

// end counts the message whose last byte was consumed.
func (m *body) end() {
	m.have = 0
	if m.flags()&flagTrailers != 0 {
		m.trailed = true
		return
	}
	m.messages++
	m.payload += m.size()
	m.compressed += int64(m.flags() & flagCompressed)
}

// skip goes over n bytes that were never seen: inside a message the place of
// the next one is still known.
func (m *body) skip(n int64) {
	m.gap = true
	if n <= 0 || m.kind == webText || m.have < prefix || n > m.rest {
		m.lost = true
		return
	}
	m.holed = true
	m.rest -= n
}
