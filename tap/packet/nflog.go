package packet

import "encoding/binary"

const nflogPayload = 9 // the TLV that holds the packet

// nflog is Linux's netfilter log (LINKTYPE_NFLOG): a header of four bytes, then
// TLVs in the host's byte order, aligned to four.
func (c *cursor) nflog() layer {
	if len(c.b) < 4 {
		return broken
	}
	for b := c.b[4:]; len(b) >= 4; {
		n, kind := int(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint16(b[2:])&0x7fff
		if n < 4 {
			return broken
		}
		if kind == nflogPayload {
			c.b = b[4:min(n, len(b))]
			return ip
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return other
}
