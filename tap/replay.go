package tap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

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
	Exchanges uint64
	Notices   uint64
	Failures  uint64 // connections whose decoder lost its place
	Packet    packet.Counts
	TCP       reassembly.Counts
}

// Replay is files that are open and wait to be told.
type Replay struct {
	ReplayOptions
	out     event.Emitter
	sources []*source // with a packet to come, earliest first
	opened  []*pcapfile.Reader
	parser  *packet.Parser
	tcp     *reassembly.Assembler
	segment packet.Segment
	sum     Summary
	shift   int64
	pace    pace
	errs    []error
}

// OpenReplay opens the files and reads the first packet of each. A file that
// cannot be read at all is told here, before anything else has happened.
func OpenReplay(o ReplayOptions) (*Replay, error) {
	if o.Limits == (ReplayLimits{}) {
		o.Limits = DefaultReplayLimits()
	}
	p := &Replay{ReplayOptions: o, parser: packet.NewParser(o.Limits.Packet)}
	p.tcp = reassembly.New(o.Limits.TCP, p.open)
	if err := p.openFiles(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Run reads the files to their end, merged in order of time, and tells out what
// their connections say. The same files give the same exchanges in the same
// order, whatever the speed: only the packets' own clock counts. When a file
// cannot be read any further, everything that was read is still told before
// the error. It is for one call.
func (p *Replay) Run(ctx context.Context, out event.Emitter) (Summary, error) {
	p.out = decode.Stages(p.Protocols, out)
	err := p.run(ctx)
	p.tcp.Flush()
	p.sum.Packet, p.sum.TCP = p.parser.Counts, p.tcp.Counts
	return p.sum, err
}

// Packet is the number of the packet that is being looked at, from 1. Watchers
// and emitters may ask while they are called.
func (p *Replay) Packet() uint64 { return p.sum.Packets }

// Close closes the files.
func (p *Replay) Close() {
	for _, r := range p.opened {
		r.Close() // only read from
	}
}

// source is a file with its next packet.
type source struct {
	file   *pcapfile.Reader
	order  int // of the file among all
	record pcapfile.Record
}

func (s *source) before(o *source) bool {
	if s.record.Time != o.record.Time {
		return s.record.Time < o.record.Time
	}
	return s.order < o.order
}

func (p *Replay) openFiles() error {
	for i, name := range p.Files {
		r, err := pcapfile.Open(name, p.Stdin, p.Limits.File)
		if err != nil {
			return err
		}
		r.Secrets = p.Secrets
		p.opened = append(p.opened, r)
		p.sum.Files++
		s := &source{file: r, order: i}
		if p.next(s) {
			p.sources = append(p.sources, s)
		}
	}
	slices.SortFunc(p.sources, func(a, b *source) int {
		return cmp.Or(cmp.Compare(a.record.Time, b.record.Time), cmp.Compare(a.order, b.order))
	})
	return nil
}

// next reads the next packet of s; false says that there is none.
func (p *Replay) next(s *source) bool {
	err := s.file.Next(&s.record)
	switch {
	case err == nil:
		return true
	case errors.Is(err, io.EOF):
	case errors.Is(err, pcapfile.ErrCut):
		p.sum.CutFiles++
		if p.Warn != nil {
			p.Warn(err)
		}
	default:
		p.errs = append(p.errs, err)
	}
	return false
}

const askEvery = 1024 // packets between two looks at the context

func (p *Replay) run(ctx context.Context) error {
	for len(p.sources) > 0 {
		if p.sum.Packets%askEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s := p.sources[0]
		if err := p.packet(ctx, &s.record); err != nil {
			return err
		}
		if p.next(s) {
			p.sink()
		} else {
			p.sources = p.sources[1:]
		}
	}
	return errors.Join(p.errs...)
}

// sink puts the first source, whose packet is a new one, where it belongs.
func (p *Replay) sink() {
	for i := 1; i < len(p.sources) && p.sources[i].before(p.sources[i-1]); i++ {
		p.sources[i], p.sources[i-1] = p.sources[i-1], p.sources[i]
	}
}

func (p *Replay) packet(ctx context.Context, rec *pcapfile.Record) error {
	at := p.clock(rec.Time)
	p.sum.Packets++
	p.sum.Bytes += uint64(len(rec.Data))
	if rec.Wire > len(rec.Data) {
		p.sum.Cut++
	}
	if p.Speed > 0 {
		if err := p.pace.wait(ctx, at, p.Speed); err != nil {
			return err
		}
	}
	if p.parser.Parse(rec.Link, at, rec.Data, rec.Wire, &p.segment) {
		p.tcp.Segment(at, &p.segment)
	}
	return nil
}

// clock is the time of a packet, shifted where that was asked for, and never
// before that of the packet before.
func (p *Replay) clock(at int64) int64 {
	if p.sum.Packets == 0 {
		if p.ShiftTo != 0 {
			p.shift = p.ShiftTo - at
		}
		p.sum.First = at + p.shift
		p.sum.Last = p.sum.First
	}
	at += p.shift
	if at < p.sum.Last {
		p.sum.Clamped++
		return p.sum.Last
	}
	p.sum.Last = at
	return at
}

// open begins to follow a connection.
func (p *Replay) open(c *reassembly.Conn) reassembly.Stream {
	follow := Follow{Protocols: p.Protocols, Names: p.Names, Capture: p.Capture, IDs: DerivedIDs{}, Limits: p.Limits.Decode, Keep: p.Keep, Watch: p.Watch}
	return follow.Stream(c, c.Number, counting{p})
}

// counting counts what goes by on its way to Out.
type counting struct{ *Replay }

func (c counting) Exchange(x *event.Exchange) {
	c.sum.Exchanges++
	c.out.Exchange(x)
}

func (c counting) Notice(n *event.Notice) {
	c.sum.Notices++
	if n.Name == event.EventDecodeFailure {
		c.sum.Failures++
	}
	c.out.Notice(n)
}

// pace makes packets wait for their time.
type pace struct {
	begun time.Time // when the first packet was replayed
	first int64
}

func (p *pace) wait(ctx context.Context, at int64, speed float64) error {
	if p.begun.IsZero() {
		p.begun, p.first = time.Now(), at
		return nil
	}
	due := p.begun.Add(time.Duration(float64(at-p.first) / speed))
	d := time.Until(due)
	if d <= 0 {
		return nil // late packets are made up for, not slept on
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ParseSpeed reads "max", "1x" or "0.5x".
func ParseSpeed(s string) (float64, error) {
	if s == "max" {
		return 0, nil
	}
	if number, ok := strings.CutSuffix(s, "x"); ok {
		if v, err := strconv.ParseFloat(number, 64); err == nil && v > 0 && !math.IsInf(v, 0) {
			return v, nil
		}
	}
	return 0, fmt.Errorf("speed %q is unknown: say max, 1x, 4x or 0.5x", s)
}
