package mongo

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// half is one direction of a connection: the message that is coming in.
type half struct {
	header
	head  [headerLen]byte
	have  int // bytes of head
	rest  int // bytes of the message that are still to come
	start int64
	seq   uint32

	fed    int64 // bytes before those of the current Feed
	offset int64 // of the message's first byte among all of its direction

	buf    *[]byte // what is kept of the body; nil between messages
	limit  int     // bytes of buf after which something is left out
	hole   hole    // what is being left out
	holes  int
	full   bool // nothing more is kept
	cut    bool // the end of the body is not in buf
	missed bool // bytes of the message were never seen

	skipped int64 // elements of lists that were left out
	removed int   // bytes of the holes that are closed

	seeking bool
	sought  int // bytes looked through in vain
	carry   int // bytes of window
	window  [lookLen - 1]byte
}

// Messages that come in pieces are kept up to these sizes before lists in them
// are cut down to a count.
const (
	softKeep  = 16 << 10
	tailKeep  = 4 << 10 // more of a message after each hole
	maxHoles  = 8
	maxPooled = 64 << 10 // a larger buffer is not kept for the next message
)

func (h *half) between() bool { return h.have == 0 }

// begin starts a message.
func (h *half) begin(hd header, s *shared) {
	h.header, h.rest = hd, hd.length-headerLen
	h.buf = s.buffers.Get().(*[]byte)
	*h.buf = (*h.buf)[:0]
	h.limit = softKeep
}

// total is the size of the body without what holes have left out.
func (h *half) total() int { return h.length - headerLen - h.removed }

func (h *half) body() []byte {
	if h.buf == nil {
		return nil
	}
	return *h.buf
}

// reset forgets the message; what the search for a header holds stays.
func (h *half) reset(s *shared) {
	if h.buf != nil {
		if cap(*h.buf) <= maxPooled {
			s.buffers.Put(h.buf)
		}
		h.buf = nil
	}
	h.have, h.rest, h.limit, h.skipped, h.holes, h.removed = 0, 0, 0, 0, 0, 0
	h.full, h.cut, h.missed, h.hole = false, false, false, hole{}
}

// keep takes the next bytes of the body: into buf, or into the hole.
func (h *half) keep(b []byte, d event.Dir, l *decode.Limits) {
	for len(b) > 0 && !h.full {
		if h.hole.open() {
			n := h.hole.feed(b)
			b = b[n:]
			if !h.hole.open() {
				h.closeHole()
			}
			continue
		}
		n := min(len(b), h.limit-len(*h.buf))
		*h.buf = append(*h.buf, b[:n]...)
		b = b[n:]
		if len(*h.buf) >= h.limit && len(*h.buf) < h.total() {
			h.overflow(d, l)
		}
	}
	if len(b) > 0 {
		h.cut = true
	}
}

// miss takes n bytes of the body as never seen.
func (h *half) miss(n int) {
	h.rest -= n
	h.missed, h.full, h.cut = true, true, true
}

// seek begins the search for the next header.
func (h *half) seek() {
	h.seeking, h.have, h.sought, h.carry = true, 0, 0, 0
}

func (h *half) found() {
	h.seeking, h.sought, h.carry = false, 0, 0
}

func (h *half) carried() []byte { return h.window[:h.carry] }
