package http2

import (
	"errors"

	"github.com/pitot-io/pitot/decode"
)

// errCompression says that a field block breaks HPACK's rules.
var errCompression = errors.New("field block cannot be read")

// errShort says that it ends too early.
var errShort = errors.New("field block is cut")

// How a field is sent (RFC 7541, 6).
type form uint8

const (
	indexed form = iota
	inserted
	plain // without indexing, or never indexed
	resized
)

// piece is one representation of a field block.
type piece struct {
	form  form
	index int // of the field, or of its name; the size in an update
	name  literal
	value literal
}

type literal struct {
	b       []byte
	huffman bool
}

// maxInteger bounds what a length or an index may say: more than any limit.
const maxInteger = 1 << 24

// integer reads one with a prefix of n bits (RFC 7541, 5.1) and is what comes
// after it.
func integer(b []byte, n uint) (v int, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errShort
	}
	mask := 1<<n - 1
	if v = int(b[0]) & mask; v < mask {
		return v, b[1:], nil
	}
	for i := 1; i < len(b); i++ {
		v += int(b[i]&0x7f) << (7 * (i - 1))
		switch {
		case v > maxInteger:
			return 0, nil, errCompression
		case b[i] < 0x80:
			return v, b[i+1:], nil
		case i == 9:
			return 0, nil, errCompression
		}
	}
	return 0, nil, errShort
}

func text(b []byte) (l literal, rest []byte, err error) {
	n, rest, err := integer(b, 7)
	switch {
	case err != nil:
		return literal{}, nil, err
	case n > len(rest):
		return literal{}, nil, errShort
	}
	return literal{rest[:n], b[0]&0x80 != 0}, rest[n:], nil
}

// next reads one representation off the front of b, which is not empty.
func next(b []byte) (p piece, rest []byte, err error) {
	switch c := b[0]; {
	case c&0x80 != 0:
		p.index, rest, err = integer(b, 7)
		return p, rest, err
	case c&0x40 != 0:
		p.form = inserted
		p.index, rest, err = integer(b, 6)
	case c&0x20 != 0:
		p.form = resized
		p.index, rest, err = integer(b, 5)
		return p, rest, err
	default:
		p.form = plain
		p.index, rest, err = integer(b, 4)
	}
	if err == nil && p.index == 0 {
		p.name, rest, err = text(rest)
	}
	if err == nil {
		p.value, rest, err = text(rest)
	}
	return p, rest, err
}

// read undoes the compression of a whole block, or of the beginning of one.
// Updates of the table's size are taken wherever they stand, though RFC 7541,
// 4.2 wants them at the beginning: what they say is clear all the same. On
// an error the section is what was read until then, and the table is forgotten,
// since what else would have come into it is not known.
func (t *table) read(b []byte, f *fields, l decode.Limits) error {
	f.reset()
	for len(b) > 0 {
		p, rest, err := next(b)
		if err == nil {
			err = t.apply(&p, f, l)
		}
		if err != nil {
			t.forget()
			f.cut = true
			return err
		}
		b = rest
	}
	return nil
}

// apply is one representation's effect on table and section.
func (t *table) apply(p *piece, f *fields, l decode.Limits) error {
	if p.form == resized {
		t.resize(p.index)
		return nil
	}
	mark := len(f.text)
	var x field
	ok := true
	switch {
	case p.index > 0:
		x, ok = t.lookup(p.index, f, p.form != indexed)
	default:
		x.name, ok = f.literal(p.name)
	}
	if ok && p.form != indexed {
		x.value, ok = f.literal(p.value)
	}
	if !ok || p.index == 0 && p.form == indexed {
		return errCompression
	}
	if p.form == inserted {
		t.insert(x.name, x.value)
	}
	if f.add(x, l); f.cut {
		f.text = f.text[:mark] // nobody refers to it
	}
	return nil
}

func (f *fields) literal(s literal) (string, bool) {
	if !s.huffman {
		return f.keep(s.b), true
	}
	at, ok := len(f.text), false
	f.text, ok = appendHuffman(f.text, s.b)
	return decode.View(f.text[at:len(f.text):len(f.text)]), ok
}
