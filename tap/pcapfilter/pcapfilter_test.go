package pcapfilter

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

const accept = 262144 // what tcpdump's programs return

var links = map[uint16]string{LinkEthernet: "EN10MB", LinkSLL: "LINUX_SLL", LinkSLL2: "LINUX_SLL2", LinkRaw: "RAW"}

// tcpdump compiles an expression with libpcap.
func tcpdump(t *testing.T, link, text string) *bpf.VM {
	t.Helper()
	out, err := exec.Command("tcpdump", "-y", link, "-ddd", text).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) && strings.Contains(string(failed.Stderr), "expression rejects all packets") {
		out, err = []byte("1\n6 0 0 0\n"), nil
	}
	if err != nil {
		t.Fatalf("tcpdump takes %q for %s not: %v %s", text, link, err, failed.Stderr)
	}
	var program []bpf.Instruction
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n")[1:] {
		var n [4]uint64
		for i, f := range strings.Fields(line) {
			n[i], _ = strconv.ParseUint(f, 10, 32)
		}
		raw := bpf.RawInstruction{Op: uint16(n[0]), Jt: uint8(n[1]), Jf: uint8(n[2]), K: uint32(n[3])}
		program = append(program, raw.Disassemble())
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatalf("tcpdump's program for %q: %v", text, err)
	}
	return vm
}

func ours(t *testing.T, f *Filter, link uint16) *bpf.VM {
	t.Helper()
	program, err := f.Compile(link, accept)
	if err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	if _, err := bpf.Assemble(program); err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	return vm
}

func verdict(t *testing.T, vm *bpf.VM, p []byte) bool {
	t.Helper()
	n, err := vm.Run(p)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func parse(t testing.TB, text string) *Filter {
	t.Helper()
	f, err := Parse(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return f
}

// TestAgreesWithLibpcap compares hundreds of expressions, each on many packets.
func TestAgreesWithLibpcap(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump is not here: its compiler is what this compares with")
	}
	r := rand.New(rand.NewPCG(1, 2))
	fits := 0
	for link, name := range links {
		texts := []string{"", "tcp", hosts(3), "port 80 or 443 and not host 10.0.0.7", "not (ip6 host 2001:db8::7 or 2001:db8:0:1::8) and tcp"}
		for range 70 {
			texts = append(texts, expression(r, r.IntN(4)))
		}
		for _, text := range texts {
			f := parse(t, text)
			theirs, our := tcpdump(t, name, text), ours(t, f, link)
			for range 60 {
				ether, b := network(r)
				if link == LinkRaw && ether != etherIPv4 && ether != etherIPv6 {
					continue
				}
				p := linked(link, ether, b)
				want := verdict(t, theirs, p)
				if got := verdict(t, our, p); got != want {
					t.Fatalf("%s on %s: our program says %v, libpcap's %v\n%x", text, name, got, want, p)
				}
				if got := f.Match(link, p, len(p)); got != want {
					t.Fatalf("%s on %s: Match says %v, libpcap's program %v\n%x", text, name, got, want, p)
				}
				if want {
					fits++
				}
			}
		}
	}
	if fits < 3000 {
		t.Errorf("only %d of some 18,000 packets fitted", fits)
	}
}

// TestProgramIsMatch holds program and evaluator together, also on packets cut
// at any place, and on what cooked sockets see.
func TestProgramIsMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		text := expression(r, r.IntN(5))
		f := parse(t, text)
		for link := range links {
			vm := ours(t, f, link)
			for range 10 {
				ether, b := network(r)
				p := linked(link, ether, b)
				p = p[:r.IntN(len(p)+1)]
				if got, want := verdict(t, vm, p), f.Match(link, p, len(p)); got != want {
					t.Fatalf("%s on link %d: the program says %v, Match %v\n%x", text, link, got, want, p)
				}
			}
		}
		program, err := f.CompileCooked(accept)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			ether, b := network(r)
			want := f.Match(LinkEthernet, linked(LinkEthernet, ether, b), len(b))
			if got := verdict(t, knowing(t, program, ether), b); got != want {
				t.Fatalf("%s on a cooked socket: the program says %v, Match %v\n%x", text, got, want, b)
			}
		}
	}
}

