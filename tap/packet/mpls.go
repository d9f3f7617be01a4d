package packet

// mpls goes over the label stack (RFC 3032, section 2.1). What it carries is
// not said: an IP version, or an Ethernet frame after a control word of zeros
// (RFC 4448, section 4.6).
func (c *cursor) mpls() layer {
	for {
		if len(c.b) < 4 {
			return broken
		}
		bottom := c.b[2]&1 == 1
		c.b = c.b[4:]
		if bottom {
			break
		}
	}
	if len(c.b) >= 4 && c.b[0]>>4 == 0 {
		c.b = c.b[4:]
		return ethernet
	}
	return ip
}
