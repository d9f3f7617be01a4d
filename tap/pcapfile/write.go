package pcapfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// Blocks and options that only the writer knows (draft-ietf-opsawg-pcapng,
// sections 3.5, 4.1 to 4.7).
const (
	optionHardware    = 2 // of a section
	optionSystem      = 3
	optionApplication = 4

	optionName        = 2 // of an interface
	optionDescription = 3
	optionFilter      = 11

	optionFlags = 2 // of a packet

	optionReceived = 4 // of statistics
	optionDropped  = 5
)

// SecretsTLS is the kind of secrets that an NSS key log holds (section 4.7).
const SecretsTLS = 0x544c534b

// writeBuffer is how much a Writer collects before it writes, in bytes.
const writeBuffer = 64 << 10

// maxOption is the longest text of an option, in bytes; what is longer is cut.
const maxOption = math.MaxUint16

// Section says who wrote a file. What is empty is left out.
type Section struct {
	Hardware, System, Application, Comment string
}

// Interface is where packets came from.
type Interface struct {
	Link    uint16 // LINKTYPE_ number
	SnapLen uint32 // bytes that are kept of a packet; 0 for all
	Name    string // of the interface; what is empty is left out
	Text    string // its description
	Filter  string // the capture filter
	Comment string
	Number  int // within its section, from 0; a Writer gives its own
	Digits  int // decimals of a second that its times have, from 1 to 9; 0 is 9
}

// Direction is which way a packet went, as its interface saw it.
type Direction uint8

const (
	DirectionUnknown Direction = iota
	Inbound
	Outbound
)

// Packet is one packet to write. Data is not kept.
type Packet struct {
	Interface int   // as AddInterface gave it
	Time      int64 // nanoseconds since the Unix epoch
	Wire      int   // bytes on the wire; less than len(Data) means len(Data)
	Data      []byte
	Direction Direction
	Comments  []string
}

// Writer writes pcapng in little endian, with nanosecond times where an
// interface has no others. After an error
// it writes nothing more and keeps telling that error. It is for one goroutine.
type Writer struct {
	w       io.Writer
	buf     []byte
	begun   int     // start of the block at hand in buf
	options bool    // the block at hand has some
	ifs     []int64 // nanoseconds of a unit of each interface's times
	written int64
	err     error
}

// NewWriter begins a section. Nothing is written before a buffer is full or
// Flush is called.
func NewWriter(w io.Writer, s Section) *Writer {
	p := &Writer{w: w}
	p.begin(magicSection)
	p.u32(byteOrderMagic)
	p.u16(1)
	p.u16(0)
	p.u64(math.MaxUint64) // the section's length is not known
	p.text(optionComment, s.Comment)
	p.text(optionHardware, s.Hardware)
	p.text(optionSystem, s.System)
	p.text(optionApplication, s.Application)
	_ = p.end() // kept in p.err
	return p
}

// AddInterface describes an interface and gives the number that packets name
// it by. It may come at any time before its first packet.
func (p *Writer) AddInterface(i Interface) (number int, err error) {
	p.begin(blockInterface)
	p.u16(i.Link)
	p.u16(0)
	p.u32(i.SnapLen)
	p.text(optionComment, i.Comment)
	p.text(optionName, i.Name)
	p.text(optionDescription, i.Text)
	digits := byte(9)
	if i.Digits > 0 && i.Digits < 9 {
		digits = byte(i.Digits)
	}
	p.option(optionResolution, []byte{digits})
	if i.Filter != "" {
		p.option(optionFilter, append([]byte{0}, i.Filter...)) // 0: as text
	}
	unit := int64(1)
	for range 9 - digits {
		unit *= 10
	}
	p.ifs = append(p.ifs, unit)
	return len(p.ifs) - 1, p.end()
}

