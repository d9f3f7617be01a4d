package pcapfile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/klauspost/compress/zstd"

	"github.com/pitot-io/pitot/internal/testkit"
)

// read gives all packets as text, a line each, and what ended them.
func read(r *Reader) (lines []string, err error) {
	var rec Record
	for {
		if err = r.Next(&rec); err != nil {
			return lines, err
		}
		lines = append(lines, fmt.Sprintf("%d.%09d link %d wire %d %q", rec.Time/1e9, rec.Time%1e9, rec.Link, rec.Wire, rec.Data))
	}
}

func readBytes(b []byte) ([]string, error) {
	r, err := NewReader("x", bytes.NewReader(b), DefaultLimits())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return read(r)
}

// pcap writes a classic file: two packets, the second cut.
func pcap(o binary.AppendByteOrder, magic uint32) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	for _, v := range []uint32{0, 0, 65535, 1} {
		b = o.AppendUint32(b, v)
	}
	for _, v := range [][]any{{uint32(7), uint32(8), 3, 3, "abc"}, {uint32(9), uint32(0), 2, 9, "de"}} {
		b = o.AppendUint32(o.AppendUint32(b, v[0].(uint32)), v[1].(uint32))
		b = o.AppendUint32(o.AppendUint32(b, uint32(v[2].(int))), uint32(v[3].(int)))
		if magic == magicModified {
			b = append(b, make([]byte, 8)...)
		}
		b = append(b, v[4].(string)...)
	}
	return b
}

func TestClassicForms(t *testing.T) {
	for _, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for magic, first := range map[uint32]string{magicMicro: "7.000008000", magicNano: "7.000000008", magicModified: "7.000008000"} {
			got, err := readBytes(pcap(o, magic))
			want := []string{first + ` link 1 wire 3 "abc"`, `9.000000000 link 1 wire 9 "de"`}
			if strings.Join(got, "\n") != strings.Join(want, "\n") || err != io.EOF {
				t.Errorf("%v %x: got %q, %v; want %q", o, magic, got, err, want)
			}
		}
	}
}

// ng writes pcapng blocks.
type ng struct {
	o binary.AppendByteOrder
	b []byte
}

func (n *ng) u16(v ...uint16) []byte {
	var b []byte
	for _, v := range v {
		b = n.o.AppendUint16(b, v)
	}
	return b
}

func (n *ng) u32(v ...uint32) []byte {
	var b []byte
	for _, v := range v {
		b = n.o.AppendUint32(b, v)
	}
	return b
}

func (n *ng) block(kind uint32, parts ...[]byte) {
	body := bytes.Join(parts, nil)
	body = append(body, make([]byte, -len(body)&3)...)
	size := uint32(len(body) + 12)
	n.b = append(n.b, bytes.Join([][]byte{n.u32(kind, size), body, n.u32(size)}, nil)...)
}

func (n *ng) section() {
	n.block(magicSection, n.u32(byteOrderMagic), n.u16(1, 0), n.u32(math.MaxUint32, math.MaxUint32), n.u16(1, 2), []byte("hi\x00\x00"), n.u32(0))
}

func (n *ng) iface(link uint16, options ...[]byte) {
	n.block(blockInterface, n.u16(link, 0), n.u32(0), bytes.Join(options, nil))
}

func (n *ng) packet(iface uint32, at uint64, data string) {
	n.block(blockEnhanced, n.u32(iface, uint32(at>>32), uint32(at), uint32(len(data)), uint32(len(data))), []byte(data))
}

// sample has two sections, in both byte orders, interfaces of several links
// and resolutions, every kind of packet block, and blocks to skip.
func sample() []byte {
	n := &ng{o: binary.LittleEndian}
	n.section()
	n.iface(1)
	n.iface(113, n.u16(9, 1), []byte{9, 0, 0, 0}, n.u16(14, 8), n.u32(100, 0), n.u16(0, 0))
	n.iface(0, n.u16(9, 1), []byte{0x80 | 10, 0, 0, 0})
	n.packet(0, 7_000_008, "abc")
	n.block(5, n.u32(0, 0, 0))            // statistics
	n.block(0xbad, make([]byte, 300<<10)) // unknown and large
	n.packet(1, 7_000_000_008, "defg")
	n.packet(2, 9<<10|512, "")
	n.block(blockSimple, n.u32(9), []byte("simple"), make([]byte, 3))
	n.block(blockPacket, n.u16(0, 5), n.u32(0, 10_000_000, 2, 6), []byte("xy"))
	big := &ng{o: binary.BigEndian}
	big.section()
	big.iface(276)
	big.packet(0, 11_000_000, "big")
	return append(n.b, big.b...)
}

