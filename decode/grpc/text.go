package grpc

// base64Text undoes the coding of gRPC-Web text, any piece after any: a sender
// may end a run with padding wherever it likes and begin another.
type base64Text struct {
	quad [4]byte
	have int
	bad  bool
}

// next decodes from b into out, which must have room for three bytes, until
// one of them is exhausted: n bytes of b gave m bytes of out.
func (t *base64Text) next(out, b []byte) (n, m int) {
	for n < len(b) && !t.bad && m+3 <= len(out) {
		c := b[n]
		n++
		if c == '\r' || c == '\n' || c == ' ' {
			continue
		}
		t.quad[t.have] = c
		if t.have++; t.have == 4 {
			m += t.decode(out[m:])
			t.have = 0
		}
	}
	return n, m
}

// decode is the bytes that four characters stand for, RFC 4648, 4.
func (t *base64Text) decode(out []byte) int {
	v, n := uint32(0), 3
	if t.quad[3] == '=' {
		if n--; t.quad[2] == '=' {
			n--
		}
	}
	for i, c := range t.quad {
		d := sextet(c)
		if i > n { // padding
			d = 0
		}
		if d > 63 {
			t.bad = true
			return 0
		}
		v = v<<6 | uint32(d)
	}
	out[0], out[1], out[2] = byte(v>>16), byte(v>>8), byte(v)
	return n
}

// whole reports whether no character is left over.
func (t *base64Text) whole() bool { return t.have == 0 && !t.bad }

// sextet is the value of c, 0xff when it is not of the alphabet. The one for
// URLs is read as well.
func sextet(c byte) byte {
	switch {
	case c-'A' < 26:
		return c - 'A'
	case c-'a' < 26:
		return c - 'a' + 26
	case c-'0' < 10:
		return c - '0' + 52
	case c == '+', c == '-':
		return 62
	case c == '/', c == '_':
		return 63
	}
	return 0xff
}
