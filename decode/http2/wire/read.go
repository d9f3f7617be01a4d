package wire

// Form is how a field is sent (RFC 7541, 6).
type Form uint8

const (
	Indexed  Form = iota
	Inserted      // a literal that is put into the table
	Plain         // a literal that is not
	Never         // nor by anybody on the way
	Resized       // no field: the table's size is updated
)

// Representation is one of those that a field block is made of.
type Representation struct {
	Form  Form
	Index int // of the field, or of its name; the size in an update
	Name  Literal
	Value Literal
}

// Literal is a text as it is sent.
type Literal struct {
	Bytes   []byte
	Huffman bool
}

// maxInteger bounds what a length or an index may say: more than any limit.
const maxInteger = 1 << 24

// integer reads one with a prefix of n bits (RFC 7541, 5.1) and is what comes
// after it.
func integer(b []byte, n uint) (v int, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, ErrShort
	}
	mask := 1<<n - 1
	if v = int(b[0]) & mask; v < mask {
		return v, b[1:], nil
	}
	for i := 1; i < len(b); i++ {
		v += int(b[i]&0x7f) << (7 * (i - 1))
		switch {
		case v > maxInteger:
			return 0, nil, errInteger
		case b[i] < 0x80:
			return v, b[i+1:], nil
		case i == 9:
			return 0, nil, errInteger
		}
	}
	return 0, nil, ErrShort
}

func readLiteral(b []byte) (l Literal, rest []byte, err error) {
	n, rest, err := integer(b, 7)
	switch {
	case err != nil:
		return Literal{}, nil, err
	case n > len(rest):
		return Literal{}, nil, ErrShort
	}
	return Literal{rest[:n], b[0]&0x80 != 0}, rest[n:], nil
}

// Next reads one representation off the front of a block, which is not empty,
// without any table. Its text points into b.
func Next(b []byte) (p Representation, rest []byte, err error) {
	switch c := b[0]; {
	case c&0x80 != 0:
		p.Index, rest, err = integer(b, 7)
		return p, rest, err
	case c&0x40 != 0:
		p.Form = Inserted
		p.Index, rest, err = integer(b, 6)
	case c&0x20 != 0:
		p.Form = Resized
		p.Index, rest, err = integer(b, 5)
		return p, rest, err
	default:
		if p.Form = Plain; c&0x10 != 0 {
			p.Form = Never
		}
		p.Index, rest, err = integer(b, 4)
	}
	if err == nil && p.Index == 0 {
		p.Name, rest, err = readLiteral(rest)
	}
	if err == nil {
		p.Value, rest, err = readLiteral(rest)
	}
	return p, rest, err
}
