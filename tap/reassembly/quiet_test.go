package reassembly

import (
	"testing"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
)

// TestAQuietConnectionIsNotForgotten: what waits for a lost segment is handed
// over when its time is up, also when no other segment ever comes.
func TestAQuietConnectionIsNotForgotten(t *testing.T) {
	l := DefaultLimits()
	a := New(l, func(*Conn) Stream { return &nothing{t: t} })
	syn := segmentFrom(event.ToServer, 10, 0, nil)
	syn.Flags = packet.SYN
	a.Segment(1e18, &syn)
	late := segmentFrom(event.ToServer, 100, 0, []byte("late"))
	late.Flags = 0
	a.Segment(1e18+1, &late)
	a.Advance(1e18 + l.Wait)
	if a.Counts.Bytes != 0 {
		t.Fatal("handed over before its time")
	}
	if a.Advance(1e18 + 1 + l.Wait); a.Counts.Bytes != 4 || a.Counts.Missing != 89 {
		t.Errorf("%d bytes were handed over and %d are missing; want 4 and 89", a.Counts.Bytes, a.Counts.Missing)
	}
}
