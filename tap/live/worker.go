package live

import (
	"context"
	"sync"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap"
	"github.com/pitot-io/pitot/tap/packet"
	"github.com/pitot-io/pitot/tap/reassembly"
)

const (
	// waitAtMost is how long a worker waits for packets before it looks whether
	// it is to end, and moves the clock of its connections on.
	waitAtMost = 50 * time.Millisecond
	// lag is how much older than now a packet may be that is read next while a
	// ring is empty: the kernel hands over a block that does not fill after
	// blockWait.
	lag = 5 * blockWait
	// blockWait is how long the kernel waits for a block to fill.
	blockWait = 20 * time.Millisecond
	// askEvery is how often the kernel is asked what it dropped.
	askEvery = 200 * time.Millisecond
)

// worker reads one ring.
type worker struct {
	capture *Capture
	number  int
	source  source
	parser  *packet.Parser
	tcp     *reassembly.Assembler
	segment packet.Segment
	out     event.Emitter
	lane    *lane // nil when nothing is recorded
	now     int64 // time of the latest packet
	asked   time.Time
	stats   Stats

	mu    sync.Mutex
	shown Stats // a copy of stats
}

func newWorker(c *Capture, number int, s source) *worker {
	w := &worker{capture: c, number: number, source: s, parser: packet.NewParser(c.o.Limits.Packet)}
	w.out = decode.Stages(c.o.Protocols, c.o.Out(number))
	w.tcp = reassembly.New(c.o.Limits.TCP, w.open)
	if c.o.Record != nil {
		w.lane = c.o.Record.lane(number)
	}
	return w
}

// run reads until ctx is done, then what the ring still has.
func (w *worker) run(ctx context.Context) (err error) {
	defer w.finish()
	for ctx.Err() == nil {
		if w.source.block(w.packet) {
			w.tick(time.Now(), false)
			continue
		}
		w.tick(time.Now(), true)
		if err = w.source.wait(waitAtMost); err != nil {
			return err
		}
	}
	return w.drain()
}

// drain reads what came before the end: the kernel hands over the block at
// hand within blockWait.
func (w *worker) drain() error {
	err := w.source.quiesce()
	for until := time.Now().Add(3 * blockWait); err == nil && time.Now().Before(until); {
		if !w.source.block(w.packet) {
			err = w.source.wait(blockWait)
		}
	}
	return err
}

// finish tells what is under way as it stands.
func (w *worker) finish() {
	w.tcp.Flush()
	w.asked = time.Time{}
	w.tick(time.Now(), true)
	if w.lane != nil {
		w.lane.end()
	}
}

// packet takes one packet out of the ring.
func (w *worker) packet(f *frame) {
	w.stats.Packets++
	w.stats.Bytes += uint64(len(f.data))
	if f.wire > len(f.data) {
		w.stats.Cut++
	}
	w.now = max(w.now, f.time) // several cores stamp packets, so that times may go back a little
	if w.parser.Parse(f.link, w.now, f.data, f.wire, &w.segment) {
		w.tcp.Segment(w.now, &w.segment)
	}
	if w.lane != nil { // afterwards, so that the secrets it needed come before it
		w.lane.packet(f)
	}
}

// tick is called after every block, and at least every waitAtMost.
func (w *worker) tick(now time.Time, idle bool) {
	if idle {
		w.now = max(w.now, now.Add(-lag).UnixNano())
		w.tcp.Advance(w.now)
	}
	if w.lane != nil {
		w.lane.reached(w.now)
	}
	if now.Sub(w.asked) >= askEvery {
		w.asked = now
		w.ask()
	}
}

// ask shows the numbers of this worker to others.
func (w *worker) ask() {
	if packets, freezes, err := w.source.drops(); err == nil { // fails only when the socket has gone, which wait tells
		w.stats.Dropped += packets
		w.stats.Freezes += freezes
	}
	w.stats.Connections, w.stats.Gaps, w.stats.Missing, w.stats.Evicted = w.tcp.Counts.Connections, w.tcp.Counts.Gaps, w.tcp.Counts.Missing, w.tcp.Counts.Evicted
	w.stats.Broken = w.parser.Counts.Broken
	w.mu.Lock()
	w.shown = w.stats
	w.mu.Unlock()
}

// open begins to follow a connection.
func (w *worker) open(c *reassembly.Conn) reassembly.Stream {
	o := &w.capture.o
	follow := tap.Follow{Protocols: o.Protocols, Names: o.Names, Capture: o.Capture, IDs: tap.RandomIDs{}, Limits: o.Limits.Decode}
	return follow.Stream(c, w.capture.streams.Add(1)-1, counting{w})
}

// counting counts what goes by on its way out.
type counting struct{ *worker }

func (c counting) Exchange(x *event.Exchange) {
	c.stats.Exchanges++
	c.out.Exchange(x)
}

func (c counting) Notice(n *event.Notice) {
	if n.Name == event.EventDecodeFailure {
		c.stats.Failures++
	}
	c.out.Notice(n)
}
