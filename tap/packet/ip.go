package packet

import "encoding/binary"

// ip is an IP packet of the version that its first bits tell.
func (c *cursor) ip() layer {
	if len(c.b) == 0 {
		return broken
	}
	switch c.b[0] >> 4 {
	case 4:
		return ipv4
	case 6:
		return ipv6
	}
	return other
}

// ipv4 is RFC 791, section 3.1.
func (c *cursor) ipv4() layer {
	b := c.b
	if len(b) < 20 || b[0]>>4 != 4 {
		return broken
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // segmented by the network card: the frame tells the length
		total = len(b) + c.cut
	}
	if header < 20 || header > len(b) || total < header {
		return broken
	}
	c.seg.Src = Endpoint{Family: 4}
	c.seg.Dst = Endpoint{Family: 4}
	copy(c.seg.Src.Addr[:4], b[12:16])
	copy(c.seg.Dst.Addr[:4], b[16:20])
	c.limit(total)
	c.b = c.b[header:]
	fragment := binary.BigEndian.Uint16(b[6:])
	if fragment&0x3fff == 0 { // neither an offset nor more to come
		return protocolLayer(b[9])
	}
	id := uint32(binary.BigEndian.Uint16(b[4:]))
	return c.fragment(b[9], id, int(fragment&0x1fff)*8, fragment&0x2000 != 0)
}

// ipv6 is RFC 8200, section 3, with the extension headers of section 4.
func (c *cursor) ipv6() layer {
	b := c.b
	if len(b) < 40 || b[0]>>4 != 6 {
		return broken
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n == 0 { // a jumbogram, or segmented by the network card
		n = len(b) - 40 + c.cut
	}
	c.seg.Src = Endpoint{Addr: [16]byte(b[8:24]), Family: 6}
	c.seg.Dst = Endpoint{Addr: [16]byte(b[24:40]), Family: 6}
	c.limit(40 + n)
	c.b = c.b[40:]
	return c.extensions(b[6])
}

// extensions goes over the headers between IPv6 and what it carries. Each is at
// least eight bytes, so the loop ends.
func (c *cursor) extensions(next uint8) layer {
	for {
		size := 0
		switch next {
		case 0, 43, 60, 135, 139, 140: // options, routing, mobility, HIP, shim6
			if len(c.b) < 2 {
				return broken
			}
			size = (int(c.b[1]) + 1) * 8
		case 51: // RFC 4302, section 2.2: in units of four, less two
			if len(c.b) < 2 {
				return broken
			}
			size = (int(c.b[1]) + 2) * 4
		case 44:
			return c.fragment6()
		default:
			return protocolLayer(next)
		}
		next = c.b[0]
		if !c.skip(size) {
			return broken
		}
	}
}

// fragment6 is RFC 8200, section 4.5.
func (c *cursor) fragment6() layer {
	if len(c.b) < 8 {
		return broken
	}
	next, place, id := c.b[0], binary.BigEndian.Uint16(c.b[2:]), binary.BigEndian.Uint32(c.b[4:])
	c.b = c.b[8:]
	if place&0xfff9 == 0 { // an atomic fragment (RFC 6946)
		return c.extensions(next)
	}
	return c.fragment(next, id, int(place&0xfff8), place&1 != 0)
}