func TestNextGeneration(t *testing.T) {
	got, err := readBytes(sample())
	want := []string{
		`7.000008000 link 1 wire 3 "abc"`,
		`107.000000008 link 113 wire 4 "defg"`,
		`9.500000000 link 0 wire 0 ""`,
		`9.500000000 link 1 wire 9 "simple\x00\x00\x00"`,
		`10.000000000 link 1 wire 6 "xy"`,
		`11.000000000 link 276 wire 3 "big"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || err != io.EOF {
		t.Errorf("got\n%s\n%v; want\n%s", strings.Join(got, "\n"), err, strings.Join(want, "\n"))
	}
}

// TestEveryTail ends both formats after every byte: what is whole is read, and
// the end is told as what it is.
func TestEveryTail(t *testing.T) {
	for name, whole := range map[string][]byte{"pcap": pcap(binary.LittleEndian, magicMicro), "pcapng": sample()} {
		all, _ := readBytes(whole)
		step := 1
		for n := 0; n < len(whole); n += step {
			if step = 1; n > 500 && n < 300<<10 {
				step = 4099 // within the large block
			}
			got, err := readBytes(whole[:n])
			if !strings.HasPrefix(strings.Join(all, "\n"), strings.Join(got, "\n")) {
				t.Fatalf("%s of %d bytes: %q", name, n, got)
			}
			var e *Error
			switch {
			case err == io.EOF, errors.Is(err, ErrCut), errors.As(err, &e) && n < pcapHeader:
			default:
				t.Fatalf("%s of %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestCompressed(t *testing.T) {
	var z bytes.Buffer
	g := gzip.NewWriter(&z)
	g.Write(sample())
	g.Close()
	s, _ := zstd.NewWriter(nil)
	want, _ := readBytes(sample())
	for name, b := range map[string][]byte{"gzip": z.Bytes(), "zstd": s.EncodeAll(sample(), nil)} {
		if got, err := readBytes(b); strings.Join(got, "\n") != strings.Join(want, "\n") || err != io.EOF {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		got, err := readBytes(b[:len(b)-20])
		if len(got) > len(want) || err == nil || err == io.EOF {
			t.Errorf("%s cut: %d packets, %v", name, len(got), err)
		}
	}
}

// TestOneByteReads: how the file comes makes no difference.
func TestOneByteReads(t *testing.T) {
	r, err := NewReader("x", iotest.OneByteReader(bytes.NewReader(sample())), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	want, _ := readBytes(sample())
	if got, _ := read(r); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
}

// TestWhatCannotBeRead: each message names the file, the place and the mend.
func TestWhatCannotBeRead(t *testing.T) {
	long := pcap(binary.LittleEndian, magicMicro)
	binary.LittleEndian.PutUint32(long[24+19+8:], 1<<30)
	badBlock := sample()[:40+4]
	lengths := sample()
	lengths[40+20-4]++
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "x: at byte 0: the file is empty; capture again; tcpdump -U writes every packet at once"},
		{"tiny", []byte("ab"), "x: at byte 0: the file has only 2 bytes, which is no capture; capture again"},
		{"text", []byte("hello world, this is text"), "x: at byte 0: this is no capture file; pitot replay reads pcap and pcapng, also compressed by gzip or zstd; editcap -F pcapng FILE OUT converts many others"},
		{"xz", []byte("\xfd7zXZ\x00\x00"), "x: at byte 0: this is no capture file; it is xz-compressed: xz -dc FILE | pitot replay -"},
		{"bad gzip", []byte("\x1f\x8bgarbage garbage"), "x: at byte 0: a gzip file that cannot be unpacked (gzip: invalid header); compare with gzip -t"},
		{"a length too long", long, "x: at byte 43: a packet of 1073741824 bytes is claimed, more than the limit of 262144: the file is corrupt here; everything before it was read"},
		{"version", append([]byte{0xd4, 0xc3, 0xb2, 0xa1, 9, 0, 9, 0}, make([]byte, 16)...), "x: at byte 4: pcap version 9 is unknown; convert it with editcap -F pcap"},
		{"a block of 0 bytes", append(badBlock, 0, 0, 0, 0, 0, 0, 0, 0), "x: at byte 40: a block of 0 bytes is claimed: the file is corrupt here; everything before it was read"},
		{"two lengths", lengths, "x: at byte 40: a block's two lengths differ: the file is corrupt here; everything before it was read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readBytes(c.b)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir, nil, DefaultLimits()); err == nil || !strings.Contains(err.Error(), "is a directory; name the capture files in it") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none.pcap"), nil, DefaultLimits()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if r, err := Open("-", bytes.NewReader(sample()), DefaultLimits()); err != nil || r.Name() != "stdin" {
		t.Errorf("stdin: %v", err)
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		k    ticks
		t    uint64
		want int64
	}{
		{6, 1_000_001, 1_000_001_000}, {9, 5, 5}, {3, 5, 5_000_000}, {0, 5, 5e9}, {12, 5999, 5}, {127, math.MaxUint64, 0},
		{0x80, 5, 5e9}, {0x80 | 32, 3<<32 | 1<<31, 3_500_000_000}, {0x80 | 63, 1 << 62, 500_000_000}, {0x80 | 64, 1, 0}, {0xff, math.MaxUint64, 0},
		{0, math.MaxUint64, math.MaxInt64}, {6, math.MaxUint64, math.MaxInt64},
	} {
		if got := c.k.nanos(c.t); got != c.want {
			t.Errorf("%d ticks of %#x are %d ns, not %d", c.t, uint8(c.k), got, c.want)
		}
	}
}

// TestAgreesWithPcapgo compares every packet of real captures with what an
// independent reader says of it.
func TestAgreesWithPcapgo(t *testing.T) {
	packets := 0
	for _, f := range testkit.Captures(t, "*.pcap", "*.pcapng") {
		packets += compare(t, f)
	}
	if packets < 1000 {
		t.Errorf("only %d packets were compared", packets)
	}
}

func compare(t *testing.T, file string) (packets int) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := NewReader(file, bytes.NewReader(b), DefaultLimits())
	if err != nil {
		t.Errorf("%s: %v", file, err)
		return 0
	}
	theirs := independent(b)
	var rec Record
	for ; theirs != nil; packets++ {
		data, ci, err := theirs()
		if err != nil {
			return packets // its readers give up on some files that ours goes on with
		}
		if err := ours.Next(&rec); err != nil {
			t.Errorf("%s: packet %d: %v", file, packets, err)
			return packets
		}
		theirTime := ci.Timestamp.UnixNano()
		if theirTime < 0 {
			theirTime = rec.Time // its multiplication overflowed
		}
		if !bytes.Equal(rec.Data, data) || rec.Wire != min(max(ci.Length, len(data)), 1<<20) || rec.Time != max(1, theirTime) {
			t.Errorf("%s: packet %d: %d of %d bytes at %d; pcapgo says %d of %d at %d", file, packets,
				len(rec.Data), rec.Wire, rec.Time, len(data), ci.Length, ci.Timestamp.UnixNano())
			return packets
		}
	}
	return packets
}

func independent(b []byte) func() ([]byte, gopacket.CaptureInfo, error) {
	if r, err := pcapgo.NewReader(bytes.NewReader(b)); err == nil {
		return r.ReadPacketData
	}
	if r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true}); err == nil {
		return r.ReadPacketData
	}
	return nil
}

// FuzzFile reads anything: it ends, and holds no more than it may.
func FuzzFile(f *testing.F) {
	f.Add(pcap(binary.BigEndian, magicNano))
	small := sample()
	f.Add(append(small[:200:200], small[len(small)-120:]...))
	recorded, err := filepath.Glob("../../testdata/*.pcap")
	if err != nil || len(recorded) == 0 {
		f.Fatalf("testdata holds no captures: %v", err)
	}
	for _, name := range recorded {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 2<<10)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l := Limits{Packet: 4 << 10, Window: 1 << 20}
		r, err := NewReader("x", bytes.NewReader(b), l)
		if err != nil {
			return
		}
		defer r.Close()
		var rec Record
		for n := 0; r.Next(&rec) == nil && n < 10_000; n++ {
			if rec.Time < 1 || rec.Wire < len(rec.Data) || len(rec.Data) > l.Packet+64<<10 || len(r.win.buf) > windowSize+l.Packet+64<<10 {
				t.Fatalf("%+v in a buffer of %d", rec, len(r.win.buf))
			}
		}
	})
}

// TestSecrets holds that key logs come before the packets after them, in both
// byte orders, without their padding, and that other kinds and too long ones
// are passed over.
func TestSecrets(t *testing.T) {
	for _, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		n := &ng{o: o}
		n.section()
		n.iface(1)
		n.block(blockSecrets, n.u32(SecretsTLS, 5), []byte("one\r\n"))
		n.packet(0, 1_000_000, "a")
		n.block(blockSecrets, n.u32(0x57474b4c, 4), []byte("wg\r\n"))
		n.block(blockSecrets, n.u32(SecretsTLS, 1<<20), bytes.Repeat([]byte("x"), 1<<20))
		n.block(blockSecrets, n.u32(SecretsTLS, 4_000), []byte("shorter than it says"))
		n.packet(0, 2_000_000, "b")
		l := DefaultLimits()
		l.Secrets = 1 << 20
		r, err := NewReader("x", bytes.NewReader(n.b), l)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		r.Secrets = func(b []byte) { said = append(said, string(b)) }
		var rec Record
		for r.Next(&rec) == nil {
			said = append(said, string(rec.Data))
		}
		if got, want := fmt.Sprintf("%q", said), `["one\r\n" "a" "shorter than it says" "b"]`; got != want {
			t.Errorf("%v: got %s, want %s", o, got, want)
		}
	}
}
