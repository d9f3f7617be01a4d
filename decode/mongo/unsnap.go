package mongo

import "encoding/binary"

// unsnapStart undoes the beginning of a snappy block as far as src makes sense
// and the capacity of out goes (the format is google/snappy's
// format_description.txt). The library refuses a block that is not whole.
func unsnapStart(out, src []byte) []byte {
	_, n := binary.Uvarint(src)
	if n <= 0 {
		return nil
	}
	src = src[n:]
	for len(src) > 0 && len(out) < cap(out) {
		var length, offset, used int
		if src[0]&3 == 0 {
			length, used = literal(src)
			if used == 0 {
				break
			}
			src = src[used:]
			length = min(length, len(src), cap(out)-len(out))
			out = append(out, src[:length]...)
			src = src[length:]
			continue
		}
		if length, offset, used = copied(src); used == 0 || offset == 0 || offset > len(out) {
			break
		}
		src = src[used:]
		for range min(length, cap(out)-len(out)) { // may overlap itself
			out = append(out, out[len(out)-offset])
		}
	}
	return out
}

// literal is the length of a literal, and the bytes of its tag; 0 when cut.
func literal(src []byte) (length, used int) {
	n := int(src[0] >> 2)
	if n < 60 {
		return n + 1, 1
	}
	used = n - 58 // the tag and one to four bytes of length
	if len(src) < used {
		return 0, 0
	}
	var b [4]byte
	copy(b[:], src[1:used])
	return int(binary.LittleEndian.Uint32(b[:])) + 1, used
}

// copied is the length and the distance of a copy, and the bytes of its tag.
func copied(src []byte) (length, offset, used int) {
	tag := int(src[0])
	switch {
	case tag&3 == 1 && len(src) >= 2:
		return tag>>2&7 + 4, tag>>5<<8 | int(src[1]), 2
	case tag&3 == 2 && len(src) >= 3:
		return tag>>2 + 1, int(binary.LittleEndian.Uint16(src[1:])), 3
	case tag&3 == 3 && len(src) >= 5:
		return tag>>2 + 1, int(binary.LittleEndian.Uint32(src[1:])), 5
	}
	return 0, 0, 0
}
