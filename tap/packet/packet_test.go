package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// Layers of test packets are written outermost first, each as bytes that stand
// before the rest.

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func be16(v ...int) (b []byte) {
	for _, n := range v {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	return b
}

const text = "GET / HTTP/1.1\r\n"

func tcpBytes() []byte {
	h := be16(40000, 80)
	h = binary.BigEndian.AppendUint32(h, 1000)
	h = binary.BigEndian.AppendUint32(h, 2000)
	h = append(h, 6<<4, ACK|PSH)      // 24 bytes of header
	h = append(h, be16(512, 0, 0)...) // window, checksum, urgent
	h = append(h, 1, 1, 1, 1)         // options
	return append(h, text...)
}

func v4(protocol int, rest []byte) []byte { return v4piece(protocol, rest, 7, 0) }

func v4piece(protocol int, rest []byte, id, fragment int) []byte {
	h := join([]byte{0x46, 0}, be16(24+len(rest), id, fragment), []byte{64, byte(protocol)}, be16(0))
	return join(h, []byte{10, 0, 0, 1, 10, 0, 0, 2}, []byte{1, 1, 1, 0}, rest) // with four bytes of options
}

func v6(next int, rest []byte) []byte {
	src, dst := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8::2").As16()
	return join([]byte{0x60, 0, 0, 0}, be16(len(rest)), []byte{byte(next), 64}, src[:], dst[:], rest)
}

func eth(kind int, rest []byte) []byte { return join(make([]byte, 12), be16(kind), rest) }

func udpTo(port int, rest []byte) []byte { return join(be16(5555, port, 8+len(rest), 0), rest) }

// tag is one 802.1Q tag, without the type that announces it.
func tag(kind int, rest []byte) []byte { return join(be16(42, kind), rest) }

func ip4() []byte { return v4(6, tcpBytes()) }
func ip6() []byte { return v6(6, tcpBytes()) }

func wraps() []struct {
	name string
	link uint16
	b    []byte
} {
	frame := eth(0x800, ip4())
	return []struct {
		name string
		link uint16
		b    []byte
	}{
		{"Ethernet", 1, frame},
		{"Ethernet with padding", 1, join(frame, make([]byte, 20))},
		{"Ethernet, IPv6", 1, eth(0x86dd, ip6())},
		{"802.1Q", 1, eth(0x8100, tag(0x800, ip4()))},
		{"QinQ", 1, eth(0x88a8, tag(0x8100, tag(0x86dd, ip6())))},
		{"LLC and SNAP", 1, eth(8+len(ip4()), join([]byte{0xaa, 0xaa, 3, 0, 0, 0}, be16(0x800), ip4()))},
		{"LLC and SNAP in a VLAN", 1, eth(0x8100, tag(8+len(ip4()), join([]byte{0xaa, 0xaa, 3, 0, 0, 0}, be16(0x800), ip4())))},
		{"MPLS", 1, eth(0x8847, join([]byte{0, 1, 0, 64, 0, 2, 1, 64}, ip4()))},
		{"MPLS with Ethernet", 1, eth(0x8847, join([]byte{0, 2, 1, 64}, make([]byte, 4), frame))},
		{"PPPoE", 1, eth(0x8864, join([]byte{0x11, 0}, be16(1, 2+len(ip4()), 0x21), ip4()))},
		{"PPPoE, IPv6", 1, eth(0x8864, join([]byte{0x11, 0}, be16(1, 2+len(ip6()), 0x57), ip6()))},
		{"raw IPv4", 101, ip4()},
		{"raw IPv6", 101, ip6()},
		{"raw IP as 12", 12, ip4()},
		{"raw IP as 14", 14, ip6()},
		{"IPv4", 228, ip4()},
		{"IPv6", 229, ip6()},
		{"null, little endian", 0, join([]byte{2, 0, 0, 0}, ip4())},
		{"null, big endian, IPv6 of Darwin", 0, join([]byte{0, 0, 0, 30}, ip6())},
		{"null, IPv6 of FreeBSD", 0, join([]byte{28, 0, 0, 0}, ip6())},
		{"loop", 108, join([]byte{0, 0, 0, 24}, ip6())},
		{"Linux cooked", 113, join(make([]byte, 14), be16(0x800), ip4())},
		{"Linux cooked with a VLAN", 113, join(make([]byte, 14), be16(0x8100), tag(0x800, ip4()))},
		{"Linux cooked 2", 276, join(be16(0x86dd), make([]byte, 18), ip6())},
		{"NFLOG", 239, join([]byte{2, 0, 0, 0}, []byte{5, 0, 1, 0, 9, 0, 0, 0}, []byte{byte(4 + len(ip4())), 0, 9, 0}, ip4())},
		{"PPP", 9, join([]byte{0xff, 3, 0, 0x21}, ip4())},
		{"PPP, compressed", 9, join([]byte{0x21}, ip4())},
		{"PPP in HDLC", 50, join([]byte{0xff, 3, 0, 0x57}, ip6())},
		{"Cisco HDLC on PPP", 50, join([]byte{0x0f, 0, 8, 0}, ip4())},
		{"Cisco HDLC", 104, join([]byte{0x0f, 0, 8, 0}, ip4())},
		{"IP in IP", 101, v4(4, ip4())},
		{"6in4", 101, v4(41, ip6())},
		{"4in6", 101, v6(4, ip4())},
		{"extension headers", 101, v6(0, join([]byte{43, 0, 0, 0, 0, 0, 0, 0}, []byte{60, 1}, make([]byte, 14), []byte{51, 0}, make([]byte, 6), []byte{6, 4}, make([]byte, 22), tcpBytes()))},
		{"an atomic fragment", 101, v6(44, join([]byte{6, 0, 0, 0, 0, 0, 0, 9}, tcpBytes()))},
		{"GRE", 101, v4(47, join(be16(0, 0x800), ip4()))},
		{"GRE with checksum, key and sequence", 101, v4(47, join(be16(0xb000, 0x86dd), make([]byte, 12), ip6()))},
		{"GRE version 1 (PPTP)", 101, v4(47, join(be16(0x3081, 0x880b), make([]byte, 12), []byte{0x21}, ip4()))},
		{"GRE with Ethernet (NVGRE)", 101, v4(47, join(be16(0x2000, 0x6558), make([]byte, 4), frame))},
		{"ERSPAN I", 101, v4(47, join(be16(0, 0x88be), frame))},
		{"ERSPAN II", 101, v4(47, join(be16(0x1000, 0x88be), make([]byte, 4), make([]byte, 8), frame))},
		{"ERSPAN III", 101, v4(47, join(be16(0x1000, 0x22eb), make([]byte, 4), make([]byte, 12), frame))},
		{"ERSPAN III with its second header", 101, v4(47, join(be16(0x1000, 0x22eb), make([]byte, 4), make([]byte, 11), []byte{1}, make([]byte, 8), frame))},
		{"VXLAN", 101, v4(17, udpTo(4789, join([]byte{8, 0, 0, 0, 0, 0, 1, 0}, frame)))},
		{"Geneve with options", 101, v4(17, udpTo(6081, join([]byte{2, 0}, be16(0x6558), make([]byte, 4), make([]byte, 8), frame)))},
		{"GRE in UDP", 101, v4(17, udpTo(4754, join(be16(0, 0x800), ip4())))},
		{"MPLS in UDP", 101, v4(17, udpTo(6635, join([]byte{0, 2, 1, 64}, ip4())))},
		{"Teredo", 101, v4(17, udpTo(3544, join([]byte{0, 0, 0, 0, 0, 0, 0, 0}, ip6())))},
		{"Teredo with authentication", 101, v4(17, udpTo(3544, join([]byte{0, 1, 0, 0}, make([]byte, 9), make([]byte, 8), ip6())))},
		{"GTP-U", 101, v4(17, udpTo(2152, join([]byte{0x30, 255, 0, 0, 0, 0, 0, 1}, ip4())))},
		{"GTP-U with an extension", 101, v4(17, udpTo(2152, join([]byte{0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0}, ip4())))},
		{"VXLAN in MPLS in QinQ", 1, eth(0x88a8, tag(0x8100, tag(0x8847, join([]byte{0, 2, 1, 64}, v4(17, udpTo(4789, join([]byte{8, 0, 0, 0, 0, 0, 1, 0}, eth(0x86dd, ip6()))))))))},
	}
}

func TestEveryWrapping(t *testing.T) {
	for _, w := range wraps() {
		t.Run(w.name, func(t *testing.T) {
			p := NewParser(DefaultLimits())
			var s Segment
			if !p.Parse(w.link, 1, w.b, len(w.b), &s) {
				t.Fatalf("no segment was found: %+v", p.Counts)
			}
			check(t, &s, text, 0)
		})
	}
}

func check(t *testing.T, s *Segment, payload string, missing int) {
	t.Helper()
	src, dst := s.Src.AddrPort().String(), s.Dst.AddrPort().String()
	ok4 := src == "10.0.0.1:40000" && dst == "10.0.0.2:80"
	ok6 := src == "[2001:db8::1]:40000" && dst == "[2001:db8::2]:80"
	if !ok4 && !ok6 {
		t.Errorf("from %s to %s", src, dst)
	}
	if s.Seq != 1000 || s.Ack != 2000 || s.Flags != ACK|PSH {
		t.Errorf("segment %+v", s)
	}
	if string(s.Payload) != payload || s.Missing != missing {
		t.Errorf("payload %q and %d missing, not %q and %d", s.Payload, s.Missing, payload, missing)
	}
}

// TestEveryCut takes every packet above in every shorter length, as a snapshot
// length cuts it: what is left of the payload and what is missing make up the
// whole, and where the header is cut too nothing is found.
func TestEveryCut(t *testing.T) {
	for _, w := range wraps() {
		if w.name == "NFLOG" || strings.Contains(w.name, "padding") {
			continue // what is cut there is not told by a length of IP
		}
		for n := range len(w.b) {
			p := NewParser(DefaultLimits())
			var s Segment
			if !p.Parse(w.link, 1, slices.Clip(w.b[:n]), len(w.b), &s) {
				continue
			}
			if got := len(s.Payload) + s.Missing; got != len(text) || !strings.HasPrefix(text, string(s.Payload)) {
				t.Errorf("%s cut to %d of %d: %d bytes of payload and %d missing", w.name, n, len(w.b), len(s.Payload), s.Missing)
			}
		}
	}
}

func TestWhatIsNoTCPIsCounted(t *testing.T) {
	for _, c := range []struct {
		name string
		link uint16
		b    []byte
		want Counts
	}{
		{"ARP", 1, eth(0x806, make([]byte, 28)), Counts{Other: 1}},
		{"UDP", 101, v4(17, udpTo(53, []byte("x"))), Counts{Other: 1}},
		{"half a frame", 1, make([]byte, 9), Counts{Broken: 1}},
		{"a header longer than the packet", 101, func() []byte { b := ip4(); b[24+12] = 15 << 4; return b }(), Counts{Broken: 1}},
		{"an unknown link", 147, ip4(), Counts{Unknown: 1, UnknownLink: 147}},
		{"an endless nest", 1, eth(0x8100, []byte(strings.Repeat("\x00\x01\x81\x00", 100))), Counts{Other: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewParser(DefaultLimits())
			if p.Parse(c.link, 1, c.b, len(c.b), new(Segment)) || p.Counts != c.want {
				t.Errorf("got %+v, want %+v", p.Counts, c.want)
			}
		})
	}
}

// TestSegmentedByTheCard: a total length of 0 means that the frame tells it.
func TestSegmentedByTheCard(t *testing.T) {
	b := ip4()
	b[2], b[3] = 0, 0
	var s Segment
	if !NewParser(DefaultLimits()).Parse(101, 1, b, len(b), &s) {
		t.Fatal("no segment")
	}
	check(t, &s, text, 0)
}

func TestParseAllocatesNothing(t *testing.T) {
	b := eth(0x8100, tag(0x86dd, ip6()))
	p := NewParser(DefaultLimits())
	var s Segment
	if n := testing.AllocsPerRun(100, func() { p.Parse(1, 1, b, len(b), &s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse gives any bytes to every link layer: a payload never exceeds the
// packet, unless fragments made it up.
func FuzzParse(f *testing.F) {
	for _, w := range wraps() {
		f.Add(w.link, w.b, uint16(0))
	}
	f.Add(uint16(101), v4piece(6, tcpBytes()[:24], 7, 0x2000), uint16(9))
	f.Fuzz(func(t *testing.T, link uint16, b []byte, cut uint16) {
		p := NewParser(DefaultLimits())
		var s Segment
		b = slices.Clip(b)
		for at := range int64(2) {
			found := p.Parse(link, at, b, len(b)+int(cut), &s)
			if found && p.Counts.Fragments == 0 && len(s.Payload) > len(b) {
				t.Fatalf("%d bytes of payload in %d", len(s.Payload), len(b))
			}
			if found && (s.Missing < 0 || s.Missing > 1<<17) {
				t.Fatalf("%d bytes are missing", s.Missing)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	pkt := eth(0x800, v4(6, join(tcpBytes(), make([]byte, 1400))))
	p := NewParser(DefaultLimits())
	var s Segment
	b.ReportAllocs()
	for b.Loop() {
		p.Parse(1, 1, pkt, len(pkt), &s)
	}
}
