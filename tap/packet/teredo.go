package packet

// teredo is IPv6 in UDP with optional indications before it (RFC 4380,
// section 5.1.1): origin (0, 0) has 8 bytes, authentication (0, 1) 13 and its
// two variable parts.
func (c *cursor) teredo() layer {
	for len(c.b) >= 4 && c.b[0] == 0 {
		size := 8
		switch {
		case c.b[1] == 1:
			size = 13 + int(c.b[2]) + int(c.b[3])
		case c.b[1] != 0:
			return other
		}
		if !c.skip(size) {
			return broken
		}
	}
	if len(c.b) < 40 || c.b[0]>>4 != 6 {
		return other
	}
	return ipv6
}

// looksLikeTeredo knows IPv6 between Teredo's peers, who use any port: one of
// the addresses is of 2001:0::/32, and the length fits to the byte.
func (c *cursor) looksLikeTeredo() bool {
	b := c.b
	if len(b) < 40 || b[0]>>4 != 6 || int(b[4])<<8|int(b[5]) != len(b)-40+c.cut {
		return false
	}
	prefix := [4]byte{0x20, 1, 0, 0}
	return [4]byte(b[8:12]) == prefix || [4]byte(b[24:28]) == prefix
}
