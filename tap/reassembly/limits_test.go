package reassembly

import (
	"testing"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
)

// TestMemoryIsBounded loses the first segment of many connections and sends
// far more behind it than may wait; then come more connections than may be.
func TestMemoryIsBounded(t *testing.T) {
	l := DefaultLimits()
	l.Total, l.Connections = 1<<20, 500
	a := New(l, func(*Conn) Stream { return &nothing{t: t} })
	payload := make([]byte, 1400)
	most := 0
	for round := range 50 {
		for port := range connections(round) {
			s := segmentFrom(event.ToServer, uint32(1000+round*1400), 0, payload)
			s.Src.Port = uint16(port)
			s.Flags = 0
			if round == 0 {
				s.Flags, s.Seq, s.Payload = packet.SYN, 10, nil
			}
			a.Segment(int64(1e18+round*1000+port), &s)
			most = max(most, a.shard.waits)
			if len(a.tracker.conns) > l.Connections {
				t.Fatalf("%d connections are followed", len(a.tracker.conns))
			}
		}
	}
	if most > l.Total || most < l.Total/2 {
		t.Errorf("up to %d bytes waited; the limit is %d", most, l.Total)
	}
	a.Flush()
	if a.shard.waits != 0 || len(a.tracker.conns) != 0 {
		t.Errorf("%d bytes and %d connections are left", a.shard.waits, len(a.tracker.conns))
	}
}

func connections(round int) int {
	if round >= 45 {
		return 1000
	}
	return 400
}

// TestOneDirectionIsBounded has 257 segments wait: the bound is reached, and
// the hole declared a gap, before any time has passed.
func TestOneDirectionIsBounded(t *testing.T) {
	l := DefaultLimits()
	for _, c := range []struct {
		name  string
		size  int
		count int
	}{{"segments", 10, l.Segments}, {"bytes", 32 << 10, l.Bytes / (32 << 10)}} {
		t.Run(c.name, func(t *testing.T) {
			a := New(l, func(*Conn) Stream { return &nothing{t: t} })
			s := segmentFrom(event.ToServer, 0, 0, nil)
			s.Flags = packet.SYN
			a.Segment(1, &s)
			for i := range c.count + 1 {
				if a.Counts.Gaps != 0 {
					t.Fatalf("a gap with %d waiting", i)
				}
				s := segmentFrom(event.ToServer, uint32(100+i*c.size), 0, make([]byte, c.size))
				a.Segment(1, &s)
			}
			if a.Counts.Gaps != 1 || a.shard.waits != 0 {
				t.Errorf("%d gaps, %d bytes wait", a.Counts.Gaps, a.shard.waits)
			}
		})
	}
}

// BenchmarkInOrder is the cost of a segment in order: find, hand over, keep
// the clocks. It allocates nothing.
func BenchmarkInOrder(b *testing.B) {
	a := New(DefaultLimits(), func(*Conn) Stream { return silent{} })
	const conns = 64
	var next [conns]uint32
	payload := make([]byte, 1448)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := i / 8 % conns
		s := segmentFrom(event.ToServer, next[k], 0, payload)
		s.Src.Port = uint16(k)
		a.Segment(int64(1e18+i*1000), &s)
		next[k] += uint32(len(payload))
	}
}

type silent struct{}

func (silent) Feed(event.Dir, int64, []byte)    {}
func (silent) Gap(event.Dir, int64, int64)      {}
func (silent) End(event.Dir, int64)             {}
func (silent) Close(int64)                      {}
func (silent) Truncated()                       {}
func (silent) Reordered(event.Dir, uint32, int) {}
func (silent) Overlap(int64, *Overlap)          {}
func (silent) Reset(int64, *Reset)              {}
