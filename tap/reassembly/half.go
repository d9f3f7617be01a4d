package reassembly

// trust says how well the next sequence number of a half is known.
type trust uint8

const (
	unknown trust = iota
	guessed       // from an acknowledgment, or from a segment without bytes
	sure          // from the half's own SYN or bytes
)

// half is one direction of a connection. Sequence numbers wrap: they are
// compared by the sign of their difference (RFC 9293, section 3.4).
type half struct {
	known  trust
	ended  bool // its FIN was handed over
	hasFin bool
	first  uint32 // number of the first byte
	next   uint32 // number of the next byte to hand over
	fed    uint32 // number of the first byte of the Feed under way
	acked  uint32 // highest number that the other side has acknowledged
	heard  int64  // when the other side last acknowledged anything
	fin    uint32 // number behind the last byte, where hasFin

	queue []held // sorted by number, without overlaps
	bytes int    // in queue
	trail *trail // of what was handed over; nil while nobody remembers it

	strayEnd   uint32
	strayKnown bool
	strayJump  bool
}

// held is a segment that waits.
type held struct {
	seq     uint32
	ack     uint32
	acks    bool
	missing int
	at      int64
	early   bool // others that came later lie before it, or it came after others that lie behind it
	b       []byte
}

func (x *held) end() uint32 { return x.seq + uint32(len(x.b)+x.missing) }

func before(a, b uint32) bool { return int32(a-b) < 0 }

// begin sets the number of the next byte, unless it is known as well already.
func (h *half) begin(seq uint32, how trust) {
	if h.known >= how {
		return
	}
	h.known, h.first, h.next, h.acked = how, seq, seq, seq
}

// start begins with a segment of n bytes, when nothing sure is known: a
// capture joined in the middle. A keep-alive probe repeats one old byte
// (RFC 9293, section 3.8.4), so that it tells nothing.
func (h *half) start(seq uint32, n int) {
	if h.known == sure || h.known == guessed && n <= 1 && seq+1 == h.next {
		return
	}
	acked := h.acked
	guess := h.known == guessed
	h.begin(seq, sure)
	if guess && before(h.acked, acked) {
		h.acked = acked
	}
}

// acknowledged learns from the other side's acknowledgment.
func (h *half) acknowledged(ack uint32, at int64) {
	h.heard = at
	switch h.known {
	case unknown:
		h.begin(ack, guessed)
	case guessed:
		if before(h.next, ack) {
			h.next, h.first, h.acked = ack, ack, ack
		}
	case sure:
		if before(h.acked, ack) {
			h.acked = ack
		}
	}
}

// inTurn says of what lies at next, and of what follows it without a hole, that
// nothing is known to have come out of its turn: what was missing never came.
func (h *half) inTurn() {
	next := h.next
	for i := range h.queue {
		if h.queue[i].seq != next {
			return
		}
		h.queue[i].early = false
		next = h.queue[i].end()
	}
}

// lacks reports whether ack acknowledges bytes of this half, or a FIN that has
// not been seen, which have not been handed over.
func (h *half) lacks(ack uint32, l *Limits) bool {
	n := ack - h.next
	if h.hasFin && ack == h.fin+1 {
		n--
	}
	return h.known == sure && !h.ended && n > 0 && n <= l.Jump
}

// unseenFIN reports whether what is missing may be nothing but a FIN: one
// number was acknowledged beyond what was handed over, and nothing lies there.
func (h *half) unseenFIN() bool {
	return !h.hasFin && len(h.queue) == 0 && h.acked-h.next == 1
}

// quiet is false while bytes are held, an end is due, or something was
// acknowledged that did not come.
func (h *half) quiet() bool {
	return len(h.queue) == 0 && (!h.hasFin || h.ended) && !before(h.next, h.acked)
}

// lost reports whether the receiver of this half lacks what is missing too,
// as its acknowledgments since then say.
func (h *half) lost(since int64) bool {
	return len(h.queue) > 0 && h.queue[0].seq != h.next && h.heard >= since && !before(h.next, h.acked)
}

// stray reports whether a segment is so far away that it is not believed. A
// second one that continues the first is: strayJump says so.
func (h *half) stray(seq, n, jump uint32) bool {
	away := int32(seq - h.next)
	if away < 0 {
		away = -away
	}
	if uint32(away) <= jump {
		h.strayKnown = false
		return false
	}
	if h.strayKnown && seq-h.strayEnd <= jump {
		h.strayKnown, h.strayJump = false, true
		return false
	}
	h.strayKnown, h.strayEnd = true, seq+n
	return true
}

// finish learns of the FIN behind the byte before end; the first one counts.
func (h *half) finish(end uint32) {
	if !h.hasFin && !before(end, h.next) {
		h.hasFin, h.fin = true, end
	}
}

// insert puts x in its place of the queue, without what is there already: what
// came first wins, unless last says otherwise. It gives the first place where
// the bytes of both differ.
func (h *half) insert(x held, last bool, mem *spare) (o Overlap, differs bool) {
	for i := range h.queue {
		if o, differs = differ(&h.queue[i], &x); differs {
			o.First = append([]byte(nil), o.First...) // the queue may let go of it
			break
		}
	}
	if last {
		h.carve(x.seq, x.seq+uint32(len(x.b)), mem)
	}
	for i := 0; ; i++ {
		if i == len(h.queue) || !before(h.queue[i].seq, x.end()) {
			h.put(i, x, mem)
			return o, differs
		}
		q := &h.queue[i]
		if !before(x.seq, q.end()) {
			continue
		}
		if before(x.seq, q.seq) {
			head := x.part(x.seq, q.seq)
			h.put(i, head, mem)
			i++
		}
		end := h.queue[i].end()
		if !before(end, x.end()) {
			return o, differs
		}
		x = x.part(end, x.end())
	}
}

// carve takes everything from one number to another out of the queue.
func (h *half) carve(from, to uint32, mem *spare) {
	for i := 0; i < len(h.queue) && before(h.queue[i].seq, to); i++ {
		q := h.queue[i]
		if !before(from, q.end()) || from == to {
			continue
		}
		h.take(i)
		put := i
		if before(q.seq, from) {
			h.put(put, q.part(q.seq, from), mem)
			put++
		}
		if before(to, q.end()) {
			h.put(put, q.part(to, q.end()), mem)
			put++
		}
		mem.free(q.b)
		i = put - 1
	}
}

func (h *half) put(i int, x held, mem *spare) {
	x.b = mem.copy(x.b)
	h.queue = append(h.queue, held{})
	copy(h.queue[i+1:], h.queue[i:])
	h.queue[i] = x
	h.bytes += len(x.b)
}

// take takes what waits at place i out of the queue.
func (h *half) take(i int) held {
	x := h.queue[i]
	copy(h.queue[i:], h.queue[i+1:])
	h.queue[len(h.queue)-1] = held{}
	h.queue = h.queue[:len(h.queue)-1]
	h.bytes -= len(x.b)
	return x
}

// part is the part of x from one number to another; both lie within x.
func (x held) part(from, to uint32) held {
	p := x
	p.seq = from
	n := uint32(len(x.b))
	lo, hi := min(from-x.seq, n), min(to-x.seq, n)
	p.b = x.b[lo:hi]
	p.missing = int(to-from) - len(p.b)
	return p
}
