package packet

import "encoding/binary"

// null is BSD's loopback: an address family in the byte order of the machine
// that captured, which is told by the family's being small.
func (c *cursor) null() layer {
	if len(c.b) < 4 {
		return broken
	}
	f := binary.LittleEndian.Uint32(c.b)
	if f >= 1<<16 {
		f = binary.BigEndian.Uint32(c.b)
	}
	c.b = c.b[4:]
	return family(f)
}

// loop is OpenBSD's: the family in network byte order.
func (c *cursor) loop() layer {
	if len(c.b) < 4 {
		return broken
	}
	f := binary.BigEndian.Uint32(c.b)
	c.b = c.b[4:]
	return family(f)
}

// family follows an AF_ number: 2 is IPv4 everywhere, IPv6 differs.
func family(f uint32) layer {
	switch f {
	case 2:
		return ipv4
	case 10, 24, 28, 30: // Linux, NetBSD, FreeBSD, Darwin
		return ipv6
	}
	return other
}
