package pcapfilter

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// parser reads tokens by recursive descent; depth bounds its recursion.
type parser struct {
	text   string
	tokens []token
	next   int
	depth  int
	last   *qualifiers // of the latest primitive with an id
}

// qualifiers are the words before an id.
type qualifiers struct {
	proto string // as it was written, "" for none
	dir   direction
	kind  string // host, net, port, portrange or proto
}

// errorf is a mistake at token number i, or at the end.
func (p *parser) errorf(i int, format string, a ...any) error {
	pos := len(p.text)
	if i < len(p.tokens) {
		pos = p.tokens[i].pos
	}
	return &Error{Input: p.text, Pos: pos, Msg: fmt.Sprintf(format, a...)}
}

// peek is the token to come, "" at the end.
func (p *parser) peek() string {
	if p.next < len(p.tokens) {
		return p.tokens[p.next].text
	}
	return ""
}

// take goes over the token to come when it is that one.
func (p *parser) take(text string) bool {
	if p.peek() != text {
		return false
	}
	p.next++
	return true
}

func (p *parser) parse() (expr, error) {
	e, err := p.expression()
	if err != nil {
		return nil, err
	}
	if p.next < len(p.tokens) {
		return nil, p.errorf(p.next, "%q is not expected here; join conditions by and or or", p.peek())
	}
	return e, nil
}

// expression is terms joined by and and or, which bind equally.
func (p *parser) expression() (expr, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxNesting {
		return nil, p.errorf(p.next, "parentheses are nested more than %d deep", maxNesting)
	}
	e, err := p.term()
	for err == nil {
		var right expr
		switch {
		case p.take("and"):
			right, err = p.term()
			e = and{e, right}
		case p.take("or"):
			right, err = p.term()
			e = or{e, right}
		default:
			return e, nil
		}
	}
	return nil, err
}

// term is a condition with any number of nots before it.
func (p *parser) term() (expr, error) {
	negated := false
	for p.take("not") {
		negated = !negated
	}
	e, err := p.operand()
	if err == nil && negated {
		e = not{e}
	}
	return e, err
}

func (p *parser) operand() (expr, error) {
	switch {
	case p.next == len(p.tokens):
		return nil, p.errorf(p.next, "the expression ends here; a condition is missing")
	case p.take("("):
		e, err := p.expression()
		if err == nil && !p.take(")") {
			err = p.errorf(p.next, "a closing parenthesis is missing")
		}
		return e, err
	case p.tokens[p.next].op:
		return nil, p.errorf(p.next, "%q is not expected here; a condition is missing", p.peek())
	}
	return p.primitive()
}

// primitive is one condition.
func (p *parser) primitive() (expr, error) {
	switch word := p.peek(); {
	case word == "less", word == "greater", word == "len":
		return p.length()
	case strings.IndexByte("0123456789", word[0]) >= 0 || strings.Contains(word, ":"):
		return p.alone()
	}
	at := p.next
	q := qualifiers{}
	if _, ok := named(p.peek()); ok {
		q.proto = p.peek()
		p.next++
	}
	has, err := p.direction(&q)
	if err != nil {
		return nil, err
	}
	switch p.peek() {
	case "host", "net", "port", "portrange", "proto":
		q.kind = p.peek()
		p.next++
	default:
		if q.proto != "" && !has {
			n, _ := named(q.proto)
			return n, nil
		}
		if !has {
			return nil, p.errorf(at, "%q is unknown; there are %s", p.peek(), Supported)
		}
		q.kind = "host"
	}
	p.last = &q
	return p.id(&q, at)
}

// direction reads src, dst, and both with a word between.
func (p *parser) direction(q *qualifiers) (has bool, err error) {
	switch {
	case p.take("src"):
		q.dir = src
	case p.take("dst"):
		q.dir = dst
	default:
		return false, nil
	}
	join := p.peek()
	if join != "or" && join != "and" {
		return true, nil
	}
	p.next++
	other := map[direction]string{src: "dst", dst: "src"}[q.dir]
	if !p.take(other) {
		return true, p.errorf(p.next, "%s is missing here, as in src or dst port 80", other)
	}
	if q.dir = either; join == "and" {
		q.dir = both
	}
	return true, nil
}

// alone is an id without words before it: it takes those of the one before.
func (p *parser) alone() (expr, error) {
	if p.last == nil {
		return nil, p.errorf(p.next, "%q stands alone; say host %[1]s, net %[1]s or port %[1]s", p.peek())
	}
	return p.id(p.last, p.next)
}

// id reads what q is about. at is where q began.
func (p *parser) id(q *qualifiers, at int) (expr, error) {
	if p.next == len(p.tokens) || p.tokens[p.next].op {
		return nil, p.errorf(p.next, "what follows %s is missing", q.kind)
	}
	i := p.next
	word := p.peek()
	p.next++
	switch q.kind {
	case "host":
		return p.host(q, word, i, at)
	case "net":
		return p.net(q, word, i, at)
	case "proto":
		return p.proto(q, word, i, at)
	}
	return p.port(q, word, i, at)
}

