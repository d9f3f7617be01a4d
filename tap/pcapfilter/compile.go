package pcapfilter

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
)

// maxProgram is how many instructions the kernel takes.
const maxProgram = 4096

// Compile makes the program that returns snap for packets that fit and 0 for
// others. link is a LINKTYPE_ number.
func (f *Filter) Compile(link uint16, snap uint32) ([]bpf.Instruction, error) {
	l, ok := layoutOf(link)
	if !ok {
		return nil, fmt.Errorf("packets of link type %d cannot be filtered", link)
	}
	return f.compile(l, snap)
}

// CompileCooked is Compile for sockets whose packets begin with the network
// layer and whose EtherType the kernel knows.
func (f *Filter) CompileCooked(snap uint32) ([]bpf.Instruction, error) {
	return f.compile(layout{kernelEther, 0}, snap)
}

func (f *Filter) compile(l layout, snap uint32) ([]bpf.Instruction, error) {
	if f.root == nil {
		return []bpf.Instruction{bpf.RetConstant{Val: snap}}, nil
	}
	g := &generator{layout: l}
	no := g.emit(bpf.RetConstant{Val: 0})
	yes := g.emit(bpf.RetConstant{Val: snap})
	if start := f.root.gen(g, yes, no); start != g.here() {
		g.emit(bpf.Jump{Skip: uint32(g.here() - start)})
	}
	if len(g.code) > maxProgram {
		return nil, &Error{Input: f.text, Msg: fmt.Sprintf("the expression needs %d instructions and the kernel takes %d; make it shorter, with nets instead of hosts, or filter what was decoded with --filter", len(g.code), maxProgram)}
	}
	slices.Reverse(g.code)
	return g.code, nil
}

// generator makes a program from its end to its beginning, so that the target
// of every jump is there before the jump.
type generator struct {
	layout
	code []bpf.Instruction // the last one first
}

// label is a place of the program: how many instructions there are from it to
// the end.
type label int

func (g *generator) here() label { return label(len(g.code)) }

func (g *generator) emit(i bpf.Instruction) label {
	g.code = append(g.code, i)
	return g.here()
}

// near is a label with the same continuation as to that a condition can jump
// to: it can skip 255 instructions, of which another near may take one.
func (g *generator) near(to label) label {
	if g.here()-to <= 250 {
		return to
	}
	return g.emit(bpf.Jump{Skip: uint32(g.here() - to)})
}

// test loads something and compares it.
func (g *generator) test(c bpf.JumpTest, val uint32, yes, no label, load ...bpf.Instruction) label {
	yes, no = g.near(yes), g.near(no)
	g.emit(bpf.JumpIf{Cond: c, Val: val, SkipTrue: uint8(g.here() - yes), SkipFalse: uint8(g.here() - no)})
	slices.Reverse(load)
	for _, i := range load {
		g.emit(i)
	}
	return g.here()
}

// equal is test for one number at an offset of the network layer.
func (g *generator) equal(off, size int, val uint32, yes, no label) label {
	return g.test(bpf.JumpEqual, val, yes, no, bpf.LoadAbsolute{Off: uint32(g.net + off), Size: size})
}

// etherType goes on at yes when the network layer is of that type.
func (g *generator) etherType(t uint16, yes, no label) label {
	return g.loadEther(g.isEther(t, yes, no))
}

// isEther is etherType where A holds what loadEther loads.
func (g *generator) isEther(t uint16, yes, no label) label {
	if g.layout.ether != noEther {
		return g.test(bpf.JumpEqual, uint32(t), yes, no)
	}
	switch t {
	case etherIPv4:
		return g.test(bpf.JumpEqual, 0x40, yes, no)
	case etherIPv6:
		return g.test(bpf.JumpEqual, 0x60, yes, no)
	}
	return no // raw IP is nothing else
}

// loadEther puts the EtherType, or the version of raw IP, in A and goes on at
// next.
func (g *generator) loadEther(next label) label {
	if next != g.here() {
		g.emit(bpf.Jump{Skip: uint32(g.here() - next)})
	}
	switch g.layout.ether {
	case kernelEther:
		return g.emit(bpf.LoadExtension{Num: bpf.ExtProto})
	case noEther:
		g.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0})
		return g.emit(bpf.LoadAbsolute{Off: 0, Size: 1})
	}
	return g.emit(bpf.LoadAbsolute{Off: uint32(g.layout.ether), Size: 2})
}

func (e and) gen(g *generator, yes, no label) label { return e.a.gen(g, e.b.gen(g, yes, no), no) }
func (e or) gen(g *generator, yes, no label) label  { return e.a.gen(g, yes, e.b.gen(g, yes, no)) }
func (e not) gen(g *generator, yes, no label) label { return e.a.gen(g, no, yes) }

func (e primitive) gen(g *generator, yes, no label) label {
	switch e.kind {
	case isLen:
		return e.genLen(g, yes, no)
	case isEther:
		return g.etherType(e.ether, yes, no)
	}
	// Every network layer that can hold the answer: all questions about them,
	// and before these, one load and the choice between them.
	var starts [3]label
	var asked [3]bool
	for i, t := range []uint16{etherARP, etherIPv4, etherIPv6} {
		if e.concerns(t) || t == etherARP && e.concerns(etherRARP) {
			starts[i], asked[i] = e.genIn(g, t, yes, no)
		}
	}
	next := no
	for _, q := range []struct {
		ether uint16
		place int
	}{{etherRARP, 0}, {etherARP, 0}, {etherIPv4, 1}, {etherIPv6, 2}} { // RARP is laid out as ARP is
		if asked[q.place] && e.concerns(q.ether) {
			next = g.isEther(q.ether, starts[q.place], next)
		}
	}
	return g.loadEther(next)
}

