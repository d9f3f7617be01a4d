package pcapfilter

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Link layers, by their LINKTYPE_ numbers.
const (
	LinkEthernet = 1
	LinkRaw      = 101
	LinkSLL      = 113
	LinkIPv4     = 228
	LinkIPv6     = 229
	LinkSLL2     = 276
)

// layout is where a link layer has what filters look at.
type layout struct {
	ether int // offset of the EtherType; noEther, kernelEther
	net   int // offset of the network layer
}

const (
	noEther     = -1 // the first bits tell
	kernelEther = -2 // the kernel knows
)

func layoutOf(link uint16) (layout, bool) {
	switch link {
	case LinkEthernet:
		return layout{12, 14}, true
	case LinkSLL:
		return layout{14, 16}, true
	case LinkSLL2:
		return layout{0, 20}, true
	case LinkRaw, LinkIPv4, LinkIPv6, 12, 14:
		return layout{noEther, 0}, true
	}
	return layout{}, false
}

// Match reports whether a packet of that LINKTYPE_ fits: b is what was captured
// of wire bytes. A packet too short for a question that is asked of it does not
// fit, whatever the expression; nor does one of a link layer without a layout.
func (f *Filter) Match(link uint16, b []byte, wire int) bool {
	if f.root == nil {
		return true
	}
	l, ok := layoutOf(link)
	v := view{b: b, wire: uint32(wire), layout: l}
	return ok && f.root.match(&v) && !v.short
}

// view is a packet that is looked at.
type view struct {
	layout
	b     []byte
	wire  uint32
	short bool // something that was asked for is not there
}

// at is n bytes of the packet; zeros when it is too short.
func (v *view) at(off, n int) []byte {
	if v.short || off+n > len(v.b) {
		v.short = true
		return make([]byte, n)
	}
	return v.b[off : off+n]
}

func (v *view) u8(off int) uint8   { return v.at(off, 1)[0] }
func (v *view) u16(off int) uint16 { return binary.BigEndian.Uint16(v.at(off, 2)) }

func (v *view) etherType() uint16 {
	if v.layout.ether != noEther {
		return v.u16(v.layout.ether)
	}
	switch v.u8(0) >> 4 {
	case 4:
		return etherIPv4
	case 6:
		return etherIPv6
	}
	return 0
}

func (e and) match(v *view) bool { return e.a.match(v) && e.b.match(v) }
func (e or) match(v *view) bool  { return e.a.match(v) || !v.short && e.b.match(v) }
func (e not) match(v *view) bool { return !e.a.match(v) }

func (e primitive) match(v *view) bool {
	switch e.kind {
	case isLen:
		return e.compare(v.wire)
	case isEther:
		return v.etherType() == e.ether
	}
	ether := v.etherType()
	switch {
	case e.ether != 0 && e.ether != ether:
		return false
	case e.kind == isProto:
		return v.proto(ether, e.protos)
	case e.kind == isHost:
		return e.host(v, ether)
	}
	return e.port(v, ether)
}

func (e primitive) compare(n uint32) bool {
	switch e.op {
	case "<":
		return n < e.n
	case "<=":
		return n <= e.n
	case "=":
		return n == e.n
	case "!=":
		return n != e.n
	case ">=":
		return n >= e.n
	}
	return n > e.n
}

// proto reports whether an IP packet holds one of the protocols.
func (v *view) proto(ether uint16, protos []uint8) bool {
	switch ether {
	case etherIPv4:
		return slices.Contains(protos, v.u8(v.net+9))
	case etherIPv6:
		next := v.u8(v.net + 6)
		return slices.Contains(protos, next) || next == protoFragment && slices.Contains(protos, v.u8(v.net+40))
	}
	return false
}

// addresses are the offsets of the two addresses behind an EtherType.
func addresses(ether uint16) (from, to, size int) {
	switch ether {
	case etherIPv4:
		return 12, 16, 4
	case etherARP, etherRARP:
		return 14, 24, 4
	case etherIPv6:
		return 8, 24, 16
	}
	return 0, 0, 0
}

func (e primitive) host(v *view, ether uint16) bool {
	from, to, size := addresses(ether)
	if size == 0 || size*8 != e.prefix.Addr().BitLen() {
		return false
	}
	return e.sides(v, func() bool { return e.contains(v, v.net+from) }, func() bool { return e.contains(v, v.net+to) })
}

// contains compares an address word by word, as programs do: an address that is
// cut off is told to be another one as soon as a word differs.
func (e primitive) contains(v *view, off int) bool {
	for i, want := range e.words {
		if binary.BigEndian.Uint32(v.at(off+4*i, 4))&want.mask != want.value {
			return false
		}
	}
	return true
}

// word is four bytes of an address, of which the bits in mask count.
type word struct{ value, mask uint32 }

// words are those of a prefix, the first one first.
func words(p netip.Prefix) (all []word) {
	for b, bits := p.Addr().AsSlice(), p.Bits(); len(b) > 0; b, bits = b[4:], bits-32 {
		all = append(all, word{binary.BigEndian.Uint32(b), ^(^uint32(0) >> min(max(bits, 0), 32))})
	}
	return all
}

// sides asks the side or sides that count.
func (e primitive) sides(v *view, from, to func() bool) bool {
	switch e.dir {
	case src:
		return from()
	case dst:
		return to()
	case both:
		return from() && to()
	}
	return from() || !v.short && to()
}

func (e primitive) port(v *view, ether uint16) bool {
	var off int
	switch ether {
	case etherIPv4:
		if !slices.Contains(e.protos, v.u8(v.net+9)) || v.u16(v.net+6)&0x1fff != 0 {
			return false
		}
		off = v.net + int(v.u8(v.net)&15)*4
	case etherIPv6:
		if !slices.Contains(e.protos, v.u8(v.net+6)) {
			return false
		}
		off = v.net + 40
	default:
		return false
	}
	in := func(off int) bool { n := v.u16(off); return n >= e.lo && n <= e.hi }
	return e.sides(v, func() bool { return in(off) }, func() bool { return in(off + 2) })
}
