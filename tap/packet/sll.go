package packet

import "encoding/binary"

// sll is Linux's cooked capture (LINKTYPE_LINUX_SLL).
func (c *cursor) sll() layer {
	if len(c.b) < 16 {
		return broken
	}
	t := binary.BigEndian.Uint16(c.b[14:])
	c.b = c.b[16:]
	return cooked(t)
}

// sll2 is its second version (LINKTYPE_LINUX_SLL2).
func (c *cursor) sll2() layer {
	if len(c.b) < 20 {
		return broken
	}
	t := binary.BigEndian.Uint16(c.b)
	c.b = c.b[20:]
	return cooked(t)
}

func cooked(t uint16) layer {
	if t == 4 { // IEEE 802.2 without a SNAP header before it
		return snap
	}
	return etherLayer(t)
}
