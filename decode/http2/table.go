package http2

import "github.com/pitot-io/pitot/decode"

const (
	entryOverhead = 32   // of an entry's size (RFC 7541, 4.1)
	defaultTable  = 4096 // SETTINGS_HEADER_TABLE_SIZE before anything is said
	noMaximum     = -1
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

	whole   bool // the encoder has no entries below those here
	entries []entry
	first   int // oldest living entry; those before it are gone
	text    []byte
}

// entry is a field in the table's text, name before value.
type entry struct {
	at, name, value uint32
}

func (e entry) size() int { return int(e.name+e.value) + entryOverhead }

// begin is the state at the start of a connection.
func (t *table) begin(limit int) { *t = table{limit: limit, max: defaultTable, whole: true} }

// forget is the state after bytes were missed: anything may be in the table.
func (t *table) forget() {
	t.clear()
	t.whole, t.max = false, noMaximum
}

func (t *table) clear() {
	t.entries, t.first, t.text, t.size = t.entries[:0], 0, t.text[:0], 0
}

// get is the entry at index i of the dynamic part, 0 being the newest.
func (t *table) get(i int) (name, value []byte, ok bool) {
	if i >= len(t.entries)-t.first {
		return nil, nil, false
	}
	e := t.entries[len(t.entries)-1-i]
	b := t.text[e.at:]
	return b[:e.name], b[e.name : e.name+e.value], true
}

// resize is a dynamic table size update (RFC 7541, 6.3).
func (t *table) resize(max int) {
	t.max = max
	t.evict(0)
	if max == 0 {
		t.whole = true
	}
}

// insert adds an entry. name and value do not point into the table.
func (t *table) insert(name, value string) {
	need := len(name) + len(value) + entryOverhead
	switch {
	case t.max == noMaximum && need > defaultTable:
		// Whether the encoder keeps it, and what it drops for it, hangs on
		// how large its table is.
		t.clear()
		return
	case t.max != noMaximum && need > t.max: // RFC 7541, 4.4: empties the table
		t.clear()
		t.whole = true
		return
	}
	t.evict(need)
	if need > t.limit {
		return // evict has emptied the table and marked it
	}
	t.room(len(name) + len(value))
	t.entries = append(t.entries, entry{uint32(len(t.text)), uint32(len(name)), uint32(len(value))})
	t.text = append(append(t.text, name...), value...)
	t.size += need
}

// evict drops the oldest entries until need more bytes fit.
func (t *table) evict(need int) {
	for t.max != noMaximum && t.size+need > t.max && t.first < len(t.entries) {
		t.drop()
		t.whole = true // what lay below has gone before
	}
	for t.size+need > t.limit && t.first < len(t.entries) {
		t.drop()
		t.whole = false
	}
	if need > t.limit {
		t.whole = false
	}
}

func (t *table) drop() {
	t.size -= t.entries[t.first].size()
	t.first++
}

// room moves the living entries to the front when the text would have to grow
// though half of it is dead, or when dead entries abound.
func (t *table) room(n int) {
	live := t.size - (len(t.entries)-t.first)*entryOverhead
	grows := len(t.text)+n > cap(t.text) || len(t.entries) == cap(t.entries)
	if t.first == 0 || !grows || live > len(t.text)/2 && t.first*2 < len(t.entries) {
		return
	}
	k := copy(t.entries, t.entries[t.first:])
	t.entries, t.first = t.entries[:k], 0
	from := uint32(len(t.text))
	if k > 0 {
		from = t.entries[0].at
	}
	t.text = t.text[:copy(t.text, t.text[from:])]
	for i := range t.entries {
		t.entries[i].at -= from
	}
}

// lookup is the entry at index i, static or dynamic, its text in f's; the name
// alone where the value will not be used. ok is false where no encoder in order
// would refer to it.
func (t *table) lookup(i int, f *fields, nameOnly bool) (x field, ok bool) {
	if i <= staticLast {
		return staticTable[i], i > 0
	}
	name, value, found := t.get(i - staticLast - 1)
	switch {
	case found && nameOnly:
		return field{name: f.keep(name)}, true
	case found:
		return field{f.keep(name), f.keep(value)}, true
	case t.whole:
		return field{}, false
	}
	return field{unknown, unknown}, true
}

func newTable(c *decode.Conn) (t table) {
	t.begin(c.Limits.Table)
	if c.MidStream {
		t.forget()
	}
	return t
}
