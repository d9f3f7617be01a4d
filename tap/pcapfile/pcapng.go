package pcapfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// Block types and options of pcapng (draft-ietf-opsawg-pcapng, sections 4.1 to 4.4, and 4.7).
const (
	blockInterface  = 1
	blockPacket     = 2 // obsolete, still met
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
	blockSecrets    = 10

	optionEnd        = 0
	optionComment    = 1
	optionResolution = 9
	optionOffset     = 14

	byteOrderMagic = 0x1a2b3c4d
	maxInterfaces  = 1 << 16
)

// ngFormat is pcapng: sections of blocks, each section in its own byte order
// and with its own interfaces.
type ngFormat struct {
	big      bool
	ifs      []ngInterface
	since    int64     // time of the last packet, for blocks that have none
	comments []Comment // that were not handed out yet
	counted  int       // comments so far, those beyond the limit too
}

type ngInterface struct {
	about  *Interface
	ticks  ticks
	offset int64 // seconds added to every time
}

func (f *ngFormat) u16(b []byte) uint16 {
	if f.big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (f *ngFormat) u32(b []byte) uint32 {
	if f.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (f *ngFormat) next(r *Reader, rec *Record) error {
	for {
		at := r.win.offset
		b, err := r.win.peek(8)
		if err != nil {
			return r.record(at, err)
		}
		if binary.LittleEndian.Uint32(b) == magicSection {
			if err := f.section(r, at); err != nil {
				return err
			}
			continue
		}
		kind, n := f.u32(b), f.u32(b[4:])
		if n < 12 || n%4 != 0 {
			return r.corrupt(at, fmt.Sprintf("a block of %d bytes is claimed: the file is corrupt here", n), "everything before it was read")
		}
		switch {
		case kind == blockInterface, kind == blockPacket, kind == blockSimple, kind == blockEnhanced, kind == blockStatistics && n <= maxOptions:
			ok, err := f.block(r, at, kind, n, rec)
			if ok || err != nil {
				return err
			}
		case kind == blockSecrets:
			if err := f.secrets(r, at, n); err != nil {
				return err
			}
		default:
			if err := r.win.skip(int64(n)); err != nil {
				return r.record(at, err)
			}
		}
	}
}

// secrets hands on a block of decryption secrets. Kinds other than TLS key
// logs, and what is over the limit, are passed over.
func (f *ngFormat) secrets(r *Reader, at int64, n uint32) error {
	if r.Secrets == nil || n < 20 || uint64(n) > uint64(r.limits.Secrets) {
		if err := r.win.skip(int64(n)); err != nil {
			return r.record(at, err)
		}
		return nil
	}
	b, err := r.win.peek(int(n))
	if err != nil {
		return r.record(at, err)
	}
	if text := b[16 : n-4]; f.u32(b[8:]) == SecretsTLS {
		r.Secrets(text[:min(uint64(len(text)), uint64(f.u32(b[12:])))])
	}
	r.win.consume(int(n))
	return nil
}

// section begins a new section. Of what it says of itself beyond the byte
// order its comments are read, where they are within bounds.
func (f *ngFormat) section(r *Reader, at int64) error {
	b, err := r.win.peek(16)
	if err != nil {
		return r.record(at, err)
	}
	switch {
	case binary.LittleEndian.Uint32(b[8:]) == byteOrderMagic:
		f.big = false
	case binary.BigEndian.Uint32(b[8:]) == byteOrderMagic:
		f.big = true
	default:
		return r.corrupt(at, "a pcapng section has no byte order mark: the file is corrupt here", "everything before it was read")
	}
	n := f.u32(b[4:])
	if major := f.u16(b[12:]); major != 1 {
		return r.corrupt(at, fmt.Sprintf("pcapng version %d is unknown", major), "convert it with editcap -F pcapng")
	}
	if n < 28 || n%4 != 0 {
		return r.corrupt(at, fmt.Sprintf("a section header of %d bytes is claimed: the file is corrupt here", n), "everything before it was read")
	}
	f.ifs = f.ifs[:0]
	if n <= maxOptions {
		if b, err = r.win.peek(int(n)); err != nil {
			return r.record(at, err)
		}
		f.comment(r, OnSection, b[24:n-4])
	}
	if err := r.win.skip(int64(n)); err != nil {
		return r.record(at, err)
	}
	return nil
}

// block reads a whole block that is looked into; ok says that rec was filled.
func (f *ngFormat) block(r *Reader, at int64, kind, n uint32, rec *Record) (ok bool, err error) {
	if most := uint64(r.limits.Packet) + maxOptions; uint64(n) > most {
		return false, r.corrupt(at, fmt.Sprintf("a block of %d bytes is claimed, more than the limit of %d: the file is corrupt here", n, most),
			"everything before it was read")
	}
	b, err := r.win.peek(int(n))
	if err != nil {
		return false, r.record(at, err)
	}
	if f.u32(b[n-4:]) != n {
		return false, r.corrupt(at, "a block's two lengths differ: the file is corrupt here", "everything before it was read")
	}
	what := f.body(r, kind, b[8:n-4], rec)
	if what != "" {
		return false, r.corrupt(at, what+": the file is corrupt here", "everything before it was read")
	}
	r.win.consume(int(n))
	return kind != blockInterface && kind != blockStatistics, nil
}

func (f *ngFormat) body(r *Reader, kind uint32, b []byte, rec *Record) (wrong string) {
	switch kind {
	case blockInterface:
		return f.addInterface(r, b)
	case blockStatistics:
		if len(b) > 12 { // its interface and its time
			f.comment(r, OnStatistics, b[12:])
		}
		return ""
	case blockSimple:
		return f.simple(b, rec)
	}
	if len(b) < 20 {
		return "a packet block is too short"
	}
	id := f.u32(b)
	if kind == blockPacket {
		id = uint32(f.u16(b)) // then a count of drops
	}
	if id >= uint32(len(f.ifs)) {
		return fmt.Sprintf("a packet names interface %d, and %d are described", id, len(f.ifs))
	}
	i := &f.ifs[id]
	time := i.ticks.nanos(uint64(f.u32(b[4:]))<<32 | uint64(f.u32(b[8:])))
	captured, wire := f.u32(b[12:]), f.u32(b[16:])
	if uint64(captured) > uint64(len(b)-20) {
		return fmt.Sprintf("a packet of %d bytes is claimed in a block of %d", captured, len(b)-20)
	}
	f.since = max(1, addSeconds(time, i.offset))
	*rec = Record{Time: f.since, Link: i.about.Link, Wire: wireLength(wire, captured), Data: b[20 : 20+captured], Interface: i.about}
	if padded := 20 + (uint64(captured)+3)&^3; padded < uint64(len(b)) {
		f.comment(r, OnPacket, b[padded:])
	}
	return ""
}

// simple reads a simple packet block, which has no time: it takes that of the
// packet before.
func (f *ngFormat) simple(b []byte, rec *Record) string {
	if len(b) < 4 {
		return "a packet block is too short"
	}
	if len(f.ifs) == 0 {
		return "a packet comes before any interface"
	}
	i := &f.ifs[0]
	wire := f.u32(b)
	captured := min(wire, uint32(len(b)-4))
	if snap := i.about.SnapLen; snap > 0 {
		captured = min(captured, snap)
	}
	f.since = max(1, f.since)
	*rec = Record{Time: f.since, Link: i.about.Link, Wire: wireLength(wire, captured), Data: b[4 : 4+captured], Interface: i.about}
	return ""
}

func (f *ngFormat) addInterface(r *Reader, b []byte) string {
	if len(b) < 8 {
		return "an interface description is too short"
	}
	if len(f.ifs) >= maxInterfaces {
		return "there are too many interfaces"
	}
	i := ngInterface{about: &Interface{Link: f.u16(b), SnapLen: f.u32(b[4:]), Number: len(f.ifs)}, ticks: 6}
	for code, v := range f.options(b[8:]) {
		switch {
		case code == optionResolution && len(v) >= 1:
			i.ticks = ticks(v[0])
		case code == optionOffset && len(v) >= 8:
			i.offset = int64(f.u64(v))
		default:
			i.about.option(code, v)
		}
	}
	i.about.Digits = i.ticks.digits()
	f.comment(r, OnInterface, b[8:])
	f.ifs = append(f.ifs, i)
	return ""
}

func (f *ngFormat) u64(b []byte) uint64 {
	if f.big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// ticks is an if_tsresol: units of 10^-n seconds, or of 2^-n with the top bit.
type ticks uint8

// digits is how many decimals of a second the units have; 9 where they are
// finer than nanoseconds, whole seconds, or no decimals.
func (k ticks) digits() int {
	if k == 0 || k > 9 {
		return 9
	}
	return int(k)
}

// nanos is t units in nanoseconds; what does not fit is the largest that does.
func (k ticks) nanos(t uint64) int64 {
	n := uint(k & 0x7f)
	if k&0x80 != 0 {
		if n >= 64 {
			return 0
		}
		whole := t >> n
		hi, lo := bits.Mul64(t-whole<<n, 1e9)
		part := lo>>n | hi<<(64-n)
		return saturate(whole, 1e9, part)
	}
	for ; n > 9 && t > 0; n-- {
		t /= 10
	}
	scale := uint64(1)
	for ; n < 9; n++ {
		scale *= 10
	}
	return saturate(t, scale, 0)
}

func saturate(t, scale, more uint64) int64 {
	hi, lo := bits.Mul64(t, scale)
	if sum := lo + more; hi == 0 && sum >= lo && sum <= math.MaxInt64 {
		return int64(sum)
	}
	return math.MaxInt64
}

func addSeconds(ns, s int64) int64 {
	const most = math.MaxInt64 / int64(1e9)
	s = min(max(s, -most), most) * 1e9
	switch {
	case s > 0 && ns > math.MaxInt64-s:
		return math.MaxInt64
	case s < 0 && ns < math.MinInt64-s:
		return math.MinInt64
	}
	return ns + s
}
