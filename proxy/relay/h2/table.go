package h2

// table finds the streams of a connection by their ids, without an allocation
// while their number stays within what it was before. Open addressing with
// linear probing; the ids of one side are every other number.
type table struct {
	slots []*stream // a power of two of them, at most half taken
	n     int
}

const (
	leastSlots = 8
	keptSlots  = 128 // by a connection without streams
)

func (t *table) home(id uint32) int { return int(id>>1) & (len(t.slots) - 1) }

func (t *table) get(id uint32) *stream {
	if t.n == 0 {
		return nil
	}
	for i := t.home(id); t.slots[i] != nil; i = (i + 1) & (len(t.slots) - 1) {
		if t.slots[i].id == id {
			return t.slots[i]
		}
	}
	return nil
}

func (t *table) put(s *stream) {
	if 2*(t.n+1) > len(t.slots) {
		t.resize(max(leastSlots, 2*len(t.slots)))
	}
	t.place(s)
	t.n++
}

func (t *table) place(s *stream) {
	i := t.home(s.id)
	for t.slots[i] != nil {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = s
}

func (t *table) resize(slots int) {
	old := t.slots
	t.slots = make([]*stream, slots)
	for _, s := range old {
		if s != nil {
			t.place(s)
		}
	}
}

// remove takes a stream out, and moves those up that it kept from their homes.
func (t *table) remove(id uint32) {
	mask := len(t.slots) - 1
	i := t.home(id)
	for ; t.slots[i] == nil || t.slots[i].id != id; i = (i + 1) & mask {
		if t.slots[i] == nil {
			return
		}
	}
	t.n--
	for j := (i + 1) & mask; t.slots[j] != nil; j = (j + 1) & mask {
		if home := t.home(t.slots[j].id); (j-home)&mask >= (j-i)&mask {
			t.slots[i], i = t.slots[j], j
		}
	}
	t.slots[i] = nil
}

// shrink gives the memory of a large table back that no stream is in.
func (t *table) shrink() {
	if t.n == 0 && len(t.slots) > keptSlots {
		t.slots = nil
	}
}

// past remembers the streams that ended last, and how.
type past struct {
	ids  [64]uint32
	hows [64]how
	next uint8
}

// how a stream ended.
type how uint8

const (
	forgotten how = iota
	inOrder       // by END_STREAM on both sides
	byPeer        // the peer reset it
	byUs          // we reset it: what still comes for it was on its way
)

func (p *past) add(id uint32, h how) {
	i := p.next % uint8(len(p.ids))
	p.ids[i], p.hows[i] = id, h
	p.next++
}

func (p *past) of(id uint32) how {
	for i, x := range p.ids {
		if x == id {
			return p.hows[i]
		}
	}
	return forgotten
}
