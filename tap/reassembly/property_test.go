package reassembly

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
)

// sent is a segment of the conversation that TestAnyDisorderGivesTheSameBytes
// makes up.
type sent struct {
	dir  event.Dir
	from int // offset of its first byte
	n    int
	ack  int // bytes of the other side that had been sent before
}

// collector puts together what a stream is fed, and checks that no answer comes
// before what it acknowledges. One byte may be outstanding: it could be a FIN.
type collector struct {
	t    *rapid.T
	got  [2][]byte
	acks [2][]int // by offset, what the segment that held the byte acknowledged
	gaps int
	ends [2]int
	shut int
}

func (c *collector) Feed(d event.Dir, _ int64, b []byte) {
	if ack := c.acks[d][len(c.got[d])]; ack > len(c.got[d.Other()])+1 {
		c.t.Errorf("%v: byte %d was told before byte %d of the other side", d, len(c.got[d]), ack-1)
	}
	c.got[d] = append(c.got[d], b...)
}
func (c *collector) Gap(event.Dir, int64, int64)      { c.gaps++ }
func (c *collector) End(d event.Dir, _ int64)         { c.ends[d]++ }
func (c *collector) Close(int64)                      { c.shut++ }
func (c *collector) Truncated()                       { c.gaps++ }
func (c *collector) Reordered(event.Dir, uint32, int) {}
func (c *collector) Reset(int64, *Reset)              {}
func (c *collector) Overlap(int64, *Overlap)          { c.t.Error("equal bytes are said to differ") }

func TestAnyDisorderGivesTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := [2][]byte{
			rapid.SliceOfN(rapid.Byte(), 1, 600).Draw(t, "request"),
			rapid.SliceOfN(rapid.Byte(), 1, 600).Draw(t, "answer"),
		}
		isn := [2]uint32{rapid.Uint32().Draw(t, "isn"), rapid.Uint32().Draw(t, "isn")}
		c := &collector{t: t}
		all := conversation(t, data, c)
		all = disorder(t, all)
		a := New(DefaultLimits(), func(*Conn) Stream { return c })
		now := int64(1e18)
		syn(a, now, isn)
		for _, s := range all {
			now += 1000
			b := bytes.Clone(data[s.dir][s.from : s.from+s.n])
			seg := segmentFrom(s.dir, isn[s.dir]+1+uint32(s.from), isn[s.dir.Other()]+1+uint32(s.ack), b)
			if s.from+s.n == len(data[s.dir]) {
				seg.Flags |= packet.FIN
			}
			a.Segment(now, &seg)
			scribble(b)
		}
		a.Flush()
		for d := range data {
			if !bytes.Equal(c.got[d], data[d]) {
				t.Fatalf("%v: %d bytes came out of %d, or others", event.Dir(d), len(c.got[d]), len(data[d]))
			}
		}
		if c.gaps > 0 || c.ends != [2]int{1, 1} || c.shut != 1 || a.shard.waits != 0 {
			t.Fatalf("%d gaps, %v ends, %d closes, %d bytes left over", c.gaps, c.ends, c.shut, a.shard.waits)
		}
	})
}

// conversation cuts both sides' bytes and lets them take turns.
func conversation(t *rapid.T, data [2][]byte, c *collector) (all []sent) {
	var at [2]int
	for at[0] < len(data[0]) || at[1] < len(data[1]) {
		d := event.Dir(rapid.IntRange(0, 1).Draw(t, "side"))
		if at[d] == len(data[d]) {
			d = d.Other()
		}
		n := min(rapid.IntRange(1, 90).Draw(t, "length"), len(data[d])-at[d])
		all = append(all, sent{d, at[d], n, at[d.Other()]})
		for range n {
			c.acks[d] = append(c.acks[d], at[d.Other()])
		}
		at[d] += n
	}
	return all
}

// disorder repeats some segments and moves some to later.
func disorder(t *rapid.T, in []sent) []sent {
	var out []sent
	for _, s := range in {
		out = append(out, s)
		if rapid.IntRange(0, 9).Draw(t, "again") == 0 {
			out = append(out, s)
		}
	}
	for i := range out {
		if rapid.IntRange(0, 3).Draw(t, "late") == 0 {
			j := min(len(out)-1, i+rapid.IntRange(1, 12).Draw(t, "by"))
			s := out[i]
			copy(out[i:j], out[i+1:j+1])
			out[j] = s
		}
	}
	return out
}

