package packet

import "encoding/binary"

// pppoe is a PPPoE session (RFC 2516, section 4).
func (c *cursor) pppoe() layer {
	if len(c.b) < 6 {
		return broken
	}
	if c.b[1] != 0 { // discovery
		return other
	}
	n := int(binary.BigEndian.Uint16(c.b[4:]))
	c.b = c.b[6:]
	c.limit(n)
	return ppp
}

// ppp is a PPP frame, with or without the address and control bytes of
// HDLC-like framing (RFC 1661, section 2; RFC 1662, section 3.1).
func (c *cursor) ppp() layer {
	if len(c.b) >= 2 && c.b[0] == 0xff && c.b[1] == 3 {
		c.b = c.b[2:]
	}
	if len(c.b) < 2 {
		return broken
	}
	t := uint16(c.b[0])
	if t&1 == 1 { // compressed to one byte
		c.b = c.b[1:]
	} else {
		t = binary.BigEndian.Uint16(c.b)
		c.b = c.b[2:]
	}
	switch t {
	case 0x21:
		return ipv4
	case 0x57:
		return ipv6
	case 0x281:
		return mpls
	}
	return other
}

// pppHDLC is PPP in HDLC-like framing, or Cisco's HDLC on the same link type.
func (c *cursor) pppHDLC() layer {
	if len(c.b) >= 2 && (c.b[0] == 0x0f || c.b[0] == 0x8f) {
		return chdlc
	}
	return ppp
}

// chdlc is Cisco's HDLC: address, control, EtherType.
func (c *cursor) chdlc() layer {
	if len(c.b) < 4 {
		return broken
	}
	t := binary.BigEndian.Uint16(c.b[2:])
	c.b = c.b[4:]
	return etherLayer(t)
}
