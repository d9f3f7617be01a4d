package decode

import "github.com/pitot-io/pitot/internal/event"

// NewDetector is a decoder that finds out which of protocols a connection
// speaks and hands over to that protocol's decoder. What it has seen meanwhile,
// at most Limits.Detect bytes a direction, is fed to the decoder first.
//
// A connection joined in the middle may begin anywhere, and its sides may be
// taken the wrong way round; so then every piece that is fed is looked at anew,
// in both roles. When nothing fits, the connection is opaque.
func NewDetector(protocols []Protocol, c Conn) Decoder {
	c.Switch = switcher(protocols)
	return &detector{protocols: protocols, conn: c}
}

type detector struct {
	protocols []Protocol
	conn      Conn
	inner     Decoder // nil until decided
	swapped   bool    // the sides were taken the wrong way round
	late      *Held   // what the decoder is catching up with

	kept  Backlog
	first [2][]byte // contiguous first bytes of each direction
}

func (t *detector) Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	if t.inner != nil {
		return t.inner.Feed(t.role(d), at, b, emit)
	}
	if len(b) == 0 {
		return nil
	}
	t.keep(d, at, b)
	p, swap, more := t.look(d, b)
	switch {
	case p != nil:
		return t.decide(p.New, swap, emit)
	case !more || t.kept.Bytes() >= t.conn.Limits.Detect:
		return t.undecided(at, emit)
	}
	return nil
}

func (t *detector) role(d event.Dir) event.Dir {
	if t.swapped {
		return d.Other()
	}
	return d
}

func (t *detector) keep(d event.Dir, at int64, b []byte) {
	h := Held{Dir: d, At: at}
	if t.conn.Position != nil {
		h.Seq = t.conn.Position(d, 0)
	}
	t.kept.Add(h, b)
	if len(t.first[d]) < t.conn.Limits.Detect {
		t.first[d] = append(t.first[d], b...)
	}
}

// look asks every protocol about the first bytes in direction d. more reports
// whether further bytes could still change the answer.
func (t *detector) look(d event.Dir, latest []byte) (found *Protocol, swap, more bool) {
	for i := range t.protocols {
		p := &t.protocols[i]
		switch p.Detect(d, t.first[d]) {
		case Yes:
			return p, false, false
		case Maybe:
			more = true
		}
		if !t.conn.MidStream {
			continue
		}
		more = true
		if p.Detect(d, latest) == Yes {
			return p, false, false
		}
		if p.Detect(d.Other(), latest) == Yes {
			return p, true, false
		}
	}
	return nil, false, more
}

func (t *detector) undecided(at int64, emit event.Emitter) error {
	if t.conn.MidStream && t.kept.Bytes() >= t.conn.Limits.Detect {
		t.forget(at)
		return nil // somewhere in a long body perhaps: go on looking
	}
	return t.decide(NewOpaque, false, emit)
}

// forget drops what was kept of a connection joined in the middle, but for the
// count of its bytes, which the decoder to come learns as a gap.
func (t *detector) forget(at int64) {
	for d, n := range t.kept.Missing() {
		t.first[d] = t.first[d][:0]
		if n > 0 {
			t.kept.Add(Held{Dir: event.Dir(d), At: at, Gap: n}, nil)
		}
	}
}

// decide makes the decoder and lets it catch up.
func (t *detector) decide(make func(Conn) Decoder, swap bool, emit event.Emitter) error {
	c := t.conn
	if swap {
		c.Client, c.Server, t.swapped = c.Server, c.Client, true
		if tell := c.Inspect; tell != nil {
			c.Inspect = func(m *Message) { m.Swapped = !m.Swapped; tell(m) }
		}
	}
	if c.Position != nil {
		c.Position = t.position
	}
	t.inner = make(c)
	t.first = [2][]byte{}
	defer func() { t.late = nil }()
	return t.kept.Each(func(h *Held, b []byte) error {
		t.late = h
		return h.To(t.inner, t.role(h.Dir), b, emit)
	})
}

// position answers for the piece that is being caught up with, else for the
// Feed call that is under way.
func (t *detector) position(d event.Dir, off int) uint32 {
	if t.late != nil {
		return t.late.Seq + uint32(off)
	}
	return t.conn.Position(t.role(d), off)
}

func (t *detector) Gap(d event.Dir, at int64, n int64, emit event.Emitter) {
	if t.inner != nil {
		t.inner.Gap(t.role(d), at, n, emit)
		return
	}
	t.conn.MidStream = true // from here on the bytes may begin anywhere
	t.first[d] = t.first[d][:0]
	t.kept.Add(Held{Dir: d, At: at, Gap: max(n, 1)}, nil)
}

func (t *detector) End(d event.Dir, at int64, emit event.Emitter) {
	if t.inner != nil {
		t.inner.End(t.role(d), at, emit)
		return
	}
	t.kept.Add(Held{Dir: d, At: at, End: true}, nil)
}

func (t *detector) Close(at int64, emit event.Emitter) {
	if t.inner == nil {
		// NewOpaque never fails, and neither does letting it catch up.
		_ = t.decide(NewOpaque, false, emit)
	}
	t.inner.Close(at, emit)
}
