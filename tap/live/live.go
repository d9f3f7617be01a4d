// Package live captures packets from network interfaces and follows their
// connections. It reads a ring that the kernel writes packets to (AF_PACKET,
// TPACKET_V3), without a copy; other systems than Linux are told so.
//
// Every worker has a ring, an assembler and decoders of its own. The kernel
// spreads connections over the rings, both directions of one to the same.
// Nothing waits for an observer: what does not fit in a ring is dropped by the
// kernel, counted, and told once an interval.
package live

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap"
	"github.com/pitot-io/pitot/tap/packet"
	"github.com/pitot-io/pitot/tap/pcapfilter"
	"github.com/pitot-io/pitot/tap/reassembly"
)

// Any is the name that stands for all interfaces, also those to come.
const Any = "any"

// ErrUnnamed is that no interface was named.
var ErrUnnamed = errors.New("name an interface to capture from with -i, or any for all of them")

// Limits bound what a capture may hold, all workers together.
type Limits struct {
	Packet packet.Limits
	TCP    reassembly.Limits
	Decode decode.Limits
}

// DefaultLimits are the defaults of every part.
func DefaultLimits() Limits {
	return Limits{Packet: packet.DefaultLimits(), TCP: reassembly.DefaultLimits(), Decode: decode.DefaultLimits()}
}

// Defaults of Options.
const (
	DefaultRing    = 64 << 20
	DefaultSnapLen = 256 << 10
	maxWorkers     = 256 // that the kernel spreads packets over
)

// Options say what to capture. What is zero takes its default.
type Options struct {
	Interfaces  []string           // or Any alone
	Filter      *pcapfilter.Filter // nil for all packets
	Promiscuous bool               // also packets that are for others
	Workers     int                // rings; by default as many as Go uses cores
	Ring        int                // bytes of all rings together
	SnapLen     int                // bytes that are kept of a packet

	Protocols []decode.Protocol
	Names     tap.Names // may be nil
	Capture   string    // label of every exchange
	Limits    Limits

	// Out is where worker number n tells what it finds. Emitters are used by
	// several goroutines.
	Out func(n int) event.Emitter
	// Record, where set, is given every packet.
	Record *Recorder
}

// Stats are the numbers of a capture so far.
type Stats struct {
	Packets   uint64 // that were read
	Bytes     uint64 // of them, as captured
	Cut       uint64 // packets that the snapshot length cut
	Dropped   uint64 // packets that the kernel dropped, because a ring was full
	Freezes   uint64 // times that a ring was full
	Unwritten uint64 // packets that could not be recorded in time
	Exchanges uint64
	Failures  uint64 // connections whose decoder lost its place

	Connections uint64
	Gaps        uint64
	Missing     uint64 // bytes of gaps of known length
	Broken      uint64 // packets with broken headers
	Evicted     uint64 // connections given up for want of room
}

// frame is one packet in a ring. Data points into it.
type frame struct {
	time      int64 // nanoseconds since the Unix epoch
	link      uint16
	wire      int
	data      []byte
	ifindex   int
	direction uint8 // a pcapfile.Direction
}

// source is one ring.
type source interface {
	// block shows fn the packets of the oldest block that is ready, and reports
	// whether there was one.
	block(fn func(*frame)) bool
	// wait waits for a block, or for that long.
	wait(d time.Duration) error
	// drops are the packets that the kernel dropped since the last call, and how
	// often it found no room.
	drops() (packets, freezes uint64, err error)
	// quiesce lets no more packets in.
	quiesce() error
	close() error
}

// description is what a file says of the interfaces: for all of them, one of
// index 0.
type description struct {
	names   []string
	indexes []int
	cooked  bool
}

// Capture is interfaces that are open and wait to be read.
type Capture struct {
	o       Options
	workers []*worker
	streams atomic.Int64
	told    struct{ kernel, record uint64 } // losses told so far
}

// Open opens the interfaces. It needs CAP_NET_RAW and nothing else.
func Open(o Options) (*Capture, error) {
	o.fill()
	sources, about, err := open(&o)
	if err != nil {
		return nil, err
	}
	c := &Capture{o: o}
	for i, s := range sources {
		c.workers = append(c.workers, newWorker(c, i, s))
	}
	if o.Record != nil {
		if err := o.Record.create(about, &o); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

func (o *Options) fill() {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	o.Workers = min(max(o.Workers, 1), maxWorkers)
	if o.Ring == 0 {
		o.Ring = DefaultRing
	}
	if o.SnapLen == 0 {
		o.SnapLen = DefaultSnapLen
	}
	if o.Filter == nil {
		o.Filter, _ = pcapfilter.Parse("") // cannot fail
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	o.Limits.TCP.Connections = max(1, o.Limits.TCP.Connections/o.Workers)
	o.Limits.TCP.Total /= o.Workers
}

// Workers is how many rings are read.
func (c *Capture) Workers() int { return len(c.workers) }

// tellEvery is how often losses are told.
const tellEvery = time.Second

// Run reads until ctx is done or an interface can be read no more. What is
// under way then is told as it stands.
func (c *Capture) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(c.workers))
	var wg sync.WaitGroup
	if c.o.Record != nil {
		c.o.Record.run()
	}
	for i, w := range c.workers {
		wg.Go(func() {
			errs[i] = w.run(ctx)
			stop() // one that fails ends all: half of the connections are no capture
		})
	}
	wg.Go(func() {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.tellLosses()
			case <-ctx.Done():
				return
			}
		}
	})
	wg.Wait()
	err := errors.Join(errs...)
	if c.o.Record != nil {
		err = errors.Join(err, c.o.Record.wait())
	}
	c.tellLosses()
	return err
}

// Close closes the interfaces.
func (c *Capture) Close() error {
	var err error
	for _, w := range c.workers {
		err = errors.Join(err, w.source.close())
	}
	return err
}

// Stats may be called at any time.
func (c *Capture) Stats() (s Stats) {
	for _, w := range c.workers {
		w.mu.Lock()
		t := w.shown
		w.mu.Unlock()
		s.Packets += t.Packets
		s.Bytes += t.Bytes
		s.Cut += t.Cut
		s.Dropped += t.Dropped
		s.Freezes += t.Freezes
		s.Exchanges += t.Exchanges
		s.Failures += t.Failures
		s.Connections += t.Connections
		s.Gaps += t.Gaps
		s.Missing += t.Missing
		s.Broken += t.Broken
		s.Evicted += t.Evicted
	}
	if c.o.Record != nil {
		s.Unwritten = c.o.Record.Dropped()
	}
	return s
}

// tellLosses tells what was lost since it was called last.
func (c *Capture) tellLosses() {
	s := c.Stats()
	c.tell("kernel", "packets were dropped by the kernel: the ring was full", s.Dropped, &c.told.kernel)
	c.tell("write", "packets were not written: the disk was too slow, or failed", s.Unwritten, &c.told.record)
}

func (c *Capture) tell(place, what string, total uint64, told *uint64) {
	lost := total - *told
	if lost == 0 {
		return
	}
	*told = total
	c.o.Out(0).Notice(&event.Notice{
		Time: time.Now().UnixNano(), Name: event.EventLoss, Severity: event.Warn,
		Body: fmt.Sprintf("%d %s", lost, what),
		Attributes: []event.KeyValue{
			{Key: "place", Value: place},
			{Key: "lost", Value: strconv.FormatUint(lost, 10)},
			{Key: "lost_total", Value: strconv.FormatUint(total, 10)},
		},
	})
}