func (p *parser) port(q *qualifiers, word string, i, at int) (expr, error) {
	e := primitive{kind: isPort, dir: q.dir, protos: []uint8{protoSCTP, protoTCP, protoUDP}}
	switch q.proto {
	case "":
	case "tcp", "udp", "sctp":
		n, _ := protocolNumber(q.proto)
		e.protos = []uint8{n}
	default:
		return nil, p.errorf(at, "%s has no ports; tcp, udp and sctp have", q.proto)
	}
	from, to, isRange := strings.Cut(word, "-")
	if isRange != (q.kind == "portrange") {
		return nil, p.errorf(i, "%q does not fit; say port 80 or portrange 80-90", word)
	}
	if !isRange {
		to = from
	}
	lo, err := strconv.ParseUint(from, 10, 16)
	hi, err2 := strconv.ParseUint(to, 10, 16)
	if err != nil || err2 != nil {
		return nil, p.errorf(i, "%q is no port; a port is a number from 0 to 65535", word)
	}
	e.lo, e.hi = uint16(min(lo, hi)), uint16(max(lo, hi))
	return e, nil
}

func (p *parser) proto(q *qualifiers, word string, i, at int) (expr, error) {
	e := primitive{kind: isProto}
	switch q.proto {
	case "", "ip", "ip6":
		e.ether, _ = etherOf(q.proto)
	default:
		return nil, p.errorf(at, "only ip and ip6 stand before proto, not %s", q.proto)
	}
	if q.dir != either {
		return nil, p.errorf(at, "a protocol has no src or dst")
	}
	n, ok := protocolNumber(strings.TrimPrefix(word, `\`))
	if !ok {
		v, err := strconv.ParseUint(word, 10, 8)
		if err != nil {
			return nil, p.errorf(i, "%q is no protocol; say a number from 0 to 255, or tcp, udp, sctp, icmp, icmp6, igmp, esp, ah", word)
		}
		n = uint8(v)
	}
	e.protos = []uint8{n}
	return e, nil
}

// family checks that the words before an address fit to it.
func (p *parser) family(q *qualifiers, a netip.Addr, at int) (primitive, error) {
	e := primitive{kind: isHost, dir: q.dir}
	var ok bool
	if e.ether, ok = etherOf(q.proto); !ok {
		return e, p.errorf(at, "%s does not stand before %s; ip, ip6, arp and rarp do", q.proto, q.kind)
	}
	if a.Is6() && e.ether != 0 && e.ether != etherIPv6 || a.Is4() && e.ether == etherIPv6 {
		return e, p.errorf(at, "%s has no address as %s", q.proto, a)
	}
	return e, nil
}

func (p *parser) host(q *qualifiers, word string, i, at int) (expr, error) {
	a, err := netip.ParseAddr(word)
	if err != nil || a.Is4In6() || a.Zone() != "" {
		return nil, p.errorf(i, "%q is no address; names are not looked up: say host 10.0.0.7 or host 2001:db8::7, or net for many", word)
	}
	e, err := p.family(q, a, at)
	e.prefix = netip.PrefixFrom(a, a.BitLen())
	e.words = words(e.prefix)
	return e, err
}

func (p *parser) net(q *qualifiers, word string, i, at int) (expr, error) {
	prefix, err := parseNet(word)
	if err != nil {
		return nil, p.errorf(i, "%q is no network; say net 10.0.0.0/8, net 10.0.0.0 mask 255.0.0.0, net 10 or net 2001:db8::/32", word)
	}
	if p.take("mask") {
		m, err := netip.ParseAddr(p.peek())
		ones := maskBits(m)
		if err != nil || !m.Is4() || !prefix.Addr().Is4() || strings.Contains(word, "/") || ones < 0 {
			return nil, p.errorf(p.next, "%q is no mask; say 255.255.0.0 or write net 10.0.0.0/8", p.peek())
		}
		p.next++
		prefix = netip.PrefixFrom(prefix.Addr(), ones)
	}
	if prefix.Masked() != prefix {
		return nil, p.errorf(i, "%s has bits behind its first %d; say net %s or host %s", word, prefix.Bits(), prefix.Masked(), prefix.Addr())
	}
	e, err := p.family(q, prefix.Addr(), at)
	e.prefix, e.words = prefix, words(prefix)
	return e, err
}

// parseNet reads a prefix, an address, or the first bytes of an IPv4 address.
func parseNet(word string) (netip.Prefix, error) {
	address, bits, has := strings.Cut(word, "/")
	parts := strings.Count(address, ".") + 1
	if !strings.Contains(address, ":") && parts < 4 {
		address += strings.Repeat(".0", 4-parts)
	}
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4In6() || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("no address")
	}
	if has {
		n, err := strconv.ParseUint(bits, 10, 8)
		if err != nil || int(n) > a.BitLen() {
			return netip.Prefix{}, fmt.Errorf("no length")
		}
		return netip.PrefixFrom(a, int(n)), nil
	}
	if a.Is6() {
		return netip.PrefixFrom(a, 128), nil
	}
	return netip.PrefixFrom(a, 8*parts), nil
}

// maskBits is how many ones a mask begins with; -1 when it has others.
func maskBits(m netip.Addr) int {
	if !m.Is4() {
		return -1
	}
	b := m.As4()
	v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	for n := 0; n <= 32; n++ {
		if v == uint32(math.MaxUint32<<(32-n)) {
			return n
		}
	}
	return -1
}

// length is a condition on the length on the wire.
func (p *parser) length() (expr, error) {
	e := primitive{kind: isLen}
	switch {
	case p.take("less"):
		e.op = "<="
	case p.take("greater"):
		e.op = ">="
	default:
		p.next++
		switch e.op = p.peek(); e.op {
		case "<", "<=", "=", "!=", ">=", ">":
			p.next++
		default:
			return nil, p.errorf(p.next, "a comparison is missing after len, as in len <= 128")
		}
	}
	n, err := strconv.ParseUint(p.peek(), 10, 32)
	if err != nil {
		return nil, p.errorf(p.next, "a number of bytes is missing here")
	}
	p.next++
	e.n = uint32(n)
	return e, nil
}
