package fault

import (
	"context"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

// pacer slows an exchange down, and cuts it. Each direction has one caller.
type pacer struct {
	fault *Fault
	lanes [2]lane
	cut   int64 // bytes of the answer that may still pass
	cuts  bool
}

// lane is one direction.
type lane struct {
	rate int64     // bytes in a second; 0 for any number
	free time.Time // when the next bytes may pass
}

func (f *Fault) pacer(l *lot) *pacer {
	p := &pacer{fault: f, cut: l.cut, cuts: l.cut > 0}
	for d, r := range l.rates {
		p.lanes[d].rate = r
	}
	if l.rates[event.ToServer] > 0 {
		f.stats.RequestRate.Add(1)
	}
	if l.rates[event.ToClient] > 0 {
		f.stats.ResponseRate.Add(1)
	}
	f.report.hit()
	return p
}

// ticks is in how many pieces the bytes of a second pass.
const ticks = 16

// errCut is why an answer is broken off.
var errCut = &route.Failure{Status: 503, Flags: event.FlagFI, Detail: "fault_filter_cut"}

// Pace is route.Pacer's.
func (p *pacer) Pace(ctx context.Context, d event.Dir, n int) (int, *route.Failure) {
	if p.cuts && d == event.ToClient {
		if p.cut == 0 {
			p.fault.stats.Cuts.Add(1)
			return 0, errCut
		}
		n = int(min(int64(n), p.cut))
	}
	n = p.lanes[d].pass(ctx, n)
	if p.cuts && d == event.ToClient {
		p.cut -= int64(n)
	}
	return n, nil
}

// Done is route.Pacer's.
func (p *pacer) Done() { p.fault.leave() }

// pass waits until some of n bytes may pass, and gives how many.
func (l *lane) pass(ctx context.Context, n int) int {
	if l.rate == 0 {
		return n
	}
	now := time.Now()
	if d := l.free.Sub(now); d > 0 {
		if !sleep(ctx, d) {
			return n
		}
		now = l.free
	}
	n = int(min(int64(n), max(1, l.rate/ticks)))
	l.free = now.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
	return n
}