// knowing is a program with the kernel's knowledge of the EtherType filled in,
// since the machine that runs it here has none.
func knowing(t *testing.T, program []bpf.Instruction, ether uint16) *bpf.VM {
	t.Helper()
	filled := append([]bpf.Instruction(nil), program...)
	for i, in := range filled {
		if e, ok := in.(bpf.LoadExtension); ok && e.Num == bpf.ExtProto {
			filled[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(ether)}
		}
	}
	vm, err := bpf.NewVM(filled)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// TestLongJumps: conditions further apart than a jump reaches.
func TestLongJumps(t *testing.T) {
	f := parse(t, "not ("+hosts(200)+") and not ("+hosts(40)+")")
	vm := ours(t, f, LinkEthernet)
	for _, c := range []struct {
		from string
		want bool
	}{{"\x0a\x01\x00\x05", false}, {"\x0a\x01\x00\xc7", false}, {"\x0a\x01\x00\xc8", true}, {"\x0b\x01\x00\x05", true}} {
		b := append(make([]byte, 12), c.from...)
		b = append(b, make([]byte, 60)...)
		b[0] = 0x45
		p := linked(LinkEthernet, etherIPv4, b)
		if got := verdict(t, vm, p); got != c.want || f.Match(LinkEthernet, p, len(p)) != c.want {
			t.Errorf("% x: %v", c.from, got)
		}
	}
	if _, err := parse(t, hosts(2000)).Compile(LinkEthernet, 1); err == nil || !strings.Contains(err.Error(), "the kernel takes 4096") {
		t.Errorf("too long a program: %v", err)
	}
	if _, err := parse(t, "tcp").Compile(147, 1); err == nil {
		t.Error("a link layer that nobody knows was compiled for")
	}
	if f := parse(t, "tcp"); f.Match(147, make([]byte, 100), 100) || !parse(t, " ").Match(147, nil, 0) {
		t.Error("a link layer that nobody knows fits")
	}
}

// TestMistakes: each message names the place and what would be right.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"port", "at column 5: what follows port is missing"},
		{"port http", `at column 6: "http" is no port; a port is a number from 0 to 65535`},
		{"port 70000", `at column 6: "70000" is no port; a port is a number from 0 to 65535`},
		{"port 80-90", `at column 6: "80-90" does not fit; say port 80 or portrange 80-90`},
		{"portrange 80", `at column 11: "80" does not fit; say port 80 or portrange 80-90`},
		{"ip port 80", "at column 1: ip has no ports; tcp, udp and sctp have"},
		{"tcp host 10.0.0.7", "at column 1: tcp does not stand before host; ip, ip6, arp and rarp do"},
		{"host shop", `at column 6: "shop" is no address; names are not looked up: say host 10.0.0.7 or host 2001:db8::7, or net for many`},
		{"ip host ::1", "at column 1: ip has no address as ::1"},
		{"ip6 host 1.2.3.4", "at column 1: ip6 has no address as 1.2.3.4"},
		{"net 10.0.0.1/8", "at column 5: 10.0.0.1/8 has bits behind its first 8; say net 10.0.0.0/8 or host 10.0.0.1"},
		{"net 10.0.0.0 mask 255.0.255.0", `at column 19: "255.0.255.0" is no mask; say 255.255.0.0 or write net 10.0.0.0/8`},
		{"80", `at column 1: "80" stands alone; say host 80, net 80 or port 80`},
		{"tcp and", "at column 8: the expression ends here; a condition is missing"},
		{"tcp and or udp", `at column 9: "or" is unknown; there are ` + Supported},
		{"(tcp", "at column 5: a closing parenthesis is missing"},
		{"tcp)", `at column 4: ")" is not expected here; join conditions by and or or`},
		{"tcp udp", `at column 5: "udp" is not expected here; join conditions by and or or`},
		{"vlan 5", `at column 1: "vlan" is unknown; there are ` + Supported},
		{"ä and tcp[13] = 2", `at column 1: 'Ã' means nothing here; there are ` + Supported},
		{"tcp[13] = 2", `at column 4: '[' means nothing here; there are ` + Supported},
		{"src or port 80", "at column 8: dst is missing here, as in src or dst port 80"},
		{"len 5", "at column 5: a comparison is missing after len, as in len <= 128"},
		{"less x", "at column 6: a number of bytes is missing here"},
		{"tcp proto 6", "at column 1: only ip and ip6 stand before proto, not tcp"},
		{"src proto 6", "at column 1: a protocol has no src or dst"},
		{"proto 256", `at column 7: "256" is no protocol; say a number from 0 to 255, or tcp, udp, sctp, icmp, icmp6, igmp, esp, ah`},
		{strings.Repeat("(", 300) + "tcp", "at column 201: parentheses are nested more than 200 deep"},
		{strings.Repeat("x", maxLength+1), "at column 65537: the expression is longer than 65536 bytes"},
	} {
		_, err := Parse(c.text)
		var e *Error
		if !errors.As(err, &e) || err.Error() != c.want {
			t.Errorf("%.40q: %v\nwant %s", c.text, err, c.want)
		}
	}
}

// FuzzFilter takes any text and any packet: what parses compiles to a program
// that loads and says what Match says.
func FuzzFilter(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 40 {
		ether, b := network(r)
		f.Add(expression(r, 3), linked(LinkEthernet, ether, b))
	}
	f.Fuzz(func(t *testing.T, text string, p []byte) {
		e, err := Parse(text)
		if err != nil {
			var at *Error
			if !errors.As(err, &at) || at.Pos < 0 || at.Pos > len(text) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for link := range links {
			program, err := e.Compile(link, accept)
			if err != nil {
				continue
			}
			vm, err := bpf.NewVM(program)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if got, want := verdict(t, vm, p), e.Match(link, p, len(p)); got != want {
				t.Fatalf("%q on link %d: the program says %v, Match %v", text, link, got, want)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	f := parse(b, "tcp port 27017 and host 10.0.0.7")
	_, n := network(rand.New(rand.NewPCG(1, 1)))
	p := linked(LinkEthernet, etherIPv4, n)
	b.ReportAllocs()
	for b.Loop() {
		f.Match(LinkEthernet, p, len(p))
	}
}
