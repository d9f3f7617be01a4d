package packet

import "encoding/binary"

// gre is RFC 2784 with the key and sequence number of RFC 2890, and version 1
// of RFC 2637 (PPTP), which carries PPP.
func (c *cursor) gre() layer {
	if len(c.b) < 4 {
		return broken
	}
	flags, t := binary.BigEndian.Uint16(c.b), binary.BigEndian.Uint16(c.b[2:])
	size := 4
	for _, bit := range []uint16{0x8000 | 0x4000, 0x2000, 0x1000} { // checksum or routing, key, sequence
		if flags&bit != 0 {
			size += 4
		}
	}
	if flags&7 == 1 && flags&0x80 != 0 { // acknowledgment of version 1
		size += 4
	}
	if flags&7 > 1 || flags&0x4000 != 0 { // source routes have never been seen in use
		return other
	}
	if !c.skip(size) {
		return broken
	}
	if t == 0x88be && flags&0x1000 == 0 {
		return erspan1 // type I has no sequence number, and no header
	}
	return etherLayer(t)
}

// erspan1, 2 and 3 are the mirrored frames of Cisco's switches
// (draft-foschiano-erspan, section 4).
func (c *cursor) erspan1() layer { return ethernet }

func (c *cursor) erspan2() layer {
	if !c.skip(8) {
		return broken
	}
	return ethernet
}

func (c *cursor) erspan3() layer {
	if len(c.b) < 12 {
		return broken
	}
	size := 12
	if c.b[11]&1 == 1 { // a platform's own header
		size += 8
	}
	if !c.skip(size) {
		return broken
	}
	return ethernet
}
