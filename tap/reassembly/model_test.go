package reassembly

import (
	"encoding/binary"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
)

const modelBytes = 1 << 10

// fed is a stream that notes at which place each byte was told, and by which
// gaps places were passed over.
type fed struct {
	t    *testing.T
	at   int // place that is told next
	told [modelBytes]bool
}

func (f *fed) Feed(_ event.Dir, _ int64, b []byte) {
	for _, v := range b {
		if v != byteAt(f.at) {
			f.t.Fatalf("byte %d is %d, want %d", f.at, v, byteAt(f.at))
		}
		f.told[f.at] = true
		f.at++
	}
}
func (f *fed) Gap(_ event.Dir, _, n int64)      { f.at += int(n) }
func (f *fed) End(event.Dir, int64)             {}
func (f *fed) Close(int64)                      {}
func (f *fed) Truncated()                       { f.t.Error("nothing was cut") }
func (f *fed) Reordered(event.Dir, uint32, int) {}
func (f *fed) Reset(int64, *Reset)              { f.t.Error("nobody sent a RST") }
func (f *fed) Overlap(int64, *Overlap)          { f.t.Error("equal bytes are said to differ") }
func byteAt(place int) byte                     { return byte(place*7 + place>>8) }

// FuzzModel sends one side's bytes in any pieces, in any order and any number
// of times, beside a model that knows only which bytes came: what is told is
// at every moment all up to the first that is missing, and in the end, with
// gaps, exactly what came.
func FuzzModel(f *testing.F) {
	f.Add(uint32(1), []byte("\x00\x00\x09\x00\x14\x09\x00\x0a\x09"))
	f.Add(^uint32(5), []byte("\x00\x05\x30\x00\x00\x02\x01\x00\x20\x00\x02\x40"))
	f.Fuzz(func(t *testing.T, isn uint32, script []byte) {
		out := &fed{t: t}
		a := New(DefaultLimits(), func(*Conn) Stream { return out })
		now := int64(1e18)
		syn(a, now, [2]uint32{isn, 1})
		var come [modelBytes]bool
		for k := 0; len(script) >= 3 && k < 100; k, script = k+1, script[3:] {
			from := int(binary.BigEndian.Uint16(script)) % (modelBytes - 256)
			s := segmentFrom(event.ToServer, isn+1+uint32(from), 2, nil)
			for at := from; at <= from+int(script[2]); at++ {
				s.Payload, come[at] = append(s.Payload, byteAt(at)), true
			}
			s.Flags |= packet.PSH
			now += 1000
			a.Segment(now, &s)
			scribble(s.Payload)
			if want := firstMissing(&come); out.at != want {
				t.Fatalf("told up to %d, want %d", out.at, want)
			}
		}
		a.Flush()
		if out.told != come {
			t.Fatal("what was told in the end is not what came")
		}
	})
}

func firstMissing(come *[modelBytes]bool) int {
	for at := range come {
		if !come[at] {
			return at
		}
	}
	return modelBytes
}
