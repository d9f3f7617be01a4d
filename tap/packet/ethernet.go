package packet

import "encoding/binary"

// ethernet is an Ethernet II frame, or an IEEE 802.3 frame with LLC.
func (c *cursor) ethernet() layer {
	if len(c.b) < 14 {
		return broken
	}
	t := binary.BigEndian.Uint16(c.b[12:])
	c.b = c.b[14:]
	return c.typeOrLength(t)
}

// typeOrLength follows an EtherType, which below 0x600 is a length.
func (c *cursor) typeOrLength(t uint16) layer {
	if t >= 0x600 {
		return etherLayer(t)
	}
	c.limit(int(t))
	return snap
}

// vlan is the tag of IEEE 802.1Q and 802.1ad: two bytes, then the real type.
func (c *cursor) vlan() layer {
	if len(c.b) < 4 {
		return broken
	}
	t := binary.BigEndian.Uint16(c.b[2:])
	c.b = c.b[4:]
	return c.typeOrLength(t)
}

// snap is IEEE 802.2 LLC, of which SNAP (RFC 1042) can hold IP.
func (c *cursor) snap() layer {
	if len(c.b) < 8 {
		return other
	}
	if c.b[0] != 0xaa || c.b[1] != 0xaa || c.b[2] != 3 {
		return other
	}
	t := binary.BigEndian.Uint16(c.b[6:])
	c.b = c.b[8:]
	return etherLayer(t)
}
