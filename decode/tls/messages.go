package tls

// messages puts the handshake messages of one direction together, however
// records cut them (RFC 8446, 5.1).
type messages struct {
	header [4]byte
	have   int    // bytes of header
	rest   int    // bytes of the body to come
	body   []byte // kept of it
	keep   bool
}

// feed takes the next bytes and calls f with every message whose header came
// (began), and with every one that is whole, its body where it is looked into
// and at most limit bytes long.
func (m *messages) feed(b []byte, limit int, began func(kind byte), whole func(kind byte, body []byte)) {
	for len(b) > 0 {
		if m.have < len(m.header) {
			n := copy(m.header[m.have:], b)
			m.have += n
			b = b[n:]
			if m.have < len(m.header) {
				return
			}
			m.rest = int(m.header[1])<<16 | int(m.header[2])<<8 | int(m.header[3])
			m.keep = lookedInto(m.header[0]) && m.rest <= limit
			began(m.header[0])
		}
		n := min(m.rest, len(b))
		if m.keep {
			m.body = append(m.body, b[:n]...)
		}
		m.rest, b = m.rest-n, b[n:]
		if m.rest == 0 {
			kind, body := m.header[0], m.body
			m.reset()
			whole(kind, body)
		}
	}
}

// reset forgets a message that has begun.
func (m *messages) reset() { *m = messages{} }

func lookedInto(kind byte) bool {
	switch kind {
	case kindClientHello, kindServerHello, kindExtensions, kindKeyUpdate:
		return true
	}
	return false
}
