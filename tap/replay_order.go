package tap

import (
	"cmp"
	"slices"

	"github.com/pitot-io/pitot/internal/event"
)

// entry is an exchange or a notice with its place among all: the time when it
// became known, then the number of its connection, then its turn there.
type entry struct {
	key     int64
	stream  int64
	ordinal int32
	index   int32 // in batch
	notice  bool
	batch   *filled
}

// compare orders the entries of one round, place those of several.
func (e *entry) compare(o *entry) int {
	return cmp.Or(e.place(o), cmp.Compare(e.ordinal, o.ordinal))
}

func (e *entry) place(o *entry) int {
	return cmp.Or(cmp.Compare(e.key, o.key), cmp.Compare(e.stream, o.stream))
}

// maxHeld is how many entries wait for others that may come before them. A
// capture that brings more than that within its reordering window, or gives
// all its packets one time, has them told in runs, each of them in order.
const maxHeld = 1 << 15

// order tells what workers found in one order, whatever their number.
type order struct {
	out     event.Emitter
	once    bool  // everything is told at once, in whatever order
	lag     int64 // nanoseconds by which something that waits may be told back
	held    []entry
	fresh   []entry
	merged  []entry
	batches batches

	exchanges, notices, failures uint64
}

// tell takes what was found in a round, the next one, and passes on everything
// before which nothing can come any more.
func (o *order) tell(r *round) {
	o.fresh = append(o.fresh[:0], r.remarks...)
	low := r.until
	for i := range r.parts {
		o.fresh = append(o.fresh, r.parts[i].told...)
		if r.parts[i].waits {
			low = r.until - o.lag
		}
	}
	slices.SortFunc(o.fresh, func(a, b entry) int { return a.compare(&b) })
	o.merge()
	n := len(o.held)
	switch {
	case r.last || o.once:
	case r.whole && n > maxHeld:
		n -= maxHeld / 2
	default:
		n, _ = slices.BinarySearchFunc(o.held, low, func(e entry, low int64) int { return cmp.Compare(e.key, low) })
	}
	o.pass(n)
}

// merge puts what is fresh among what is held, behind what is held of the same
// connection and time, which was told before: turns count within a round.
func (o *order) merge() {
	if len(o.fresh) == 0 {
		return
	}
	to, a, b := o.merged[:0], o.held, o.fresh
	for len(a) > 0 && len(b) > 0 {
		if a[0].place(&b[0]) <= 0 {
			to, a = append(to, a[0]), a[1:]
		} else {
			to, b = append(to, b[0]), b[1:]
		}
	}
	to = append(append(to, a...), b...)
	o.held, o.merged = to, o.held
}

// pass tells the first n that are held.
func (o *order) pass(n int) {
	for i := range o.held[:n] {
		e := &o.held[i]
		if e.notice {
			o.notice(&e.batch.Notices[e.index])
		} else {
			o.exchanges++
			o.out.Exchange(&e.batch.Exchanges[e.index])
		}
		if e.batch.left--; e.batch.left == 0 {
			o.batches.give(e.batch)
		}
	}
	rest := copy(o.held, o.held[n:])
	clear(o.held[rest:])
	o.held = o.held[:rest]
}

func (o *order) notice(n *event.Notice) {
	o.notices++
	if n.Name == event.EventDecodeFailure {
		o.failures++
	}
	o.out.Notice(n)
}