// Packet writes an enhanced packet block.
func (p *Writer) Packet(k Packet) error {
	if k.Interface < 0 || k.Interface >= len(p.ifs) {
		return fmt.Errorf("pcapng: a packet names interface %d, and %d are described", k.Interface, len(p.ifs))
	}
	if uint64(len(k.Data)) > math.MaxInt32 {
		return fmt.Errorf("pcapng: a packet of %d bytes does not fit in a block", len(k.Data))
	}
	p.begin(blockEnhanced)
	p.u32(uint32(k.Interface))
	p.time(k.Interface, k.Time)
	p.u32(uint32(len(k.Data)))
	p.u32(uint32(min(max(k.Wire, len(k.Data)), math.MaxInt32)))
	p.buf = append(p.buf, k.Data...)
	p.pad(len(k.Data))
	for _, c := range k.Comments {
		p.text(optionComment, c)
	}
	if k.Direction != DirectionUnknown {
		p.option(optionFlags, binary.LittleEndian.AppendUint32(nil, uint32(k.Direction)))
	}
	return p.end()
}

// Statistics writes how many packets an interface received and how many of them
// were dropped for want of room, counted from the beginning to the time at.
func (p *Writer) Statistics(number int, at int64, received, dropped uint64, comment string) error {
	if number < 0 || number >= len(p.ifs) {
		return fmt.Errorf("pcapng: statistics of interface %d, and %d are described", number, len(p.ifs))
	}
	p.begin(blockStatistics)
	p.u32(uint32(number))
	p.time(number, at)
	p.text(optionComment, comment)
	p.option(optionReceived, binary.LittleEndian.AppendUint64(nil, received))
	p.option(optionDropped, binary.LittleEndian.AppendUint64(nil, dropped))
	return p.end()
}

// Secrets writes what decrypts the packets behind it: kind is SecretsTLS for
// the text of a key log.
func (p *Writer) Secrets(kind uint32, secrets []byte) error {
	p.begin(blockSecrets)
	p.u32(kind)
	p.u32(uint32(len(secrets)))
	p.buf = append(p.buf, secrets...)
	p.pad(len(secrets))
	return p.end()
}

// Flush writes what is collected.
func (p *Writer) Flush() error {
	if p.err == nil && len(p.buf) > 0 {
		_, p.err = p.w.Write(p.buf)
	}
	p.buf = p.buf[:0]
	return p.err
}

// Size is the number of bytes so far, also of those not yet written.
func (p *Writer) Size() int64 { return p.written }

// begin starts a block, whose length end fills in.
func (p *Writer) begin(kind uint32) {
	p.begun, p.options = len(p.buf), false
	p.u32(kind)
	p.u32(0)
}

func (p *Writer) end() error {
	if p.options {
		p.u32(optionEnd) // its code and its length
	}
	n := uint32(len(p.buf) - p.begun + 4)
	p.u32(n)
	binary.LittleEndian.PutUint32(p.buf[p.begun+4:], n)
	p.written += int64(n)
	if p.err != nil || len(p.buf) >= writeBuffer {
		return p.Flush()
	}
	return nil
}

func (p *Writer) u16(v uint16) { p.buf = binary.LittleEndian.AppendUint16(p.buf, v) }
func (p *Writer) u32(v uint32) { p.buf = binary.LittleEndian.AppendUint32(p.buf, v) }
func (p *Writer) u64(v uint64) { p.buf = binary.LittleEndian.AppendUint64(p.buf, v) }

// time is a time as blocks have it, in the interface's units: the upper half
// first, whatever the order of the bytes.
func (p *Writer) time(number int, at int64) {
	at /= p.ifs[number]
	p.u32(uint32(uint64(at) >> 32))
	p.u32(uint32(at))
}

// pad fills up to four bytes.
func (p *Writer) pad(n int) { p.buf = append(p.buf, make([]byte, -n&3)...) }

func (p *Writer) option(code uint16, v []byte) {
	v = v[:min(len(v), maxOption)]
	p.options = true
	p.u16(code)
	p.u16(uint16(len(v)))
	p.buf = append(p.buf, v...)
	p.pad(len(v))
}

// text is an option that is left out when it is empty. A cut text stays UTF-8.
func (p *Writer) text(code uint16, s string) {
	if s != "" {
		p.option(code, []byte(strings.ToValidUTF8(s[:min(len(s), maxOption)], "")))
	}
}
