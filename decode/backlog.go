package decode

import "github.com/pitot-io/pitot/internal/event"

// Held is one Feed, Gap or End that waits until it is known how to read it.
type Held struct {
	Dir event.Dir
	At  int64
	Seq uint32 // TCP sequence number of the first byte, where known
	Gap int64  // bytes missing (0 is an unknown number), where there are none and it is no End
	End bool

	start, n int // of its bytes in Backlog.bytes
}

// Backlog keeps what waits, in order. Who fills it bounds it.
type Backlog struct {
	held  []Held
	bytes []byte
}

// Len is how many pieces wait, Bytes how many bytes they have.
func (l *Backlog) Len() int   { return len(l.held) }
func (l *Backlog) Bytes() int { return len(l.bytes) }

// Add keeps h, whose bytes are b. What belongs together is joined, so that cuts
// make no difference and gaps alone cannot grow the list.
func (l *Backlog) Add(h Held, b []byte) {
	h.start, h.n = len(l.bytes), len(b)
	l.bytes = append(l.bytes, b...)
	if k := len(l.held); k > 0 {
		switch last := &l.held[k-1]; {
		case last.Dir != h.Dir || last.End || h.End:
		case last.n > 0 && h.n > 0 && last.At == h.At:
			last.n += h.n
			return
		case last.n == 0 && h.n == 0:
			last.Gap += h.Gap
			return
		}
	}
	l.held = append(l.held, h)
}

// Prepend is Add in front of everything.
func (l *Backlog) Prepend(h Held, b []byte) {
	h.start, h.n = len(l.bytes), len(b)
	l.bytes = append(l.bytes, b...)
	l.held = append([]Held{h}, l.held...)
}

// Missing forgets everything, and is how many bytes of each direction that were.
func (l *Backlog) Missing() (n [2]int64) {
	for i := range l.held {
		h := &l.held[i]
		n[h.Dir] += int64(h.n) + h.Gap
	}
	l.held, l.bytes = l.held[:0], l.bytes[:0]
	return n
}

// Each gives every piece to do, with its bytes, until it fails, and forgets
// them all. What is added meanwhile waits for the next call.
func (l *Backlog) Each(do func(h *Held, b []byte) error) error {
	all, bytes := l.held, l.bytes
	*l = Backlog{}
	for i := range all {
		h := &all[i]
		if err := do(h, bytes[h.start:h.start+h.n]); err != nil {
			return err
		}
	}
	return nil
}

// To shows h, whose bytes are b, to a decoder as going in direction d.
func (h *Held) To(to Decoder, d event.Dir, b []byte, emit event.Emitter) error {
	switch {
	case h.End:
		to.End(d, h.At, emit)
	case len(b) == 0:
		to.Gap(d, h.At, h.Gap, emit)
	default:
		return to.Feed(d, h.At, b, emit)
	}
	return nil
}
