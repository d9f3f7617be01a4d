package packet

import "encoding/binary"

// udp is RFC 768. Tunnels are known by their port; the port of the sender is
// taken into account for Teredo alone, whose servers answer from it.
func (c *cursor) udp() layer {
	if len(c.b) < 8 {
		return broken
	}
	src, dst := binary.BigEndian.Uint16(c.b), binary.BigEndian.Uint16(c.b[2:])
	if n := int(binary.BigEndian.Uint16(c.b[4:])); n >= 8 {
		c.limit(n)
	}
	c.b = c.b[8:]
	switch dst {
	case 4789, 8472: // RFC 7348, and Linux's old default
		return vxlan
	case 6081: // RFC 8926
		return geneve
	case 4754: // RFC 8086
		return gre
	case 2152: // 3GPP TS 29.281
		return gtp
	case 6635: // RFC 7510
		return mpls
	}
	if src == 3544 || dst == 3544 || c.looksLikeTeredo() {
		return teredo
	}
	return other
}

// vxlan is RFC 7348, section 5.
func (c *cursor) vxlan() layer {
	if len(c.b) < 8 || c.b[0]&8 == 0 {
		return other
	}
	c.b = c.b[8:]
	return ethernet
}

// geneve is RFC 8926, section 3.4.
func (c *cursor) geneve() layer {
	if len(c.b) < 8 || c.b[0]>>6 != 0 {
		return other
	}
	options, t := int(c.b[0]&0x3f)*4, binary.BigEndian.Uint16(c.b[2:])
	if !c.skip(8 + options) {
		return broken
	}
	return etherLayer(t)
}

// gtp is a G-PDU of GTP-U version 1 (3GPP TS 29.281, section 5.1).
func (c *cursor) gtp() layer {
	if len(c.b) < 8 || c.b[0]>>4 != 3 || c.b[1] != 255 {
		return other
	}
	flags := c.b[0]
	c.b = c.b[8:]
	if flags&7 == 0 {
		return ip
	}
	if len(c.b) < 4 {
		return broken
	}
	next := c.b[3]
	c.b = c.b[4:]
	for flags&4 != 0 && next != 0 { // extension headers, in units of four bytes
		if len(c.b) < 4 || c.b[0] == 0 || int(c.b[0])*4 > len(c.b) {
			return broken
		}
		n := int(c.b[0]) * 4
		next = c.b[n-1]
		c.b = c.b[n:]
	}
	return ip
}
