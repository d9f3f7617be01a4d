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

	"github.com/pitot-io/pitot/tap/pcapfile"
)

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
		p.opened = append(p.opened, r)
		r.Lend(p.take, p.give)
		r.Pause(p.seen)
		r.Secrets = p.secrets
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
	if err != nil {
		p.ended(s)
	}
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

// run gives every packet, in order of time, to do.
func (p *Replay) run(ctx context.Context, do func(context.Context, *source) error) error {
	defer context.AfterFunc(ctx, p.interrupt)()
	for len(p.sources) > 0 {
		if p.sum.Packets%askEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s := p.sources[0]
		if err := do(ctx, s); err != nil {
			return err
		}
		if p.next(s) {
			p.sink()
		} else {
			p.sources = p.sources[1:]
		}
	}
	if len(p.errs) > 0 && ctx.Err() != nil {
		return ctx.Err() // which is what broke the reading off
	}
	return errors.Join(p.errs...)
}

// interrupt ends the waiting for named pipes.
func (p *Replay) interrupt() {
	for _, r := range p.opened {
		r.Interrupt()
	}
}

// sink puts the first source, whose packet is a new one, where it belongs.
func (p *Replay) sink() {
	for i := 1; i < len(p.sources) && p.sources[i].before(p.sources[i-1]); i++ {
		p.sources[i], p.sources[i-1] = p.sources[i-1], p.sources[i]
	}
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

// take makes a buffer for a file to be read into.
func (p *Replay) take(n int) []byte {
	if p.line == nil {
		return make([]byte, n)
	}
	return p.line.buffers.take(n)
}

// give takes a buffer that is full: packets of this round and those before lie
// in it.
func (p *Replay) give(b []byte) {
	if p.line != nil {
		p.line.retire(b)
	}
}

// secrets hands on the key log of a file. Everything that was read before it is
// told first, so that what is decoded does not hang on who was how far.
func (p *Replay) secrets(keylog []byte) {
	if p.Secrets == nil {
		return
	}
	if p.line != nil {
		p.line.drain()
	}
	p.Secrets(keylog)
}

// Progress is how many bytes of all files were read, and how many they have, as
// they lie on disk; 0 where that is not known. It may be called at any time.
func (p *Replay) Progress() (taken, size int64) {
	known := true
	for _, r := range p.opened {
		t, s := r.Progress()
		taken, size, known = taken+t, size+s, known && s > 0
	}
	if !known {
		size = 0
	}
	return taken, size
}

// seen lets everything that was read be told while a file keeps us waiting.
func (p *Replay) seen() {
	if p.line != nil {
		p.line.cut(p.sum.Last, false)
	}
}

// pace makes packets wait for their time.
type pace struct {
	begun time.Time // when the first packet was replayed
	first int64
}

// due is how long the packet of that time has to wait; late ones are made up
// for, not slept on.
func (p *pace) due(at int64, speed float64) time.Duration {
	if p.begun.IsZero() {
		p.begun, p.first = time.Now(), at
		return 0
	}
	return time.Until(p.begun.Add(time.Duration(float64(at-p.first) / speed)))
}

func wait(ctx context.Context, d time.Duration) error {
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
