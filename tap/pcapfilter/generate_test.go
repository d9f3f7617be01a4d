package pcapfilter

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

// Few values, so that expressions and packets meet.
var (
	someV4    = []string{"10.0.0.7", "10.0.1.8", "192.168.1.1", "255.255.255.255"}
	someV6    = []string{"2001:db8::7", "2001:db8:0:1::8", "fe80::1"}
	someNets  = []string{"10", "10.0.0.0/8", "10.0", "10.0.0.0/24", "192.168.1.0 mask 255.255.255.0", "10.0.0.7/32", "10.0.0.4/30", "128.0.0.0/1"}
	someNets6 = []string{"2001:db8::/32", "2001:db8::/63", "fe80::/10", "2001:db8::7", "2001:db8:0:1::/64"}
	somePorts = []uint16{22, 80, 443, 27017, 65535}
	someProto = []uint8{1, 2, 6, 17, 44, 50, 51, 58, 132, 89}
)

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// expression makes one that both we and tcpdump take.
func expression(r *rand.Rand, depth int) string {
	if depth > 0 {
		switch r.IntN(5) {
		case 0:
			return expression(r, depth-1) + pick(r, []string{" and ", " && "}) + expression(r, depth-1)
		case 1:
			return expression(r, depth-1) + pick(r, []string{" or ", " || "}) + expression(r, depth-1)
		case 2:
			return "(" + expression(r, depth-1) + pick(r, []string{" and ", " or "}) + expression(r, depth-1) + ")"
		case 3:
			return pick(r, []string{"not ", "! ", "not not "}) + "(" + expression(r, depth-1) + ")"
		}
	}
	dir := pick(r, []string{"", "", "src ", "dst ", "src or dst ", "src and dst "})
	switch r.IntN(11) {
	case 0:
		return pick(r, []string{"ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "esp", "ah"})
	case 1:
		return pick(r, []string{"", "ip ", "arp ", "rarp "}) + dir + "host " + pick(r, someV4)
	case 2:
		return pick(r, []string{"", "ip6 "}) + dir + "host " + pick(r, someV6)
	case 3:
		return pick(r, []string{"", "ip ", "arp "}) + dir + "net " + pick(r, someNets)
	case 4:
		return pick(r, []string{"", "ip6 "}) + dir + "net " + pick(r, someNets6)
	case 5, 6:
		return fmt.Sprint(pick(r, []string{"", "tcp ", "udp ", "sctp "}), dir, "port ", pick(r, somePorts))
	case 7:
		lo := pick(r, somePorts)
		return fmt.Sprint(pick(r, []string{"", "tcp ", "udp "}), dir, "portrange ", lo, "-", pick(r, somePorts))
	case 8:
		return fmt.Sprint(pick(r, []string{"", "ip ", "ip6 "}), "proto ", pick(r, someProto))
	case 9:
		return fmt.Sprint(pick(r, []string{"less", "greater", "len <", "len <=", "len =", "len !=", "len >=", "len >"}), " ", 100+r.IntN(10))
	}
	return fmt.Sprint("port ", pick(r, somePorts), pick(r, []string{" or ", " and ", " or not "}), pick(r, somePorts))
}

// network makes the network layer of a packet, with its EtherType.
func network(r *rand.Rand) (ether uint16, b []byte) {
	b = make([]byte, 86+r.IntN(10))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	v4 := func(off int) {
		if a := netip.MustParseAddr(pick(r, someV4)).As4(); r.IntN(4) > 0 {
			copy(b[off:], a[:])
		}
	}
	v6 := func(off int) {
		if a := netip.MustParseAddr(pick(r, someV6)).As16(); r.IntN(4) > 0 {
			copy(b[off:], a[:])
		}
	}
	ports := func(off int) {
		binary.BigEndian.PutUint16(b[off:], pick(r, somePorts))
		binary.BigEndian.PutUint16(b[off+2:], pick(r, somePorts))
	}
	switch r.IntN(8) {
	case 0, 1, 2:
		header := 5 + r.IntN(3)
		b[0] = 0x40 | byte(header)
		binary.BigEndian.PutUint16(b[6:], pick(r, []uint16{0, 0, 0x4000, 0x2000, 0x2005, 0x0009}))
		b[9] = pick(r, someProto)
		v4(12)
		v4(16)
		ports(4 * header)
		return etherIPv4, b
	case 3, 4, 5:
		b[0] = 0x60
		b[6] = pick(r, someProto)
		v6(8)
		v6(24)
		ports(40)
		if b[6] == protoFragment {
			b[40] = pick(r, someProto)
		}
		return etherIPv6, b
	case 6:
		v4(14)
		v4(24)
		return pick(r, []uint16{etherARP, etherRARP}), b
	}
	return pick(r, []uint16{0x8100, 0x88b5, 100}), b
}

// linked puts a link layer before a network layer.
func linked(link, ether uint16, b []byte) []byte {
	head := map[uint16]int{LinkEthernet: 14, LinkSLL: 16, LinkSLL2: 20}[link]
	p := append(make([]byte, head), b...)
	if l, ok := layoutOf(link); ok && l.ether >= 0 {
		binary.BigEndian.PutUint16(p[l.ether:], ether)
	}
	return p
}

// hosts is an expression so long that its jumps are.
func hosts(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("10.1.%d.%d", i/256, i%256)
	}
	return "host " + strings.Join(all, " or ")
}
