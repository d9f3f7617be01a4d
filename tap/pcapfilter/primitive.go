package pcapfilter

import "net/netip"

// kind is what a primitive looks at.
type kind uint8

const (
	isEther kind = iota // the EtherType is ether
	isProto             // the IP protocol is one of protos, in the families that ether names (0: both)
	isHost              // an address is in prefix, in the protocol that ether names (0: all that have such addresses)
	isPort              // a port is from lo to hi, in one of protos
	isLen               // the length on the wire compares with n
)

// direction is which addresses or ports count.
type direction uint8

const (
	either direction = iota
	src
	dst
	both
)

// EtherTypes.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherRARP = 0x8035
	etherIPv6 = 0x86dd
)

// IP protocol numbers with names. Order of ports: as they are asked for.
const (
	protoICMP     = 1
	protoIGMP     = 2
	protoTCP      = 6
	protoUDP      = 17
	protoFragment = 44
	protoESP      = 50
	protoAH       = 51
	protoICMP6    = 58
	protoSCTP     = 132
)

// primitive is one condition on a packet.
type primitive struct {
	kind   kind
	ether  uint16
	dir    direction
	protos []uint8
	prefix netip.Prefix
	words  []word // of prefix
	lo, hi uint16
	op     string // <, <=, =, !=, >=, >
	n      uint32
}

// named are the protocols that are a condition by themselves.
func named(word string) (p primitive, ok bool) {
	switch word {
	case "ip":
		return primitive{kind: isEther, ether: etherIPv4}, true
	case "ip6":
		return primitive{kind: isEther, ether: etherIPv6}, true
	case "arp":
		return primitive{kind: isEther, ether: etherARP}, true
	case "rarp":
		return primitive{kind: isEther, ether: etherRARP}, true
	case "icmp":
		return primitive{kind: isProto, ether: etherIPv4, protos: []uint8{protoICMP}}, true
	case "igmp":
		return primitive{kind: isProto, ether: etherIPv4, protos: []uint8{protoIGMP}}, true
	case "icmp6":
		return primitive{kind: isProto, ether: etherIPv6, protos: []uint8{protoICMP6}}, true
	}
	n, ok := protocolNumber(word)
	return primitive{kind: isProto, protos: []uint8{n}}, ok
}

// protocolNumber is the IP protocol of that name.
func protocolNumber(word string) (uint8, bool) {
	switch word {
	case "tcp":
		return protoTCP, true
	case "udp":
		return protoUDP, true
	case "sctp":
		return protoSCTP, true
	case "icmp":
		return protoICMP, true
	case "icmp6":
		return protoICMP6, true
	case "igmp":
		return protoIGMP, true
	case "esp":
		return protoESP, true
	case "ah":
		return protoAH, true
	}
	return 0, false
}

// etherOf is the EtherType that a word before host, net or proto stands for.
func etherOf(word string) (uint16, bool) {
	switch word {
	case "ip":
		return etherIPv4, true
	case "ip6":
		return etherIPv6, true
	case "arp":
		return etherARP, true
	case "rarp":
		return etherRARP, true
	}
	return 0, word == ""
}
