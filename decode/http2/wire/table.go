package wire

import "math"

const (
	// DefaultTableSize is SETTINGS_HEADER_TABLE_SIZE before anything is said.
	DefaultTableSize = 4096

	noMaximum = -1
	minText   = 512 // bytes of memory for the text of entries
	minRing   = 16  // entries
)

// table is one direction's dynamic table. Entries are counted from the newest,
// so those that were seen coming are known whatever lies below them: what a
// decoder that joined late, or lost bytes, does not know is only older. An
// entry kept for longer than its encoder keeps it does no harm, since nobody
// refers to it.
type table struct {
	limit int // bytes that are kept at most, whatever the encoder keeps
	max   int // bytes that the encoder keeps; noMaximum when that was not seen
	size  int // of entries

	whole bool    // the encoder has no entries below those here
	ring  []Field // a power of two of them
	next  int     // where the next entry goes, and how many there were
	n     int     // living entries

	text  []byte // of entries, but for names that roles have
	spare []byte // the text before it last moved
	moved bool   // since the last block: the spare text is still lent
}

// begin is the state at the start of a connection.
func (t *table) begin(limit int) { *t = table{limit: limit, max: DefaultTableSize, whole: true} }

// forget is the state after bytes were missed: anything may be in the table.
func (t *table) forget() {
	t.n, t.size = 0, 0
	t.whole, t.max = false, noMaximum
}

// get is the entry at index i of the dynamic part, 0 being the newest; nil
// where there is none.
func (t *table) get(i int) *Field {
	if uint(i) >= uint(t.n) {
		return nil
	}
	return &t.ring[(t.next-1-i)&(len(t.ring)-1)]
}

// resize is a dynamic table size update (RFC 7541, 6.3).
func (t *table) resize(max int) {
	t.max = max
	t.evict(0)
	if max == 0 {
		t.whole = true
	}
}

// insert adds an entry.
func (t *table) insert(x *Field) {
	need := x.size()
	switch {
	case t.max == noMaximum && need > DefaultTableSize:
		// Whether the encoder keeps it, and what it drops for it, hangs on
		// how large its table is.
		t.n, t.size = 0, 0
		return
	case t.max != noMaximum && need > t.max: // RFC 7541, 4.4: empties the table
		t.n, t.size = 0, 0
		t.whole = true
		return
	}
	t.evict(need)
	if need > t.limit {
		return // evict has emptied the table and marked it
	}
	if t.n == len(t.ring) {
		t.grow()
	}
	t.room(len(x.Name) + len(x.Value))
	e := &t.ring[t.next&(len(t.ring)-1)]
	*e = *x
	t.settle(e)
	t.next++
	t.n++
	t.size += need
}

// settle puts the text of an entry where it lives.
func (t *table) settle(e *Field) {
	if e.Role > RoleOther {
		e.Name = e.Role.Name()
	} else {
		e.Name = t.keep(e.Name)
	}
	e.Value = t.keep(e.Value)
}

func (t *table) keep(s string) string {
	at := len(t.text)
	t.text = append(t.text, s...)
	return view(t.text[at:len(t.text):len(t.text)])
}

// evict drops the oldest entries until need more bytes fit.
func (t *table) evict(need int) {
	for t.max != noMaximum && t.size+need > t.max && t.n > 0 {
		t.drop()
		t.whole = true // what lay below has gone before
	}
	for t.size+need > t.limit && t.n > 0 {
		t.drop()
		t.whole = false
	}
	if need > t.limit {
		t.whole = false
	}
}

func (t *table) drop() {
	t.size -= t.get(t.n - 1).size()
	t.n--
}

func (t *table) grow() {
	ring := make([]Field, max(minRing, 2*len(t.ring)))
	for i := range t.n {
		ring[(t.next-1-i)&(len(ring)-1)] = *t.get(i)
	}
	t.ring = ring
}

// room sees to it that n more bytes of text fit without touching what is lent:
// the text of living entries moves to the spare memory, which serves for that
// once in a block.
func (t *table) room(n int) {
	if len(t.text)+n <= cap(t.text) {
		return
	}
	need := t.size - t.n*entryOverhead + n
	old := t.text
	if t.text = t.spare[:0]; t.moved || cap(t.text) < need+need/2 {
		t.text = make([]byte, 0, max(minText, 2*need))
	}
	for i := range t.n {
		t.settle(t.get(i))
	}
	t.spare, t.moved = old, true
}

// unbounded is the limit of a table that only its maximum bounds.
const unbounded = math.MaxInt
