package packet

import "encoding/binary"

// tcp is RFC 9293, section 3.1. Options and checksum are not looked at: hosts
// that leave the checksum to the network card capture wrong ones.
func (c *cursor) tcp() layer {
	b := c.b
	if len(b) < 20 {
		return broken
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > len(b)+c.cut {
		return broken
	}
	s := c.seg
	s.Src.Port = binary.BigEndian.Uint16(b)
	s.Dst.Port = binary.BigEndian.Uint16(b[2:])
	s.Seq = binary.BigEndian.Uint32(b[4:])
	s.Ack = binary.BigEndian.Uint32(b[8:])
	s.Flags = b[13]
	if header > len(b) { // cut within the options
		s.Payload, s.Missing = nil, c.cut-(header-len(b))
		return found
	}
	s.Payload, s.Missing = b[header:], c.cut
	return found
}