func syn(a *Assembler, now int64, isn [2]uint32) {
	s := segmentFrom(event.ToServer, isn[0], 0, nil)
	s.Flags = packet.SYN
	a.Segment(now, &s)
	s = segmentFrom(event.ToClient, isn[1], isn[0]+1, nil)
	s.Flags = packet.SYN | packet.ACK
	a.Segment(now, &s)
}

func segmentFrom(d event.Dir, seq, ack uint32, b []byte) packet.Segment {
	s := packet.Segment{Src: clientEnd, Dst: serverEnd, Seq: seq, Ack: ack, Flags: packet.ACK, Payload: b}
	if d == event.ToClient {
		s.Src, s.Dst = serverEnd, clientEnd
	}
	return s
}

// nothing is a stream that only checks what every stream may rely on.
type nothing struct {
	t      *testing.T
	at     int64
	closed bool
}

func (n *nothing) see(at int64) {
	if n.closed {
		n.t.Fatal("told something after the close")
	}
	if at < n.at {
		n.t.Fatalf("time went back from %d to %d", n.at, at)
	}
	n.at = at
}

func (n *nothing) Feed(_ event.Dir, at int64, b []byte) {
	n.see(at)
	if len(b) == 0 {
		n.t.Fatal("fed nothing")
	}
}
func (n *nothing) Gap(_ event.Dir, at, missing int64) {
	n.see(at)
	if missing < 0 {
		n.t.Fatalf("a gap of %d", missing)
	}
}
func (n *nothing) End(_ event.Dir, at int64)        { n.see(at) }
func (n *nothing) Truncated()                       { n.see(n.at) }
func (n *nothing) Reordered(event.Dir, uint32, int) { n.see(n.at) }
func (n *nothing) Overlap(at int64, _ *Overlap)     { n.see(at) }
func (n *nothing) Reset(at int64, _ *Reset)         { n.see(at) }
func (n *nothing) Close(at int64)                   { n.see(at); n.closed = true }

// FuzzSegments plays any segments at all: whatever comes, the books are right,
// the limits hold and every stream is told of its end once.
func FuzzSegments(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x05\x00\x00\x01\x10\x01\x00\x03\x05\x00\x02\x01\x10\x03\x00\x09\x05\x00\x02\x01"))
	f.Add(bytes.Repeat([]byte{0x11, 7, 200, 9, 30, 2, 77, 12}, 40))
	l := DefaultLimits()
	l.Segments, l.Bytes, l.Total, l.Jump, l.Connections = 4, 400, 1000, 1<<15, 3
	f.Fuzz(func(t *testing.T, script []byte) {
		var open []*nothing
		a := New(l, func(*Conn) Stream {
			open = append(open, &nothing{t: t})
			return open[len(open)-1]
		})
		now := int64(1e18)
		for ; len(script) >= 8; script = script[8:] {
			s := packet.Segment{Src: clientEnd, Dst: serverEnd, Flags: script[0] & 0x1f}
			s.Src.Port += uint16(script[0] >> 6)
			if script[0]&0x20 != 0 {
				s.Src, s.Dst = s.Dst, s.Src
			}
			s.Seq = uint32(binary.BigEndian.Uint16(script[1:])) * uint32(1+script[6]&0x80*8)
			s.Payload = make([]byte, script[3]&0x7f)
			s.Ack = uint32(binary.BigEndian.Uint16(script[4:]))
			s.Missing = int(script[6] & 3)
			now += int64(script[7]) << (script[7] & 31)
			a.Segment(now, &s)
			checkBooks(t, a)
			if a.shard.waits > l.Total || len(a.tracker.conns) > l.Connections {
				t.Fatalf("%d bytes wait in %d connections", a.shard.waits, len(a.tracker.conns))
			}
		}
		a.Flush()
		for i, s := range open {
			if !s.closed {
				t.Fatalf("stream %d was never closed", i)
			}
		}
		if a.shard.waits != 0 || len(a.tracker.conns) != 0 || a.tracker.live.head != nil || a.tracker.dead.head != nil || a.shard.waiting.head != nil {
			t.Fatal("something is left over")
		}
	})
}