// concerns reports whether e is about packets of that EtherType.
func (e primitive) concerns(ether uint16) bool { return e.ether == 0 || e.ether == ether }

// genIn asks for e in a packet of that EtherType; ok is false when there is
// nothing to ask.
func (e primitive) genIn(g *generator, ether uint16, yes, no label) (start label, ok bool) {
	isIP := ether == etherIPv4 || ether == etherIPv6
	switch {
	case e.kind == isProto && isIP:
		return e.genProto(g, ether, yes, no), true
	case e.kind == isPort && isIP:
		return e.genPort(g, ether, yes, no), true
	case e.kind == isHost:
		return e.genHost(g, ether, yes, no)
	}
	return no, false
}

func (e primitive) genLen(g *generator, yes, no label) label {
	test := map[string]bpf.JumpTest{
		"<": bpf.JumpLessThan, "<=": bpf.JumpLessOrEqual, "=": bpf.JumpEqual,
		"!=": bpf.JumpNotEqual, ">=": bpf.JumpGreaterOrEqual, ">": bpf.JumpGreaterThan,
	}[e.op]
	return g.test(test, e.n, yes, no, bpf.LoadExtension{Num: bpf.ExtLen})
}

func (e primitive) genProto(g *generator, ether uint16, yes, no label) label {
	if ether == etherIPv4 {
		return e.oneOf(g, 9, yes, no)
	}
	fragment := e.oneOf(g, 40, yes, no)
	return e.oneOf(g, 6, yes, g.equal(6, 1, protoFragment, fragment, no))
}

// oneOf asks for one of the protocols in the byte at off.
func (e primitive) oneOf(g *generator, off int, yes, no label) label {
	for _, n := range e.protos {
		no = g.equal(off, 1, uint32(n), yes, no)
	}
	return no
}

func (e primitive) genHost(g *generator, ether uint16, yes, no label) (start label, ok bool) {
	from, to, size := addresses(ether)
	if size*8 != e.prefix.Addr().BitLen() {
		return no, false
	}
	return e.genSides(yes, no, func(second bool, yes, no label) label {
		if second {
			return e.genAddress(g, to, yes, no)
		}
		return e.genAddress(g, from, yes, no)
	}), true
}

// genSides asks the side or sides that count; ask makes the question.
func (e primitive) genSides(yes, no label, ask func(second bool, yes, no label) label) label {
	switch e.dir {
	case src:
		return ask(false, yes, no)
	case dst:
		return ask(true, yes, no)
	case both:
		return ask(false, ask(true, yes, no), no)
	}
	return ask(false, yes, ask(true, yes, no))
}

// genAddress compares the prefix with the address at off, word by word.
func (e primitive) genAddress(g *generator, off int, yes, no label) label {
	for i := len(e.words) - 1; i >= 0; i-- {
		load := []bpf.Instruction{bpf.LoadAbsolute{Off: uint32(g.net + off + 4*i), Size: 4}}
		if e.words[i].mask != ^uint32(0) { // also a word of which nothing counts must be there
			load = append(load, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: e.words[i].mask})
		}
		yes = g.test(bpf.JumpEqual, e.words[i].value, yes, no, load...)
	}
	return yes
}

func (e primitive) genPort(g *generator, ether uint16, yes, no label) label {
	if ether == etherIPv6 {
		ask := e.genSides(yes, no, func(second bool, yes, no label) label {
			return e.inRange(g, bpf.LoadAbsolute{Off: uint32(g.net + 40 + sideOffset(second)), Size: 2}, yes, no)
		})
		return e.oneOf(g, 6, ask, no)
	}
	ask := e.genSides(yes, no, func(second bool, yes, no label) label {
		return e.inRange(g, bpf.LoadIndirect{Off: uint32(g.net + sideOffset(second)), Size: 2}, yes, no)
	})
	if ask != g.here() {
		ask = g.emit(bpf.Jump{Skip: uint32(g.here() - ask)})
	}
	ask = g.emit(bpf.LoadMemShift{Off: uint32(g.net)})
	whole := g.test(bpf.JumpBitsSet, 0x1fff, no, ask, bpf.LoadAbsolute{Off: uint32(g.net + 6), Size: 2})
	return e.oneOf(g, 9, whole, no)
}

// sideOffset is where a port lies behind the start of its header, in bytes.
func sideOffset(second bool) int {
	if second {
		return 2
	}
	return 0
}

// inRange asks whether a port is from lo to hi. Each load is its own question:
// A holds what the last one loaded.
func (e primitive) inRange(g *generator, load bpf.Instruction, yes, no label) label {
	if e.lo == e.hi {
		return g.test(bpf.JumpEqual, uint32(e.lo), yes, no, load)
	}
	upper := g.test(bpf.JumpLessOrEqual, uint32(e.hi), yes, no)
	return g.test(bpf.JumpGreaterOrEqual, uint32(e.lo), upper, no, load)
}
