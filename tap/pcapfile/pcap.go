package pcapfile

import (
	"encoding/binary"
	"fmt"
)

// pcapFormat is the classic format (draft-ietf-opsawg-pcap): a header of 24
// bytes, then records with a header of 16, in the writer's byte order.
type pcapFormat struct {
	big    bool
	about  *Interface
	tick   int64 // nanoseconds of one unit of the time's fraction
	header int   // bytes of a record's header
}

const pcapHeader = 24

func (r *Reader) openPcap(order binary.ByteOrder) (*pcapFormat, error) {
	b, err := r.win.peek(pcapHeader)
	if err != nil {
		return nil, r.tooShort(len(b), err)
	}
	f := &pcapFormat{big: order == binary.BigEndian, tick: 1000, header: 16}
	switch order.Uint32(b) {
	case magicNano:
		f.tick = 1
	case magicModified:
		f.header = 24
	}
	if major := order.Uint16(b[4:]); major != 2 {
		return nil, r.corrupt(4, fmt.Sprintf("pcap version %d is unknown", major), "convert it with editcap -F pcap")
	}
	f.about = &Interface{SnapLen: order.Uint32(b[16:]), Link: uint16(order.Uint32(b[20:])), Digits: 6} // the link's upper half tells of checksums at the frame's end
	if f.tick == 1 {
		f.about.Digits = 9
	}
	r.win.consume(pcapHeader)
	return f, nil
}

func (f *pcapFormat) u32(b []byte) uint32 {
	if f.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (f *pcapFormat) next(r *Reader, rec *Record) error {
	at := r.win.offset
	b, err := r.win.peek(f.header)
	if err != nil {
		return r.record(at, err)
	}
	sec, frac := int64(f.u32(b)), int64(f.u32(b[4:]))
	captured, wire := f.u32(b[8:]), f.u32(b[12:])
	if uint64(captured) > uint64(r.limits.Packet) {
		return r.corrupt(at, fmt.Sprintf("a packet of %d bytes is claimed, more than the limit of %d: the file is corrupt here", captured, r.limits.Packet),
			"everything before it was read")
	}
	n := f.header + int(captured)
	if b, err = r.win.peek(n); err != nil {
		return r.record(at, err)
	}
	rec.Time = max(1, sec*1e9+frac*f.tick)
	rec.Link, rec.Interface = f.about.Link, f.about
	rec.Data = b[f.header:]
	rec.Wire = wireLength(wire, captured)
	r.win.consume(n)
	return nil
}

// wireLength believes the length on the wire when it is at least what was
// captured, and no more than a packet can have.
func wireLength(wire, captured uint32) int {
	const most = 1 << 20
	return int(min(max(wire, captured), max(captured, most)))
}
