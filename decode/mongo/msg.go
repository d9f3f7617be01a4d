package mongo

import (
	"bytes"
	"encoding/binary"

	"github.com/pitot-io/pitot/decode/bson"
)

// sections is an OP_MSG taken apart: one document, and lists beside it.
type sections struct {
	flags     uint32
	doc       []byte  // kind 0: the command, or the answer
	lists     [4]list // kind 1
	n         int
	telemetry []byte // kind 3: {otel: {traceparent: ...}}
	odd       bool   // something that is not understood, or not whole
}

// list is a section of kind 1: documents that belong into the command under a
// name, sent beside it.
type list struct {
	name []byte
	docs []byte
}

// parse takes the body of an OP_MSG apart. A section that is not whole is told
// as far as it goes.
func (s *sections) parse(b []byte, cut bool) {
	*s = sections{odd: cut}
	if len(b) < 4 {
		s.odd = true
		return
	}
	s.flags = binary.LittleEndian.Uint32(b)
	s.odd = cut || s.flags&0xffff&^uint32(knownRequired) != 0
	b = b[4:]
	if s.flags&flagChecksum != 0 && !cut {
		b = b[:max(0, len(b)-4)]
	}
	for len(b) > 0 {
		n := s.section(b[0], b[1:])
		if n == 0 {
			s.odd = true
			return
		}
		b = b[1+n:]
	}
}

// section takes the section of that kind at the start of b and returns how
// long it is; 0 when it makes no sense, or its end is not there.
func (s *sections) section(kind byte, b []byte) int {
	n := bson.Length(b) // of a list too: a size that counts itself
	if n == 0 {
		return 0
	}
	whole := b[:min(n, len(b))]
	switch kind {
	case 0:
		if s.doc == nil {
			s.doc = whole
		}
	case 1:
		s.list(whole[4:])
	case 2: // a security token, between servers
	case 3:
		s.telemetry = whole
	default:
		return 0
	}
	if n > len(b) {
		return 0
	}
	return n
}

func (s *sections) list(b []byte) {
	k := bytes.IndexByte(b, 0)
	if k < 0 || s.n == len(s.lists) {
		s.odd = true
		return
	}
	s.lists[s.n] = list{name: b[:k], docs: b[k+1:]}
	s.n++
}

// countDocuments is the number of documents in a row at b.
func countDocuments(b []byte) (n int64) {
	for len(b) > 0 {
		l := bson.Length(b)
		if l == 0 {
			return n
		}
		n++
		b = b[min(l, len(b)):]
	}
	return n
}
