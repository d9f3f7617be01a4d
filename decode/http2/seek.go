package http2

import (
	"math"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// search is what a half keeps while it looks for its place.
type search struct {
	buf    []byte
	marks  []mark
	spare  []byte // memory for the next search
	offset int64  // of buf's first byte in the direction

	open    []int // places in buf of which more bytes must tell whether a chain begins there
	scanned int   // places before it are open, or none
}

// maxOpen bounds how many places are open at once.
const maxOpen = 256

// find is where the frames begin of which the fewest bytes say so. Where none
// do, everything before at is of no use; final says that no more comes.
func (s *search) find(d event.Dir, open *streams, final bool) (at int, found bool) {
	at, end := 0, math.MaxInt
	try := func(place int) (maybe bool) {
		l, v := chain(d, s.buf[place:], open, false, false)
		if v == decode.Yes && place+l.size < end {
			at, end, found = place, place+l.size, true
		}
		return v == decode.Maybe
	}
	still := s.open[:0]
	for _, place := range s.open {
		if try(place) {
			still = append(still, place)
		}
	}
	for place := s.scanned; place < min(len(s.buf), end); place++ {
		if try(place) && len(still) < maxOpen {
			still = append(still, place)
		}
	}
	s.open, s.scanned = still, len(s.buf)
	switch {
	case found:
		return at, true
	case final:
		return s.last(d, open)
	case len(still) > 0:
		return still[0], false
	}
	return len(s.buf), false
}

// last judges the open places when no more bytes will come.
func (s *search) last(d event.Dir, open *streams) (at int, found bool) {
	for _, place := range s.open {
		if _, v := chain(d, s.buf[place:], open, true, false); v == decode.Yes {
			return place, true
		}
	}
	return len(s.buf), false
}

// mark says where kept bytes came from.
type mark struct {
	from int // in buf
	at   int64
	seq  uint32 // TCP sequence number of the first, where known
}

// keep adds bytes that begin at offset in the direction.
func (s *search) keep(m mark, b []byte, offset int64) {
	if len(b) == 0 {
		return
	}
	m.from = len(s.buf)
	if m.from == 0 {
		s.offset = offset
	}
	if k := len(s.marks) - 1; k < 0 || s.marks[k].at != m.at || m.seq != 0 && s.marks[k].seq+uint32(m.from-s.marks[k].from) != m.seq {
		s.marks = append(s.marks, m)
	}
	s.buf = append(s.buf, b...)
}

// skip drops the first n bytes kept.
func (s *search) skip(n int) {
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	s.offset += int64(n)
	s.scanned = max(0, s.scanned-n)
	for i := range s.open {
		s.open[i] -= n // none lies before
	}
	k := 0 // marks that lie wholly before
	for k+1 < len(s.marks) && s.marks[k+1].from <= n {
		k++
	}
	s.marks = s.marks[:copy(s.marks, s.marks[k:])]
	for i := range s.marks {
		m := &s.marks[i]
		if m.from -= n; m.from < 0 {
			m.seq -= uint32(m.from)
			m.from = 0
		}
	}
	if len(s.buf) == 0 {
		s.marks = s.marks[:0]
	}
}

// seek looks for a frame in the bytes kept so far and b[off:].
func (t *conn) seek(d event.Dir, at int64, b []byte, off int) {
	h := &t.half[d]
	h.search.keep(mark{at: at, seq: t.position(d, off)}, b[off:], h.total)
	h.total += int64(len(b) - off)
	if t.late == nil { // else the search that is under way goes on with it
		t.find(d, false)
	}
}

// find goes on with what was kept from the first place that fits. final says
// that no more bytes will come.
func (t *conn) find(d event.Dir, final bool) {
	h := &t.half[d]
	for h.state == lost && len(h.search.buf) > 0 {
		n, found := h.search.find(d, &t.set, final)
		t.inspectSkipped(d, h.search.marks[0].at, h.search.offset, n)
		h.search.skip(n)
		if !found {
			return
		}
		t.replay(d)
	}
}

// replay feeds what was kept, which begins with a frame or the preface.
func (t *conn) replay(d event.Dir) {
	h := &t.half[d]
	s := h.search
	h.search = search{buf: s.spare[:0], open: s.open[:0]}
	end := h.total
	h.total, h.state, h.have = s.offset, between, 0
	if startsWithPreface(d, s.buf) {
		h.state = opening
		h.hpack = begin(&t.c, false) // nothing can have come before
	}
	for i := range s.marks {
		m, to := &s.marks[i], len(s.buf)
		if i+1 < len(s.marks) {
			to = s.marks[i+1].from
		}
		t.late = m
		t.feed(d, m.at, s.buf[m.from:to])
	}
	t.late = nil
	h.total = end
	h.search.spare = s.buf[:0]
	if h.state != lost && cap(s.buf) > keptSearch {
		h.search.spare = nil
	}
}

// keptSearch is how much memory a search that is over may leave behind.
const keptSearch = 4 << 10

// giveUpSearch ends direction d: what is left is judged without more.
func (t *conn) giveUpSearch(d event.Dir) { t.find(d, true) }

// lose gives up the place in direction d: what was wrong is told, and the
// search begins with the next byte.
func (t *conn) lose(d event.Dir, at int64, why string) {
	t.failure(d, at, why+"; looking for the next frame")
	t.stray(d)
}

// stray gives up the place in direction d: streams may begin and end unseen
// there, and tables change.
func (t *conn) stray(d event.Dir) {
	h := &t.half[d]
	h.state, h.have, h.block.open, h.cur = lost, 0, false, nil
	h.buf = h.buf[:0]
	h.hpack.Forget()
	h.search = search{buf: h.search.buf[:0], marks: h.search.marks[:0], spare: h.search.spare, open: h.search.open[:0]}
	t.half[d.Other()].unsettle() // a SETTINGS frame may be missing
	t.set.blind()
	for s := t.set.first; s != nil; s = s.next {
		s.blind[d] = s.blind[d] || !s.ended[d]
		s.x.Decode |= gapFlag(d) // though its side has ended: a reset may be missing
	}
}

func gapFlag(d event.Dir) event.DecodeFlags {
	if d == event.ToServer {
		return event.RequestGap
	}
	return event.ResponseGap
}
