// Package packet finds the TCP segment in a captured packet, whatever it is
// wrapped in: link layers, VLANs, IPv4 and IPv6, fragments and tunnels.
//
// Each link layer and tunnel is a function in a file of its own and a line in
// the table below. None of them believes a length that it has not bounded.
package packet

import "net/netip"

// Endpoint is one end of a connection, in a form that is cheap to compare.
type Endpoint struct {
	Addr   [16]byte // an IPv4 address takes the first four bytes
	Port   uint16
	Family uint16 // 4 or 6
}

// AddrPort is e in its usual form.
func (e Endpoint) AddrPort() netip.AddrPort {
	if e.Family == 4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(e.Addr[:4])), e.Port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(e.Addr), e.Port)
}

// Flags of a TCP segment (RFC 9293, section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Segment is one TCP segment. Payload points into the packet.
type Segment struct {
	Src, Dst Endpoint
	Seq, Ack uint32
	Flags    uint8
	Payload  []byte
	Missing  int // bytes of the payload's end that the capture cut off
}

// Limits bound what fragments may make us hold.
type Limits struct {
	Fragments int   // datagrams that wait for their other fragments
	Datagram  int   // bytes of one datagram
	Wait      int64 // nanoseconds that a datagram waits
	Nesting   int   // layers of one packet
}

// DefaultLimits hold at most 256 datagrams of 64 KiB, for 30 s each.
func DefaultLimits() Limits {
	return Limits{Fragments: 256, Datagram: 64 << 10, Wait: 30e9, Nesting: 24}
}

// Counts say what became of the packets.
type Counts struct {
	TCP         uint64 // gave a segment
	Other       uint64 // hold something else
	Broken      uint64 // a header is cut off or wrong
	Fragments   uint64 // IP fragments seen
	Reassembled uint64 // datagrams made whole out of fragments
	Unknown     uint64 // packets of a link layer that is not known
	UnknownLink uint16 // the last such LINKTYPE_ number
}

// Parser takes packets apart. It remembers fragments and nothing else.
type Parser struct {
	Counts    Counts
	limits    Limits
	fragments fragments
	cursor    cursor // of the packet at hand; here so that it costs no allocation
}

// NewParser makes a parser.
func NewParser(l Limits) *Parser { return &Parser{limits: l, fragments: newFragments(l)} }

// layer names what comes next in a packet.
type layer uint8

const (
	other  layer = iota // nothing that could hold TCP
	broken              // cut off or wrong
	waits               // a fragment that waits for the others
	found               // TCP: the segment is filled

	ethernet
	sll
	sll2
	null
	loop
	nflog
	pppHDLC
	chdlc
	ppp
	pppoe
	vlan
	snap
	mpls
	ip
	ipv4
	ipv6
	tcp
	udp
	gre
	erspan1
	erspan2
	erspan3
	vxlan
	geneve
	teredo
	gtp
	numLayers
)

// parsers is the table of all layers.
var parsers = [numLayers]func(*cursor) layer{
	ethernet: (*cursor).ethernet,
	sll:      (*cursor).sll,
	sll2:     (*cursor).sll2,
	null:     (*cursor).null,
	loop:     (*cursor).loop,
	nflog:    (*cursor).nflog,
	pppHDLC:  (*cursor).pppHDLC,
	chdlc:    (*cursor).chdlc,
	ppp:      (*cursor).ppp,
	pppoe:    (*cursor).pppoe,
	vlan:     (*cursor).vlan,
	snap:     (*cursor).snap,
	mpls:     (*cursor).mpls,
	ip:       (*cursor).ip,
	ipv4:     (*cursor).ipv4,
	ipv6:     (*cursor).ipv6,
	tcp:      (*cursor).tcp,
	udp:      (*cursor).udp,
	gre:      (*cursor).gre,
	erspan1:  (*cursor).erspan1,
	erspan2:  (*cursor).erspan2,
	erspan3:  (*cursor).erspan3,
	vxlan:    (*cursor).vxlan,
	geneve:   (*cursor).geneve,
	teredo:   (*cursor).teredo,
	gtp:      (*cursor).gtp,
}

// linkLayer is the layer of a LINKTYPE_ number.
func linkLayer(link uint16) (layer, bool) {
	switch link {
	case 1:
		return ethernet, true
	case 0:
		return null, true
	case 108:
		return loop, true
	case 12, 14, 101, 228, 229: // raw IP under its five numbers
		return ip, true
	case 113:
		return sll, true
	case 276:
		return sll2, true
	case 239:
		return nflog, true
	case 9:
		return ppp, true
	case 50:
		return pppHDLC, true
	case 51:
		return pppoe, true
	case 104:
		return chdlc, true
	case 219:
		return mpls, true
	}
	return other, false
}

// etherLayer is the layer of an EtherType.
func etherLayer(t uint16) layer {
	switch t {
	case 0x0800:
		return ipv4
	case 0x86dd:
		return ipv6
	case 0x8100, 0x88a8, 0x9100, 0x9200:
		return vlan
	case 0x8847, 0x8848:
		return mpls
	case 0x8864:
		return pppoe
	case 0x6558, 0x1: // transparent bridging; 1 is what SLL says of frames
		return ethernet
	case 0x88be:
		return erspan2
	case 0x22eb:
		return erspan3
	case 0x880b:
		return ppp
	}
	return other
}

// protocolLayer is the layer of an IP protocol number.
func protocolLayer(p uint8) layer {
	switch p {
	case 6:
		return tcp
	case 17:
		return udp
	case 4:
		return ipv4
	case 41:
		return ipv6
	case 47:
		return gre
	case 137:
		return mpls
	}
	return other
}

// cursor walks through one packet.
type cursor struct {
	b   []byte // what is left
	cut int    // bytes that followed b on the wire and were not captured
	at  int64
	seg *Segment
	p   *Parser
}

// skip goes over n bytes of header.
func (c *cursor) skip(n int) bool {
	if n > len(c.b) {
		return false
	}
	c.b = c.b[n:]
	return true
}

// limit says that the layer's header and content have n bytes: what follows is
// padding, and what lacks was cut off.
func (c *cursor) limit(n int) {
	if n <= len(c.b) {
		c.b, c.cut = c.b[:n], 0
		return
	}
	c.cut = n - len(c.b)
}

// Parse fills s when the packet holds a TCP segment. link is a LINKTYPE_
// number, at the time in nanoseconds, wire the packet's length on the wire.
func (p *Parser) Parse(link uint16, at int64, b []byte, wire int, s *Segment) bool {
	next, known := linkLayer(link)
	if !known {
		p.Counts.Unknown++
		p.Counts.UnknownLink = link
		return false
	}
	c := &p.cursor
	*c = cursor{b: b, cut: max(0, wire-len(b)), at: at, seg: s, p: p}
	for range p.limits.Nesting {
		switch next {
		case found:
			p.Counts.TCP++
			return true
		case other:
			p.Counts.Other++
			return false
		case broken:
			p.Counts.Broken++
			return false
		case waits:
			return false
		}
		next = parsers[next](c)
	}
	p.Counts.Other++
	return false
}
