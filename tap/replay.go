package tap

import (
	"context"
	"io"
	"runtime"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/packet"
	"github.com/pitot-io/pitot/tap/pcapfile"
	"github.com/pitot-io/pitot/tap/reassembly"
)

// ReplayLimits bound what a replay may hold.
type ReplayLimits struct {
	File   pcapfile.Limits
	Packet packet.Limits
	TCP    reassembly.Limits
	Decode decode.Limits
}

// DefaultReplayLimits are the defaults of every part.
func DefaultReplayLimits() ReplayLimits {
	return ReplayLimits{
		File:   pcapfile.DefaultLimits(),
		Packet: packet.DefaultLimits(),
		TCP:    reassembly.DefaultLimits(),
		Decode: decode.DefaultLimits(),
	}
}

// ReplayOptions say what to replay, and to whom.
type ReplayOptions struct {
	Files     []string  // pcap or pcapng; "-" is Stdin
	Stdin     io.Reader // for "-"
	Protocols []decode.Protocol
	Names     Names        // may be nil
	Capture   string       // label of every exchange
	Limits    ReplayLimits // zero: the defaults
	Speed     float64      // 1 keeps the capture's pace, 4 is four times it; 0 as fast as possible
	ShiftTo   int64        // moves all times so that the first packet's is this; 0 keeps them
	Warn      func(error)  // told of a file that ends in a cut record; may be nil
	Workers   int          // that connections are spread over, at most 16; 0: as many as there are CPUs. With Watch it is one

	// Secrets is given the TLS key logs that pcapng files carry, each before
	// the packets that follow it in its file are decoded. The text is valid
	// during the call. May be nil.
	Secrets func(keylog []byte)

	Keep  decode.Keep               // what decoders keep beyond attributes
	Watch func(decode.Conn) Watcher // who watches a connection; may be nil, and give nil
}

// Summary says what a replay met.
type Summary struct {
	Files     int
	Packets   uint64
	Bytes     uint64 // as captured
	First     int64  // time of the first packet and of the last, in nanoseconds
	Last      int64
	Clamped   uint64 // packets whose time was before the one before
	Cut       uint64 // packets that the snapshot length cut
	CutFiles  int    // files that end inside a record
	Untold    uint64 // comments of files that were too many to be told
	Exchanges uint64
	Notices   uint64
	Failures  uint64 // connections whose decoder lost its place
	Packet    packet.Counts
	TCP       reassembly.Counts
}

// Replay is files that are open and wait to be told.
//
// One goroutine reads packets, tells connections apart and collects what each
// worker gets of a round; workers put segments in order and decode; one more
// puts what they told in order. With one worker, one goroutine does it all.
type Replay struct {
	ReplayOptions
	sources []*source // with a packet to come, earliest first
	opened  []*pcapfile.Reader
	parser  *packet.Parser
	tracker *reassembly.Tracker
	segment packet.Segment
	sum     Summary
	shift   int64
	pace    pace
	errs    []error
	late    []remark // comments behind the last packet of their file
	line    *line    // nil before Run
}

// OpenReplay opens the files and reads the first packet of each. A file that
// cannot be read at all is told here, before anything else has happened.
func OpenReplay(o ReplayOptions) (*Replay, error) {
	if o.Limits == (ReplayLimits{}) {
		o.Limits = DefaultReplayLimits()
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	p := &Replay{ReplayOptions: o, parser: packet.NewParser(o.Limits.Packet)}
	p.tracker = reassembly.NewTracker(o.Limits.TCP, &p.sum.TCP, func(at int64, c *reassembly.Conn, unwatched bool) {
		p.line.over(at, c, unwatched)
	})
	if err := p.openFiles(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Run reads the files to their end, merged in order of time, and tells out what
// their connections say, in order of the time at which it became known. The
// same files give the same exchanges in the same order, whatever the speed and
// the number of workers: only the packets' own clock counts. When a file cannot
// be read any further, everything that was read is still told before the error.
// It is for one call; out is called from one goroutine at a time.
func (p *Replay) Run(ctx context.Context, out event.Emitter) (Summary, error) {
	p.line = newLine(p, out)
	err := p.run(ctx, p.packet)
	p.flush()
	p.sum.Packet = p.parser.Counts
	p.line.count(&p.sum)
	return p.sum, err
}

// Packet is the number of the packet that is being looked at, from 1. Watchers
// and emitters may ask while they are called.
func (p *Replay) Packet() uint64 { return p.sum.Packets }

// flush ends every connection that is left, some thousands a round.
func (p *Replay) flush() {
	p.line.cut(p.sum.Last, true)
	p.lastRemarks()
	p.line.flushes = true
	p.tracker.Flush()
	p.line.end(p.sum.Last)
}

// First is the time of the first packet in nanoseconds, 0 before it was met.
func (p *Replay) First() int64 { return p.sum.First }

// Close closes the files.
func (p *Replay) Close() {
	for _, r := range p.opened {
		r.Close() // only read from
	}
}

func (p *Replay) packet(ctx context.Context, s *source) error {
	rec := &s.record
	at := p.clock(rec.Time)
	p.sum.Packets++
	p.sum.Bytes += uint64(len(rec.Data))
	if rec.Wire > len(rec.Data) {
		p.sum.Cut++
	}
	if p.Speed > 0 {
		if d := p.pace.due(at, p.Speed); d > 0 {
			p.line.cut(at, false) // to be seen meanwhile
			if err := wait(ctx, d); err != nil {
				return err
			}
		}
	}
	var c *reassembly.Conn
	if p.parser.Parse(rec.Link, at, rec.Data, rec.Wire, &p.segment) {
		var d event.Dir
		c, d = p.tracker.Find(at, &p.segment)
		p.line.segment(at, c, d, &p.segment)
	}
	if len(rec.Comments) > 0 {
		p.remarks(at, s, c)
	}
	p.line.packet(at, len(rec.Data))
	return nil
}

// open begins to follow a connection.
func (p *Replay) open(c *reassembly.Conn, out event.Emitter) reassembly.Stream {
	follow := Follow{Protocols: p.Protocols, Names: p.Names, Capture: p.Capture, IDs: DerivedIDs{}, Limits: p.Limits.Decode, Keep: p.Keep, Watch: p.Watch}
	return follow.Stream(c, c.Number, out)
}
