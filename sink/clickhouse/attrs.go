package clickhouse

import (
	"strconv"
	"unsafe"

	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// attrMaps holds the rows of a Map column as runs of one flat list. It feeds clickhouse-go without allocating for a row: keys come boxed
// once and for all, values as pointers into the list.
type attrMaps struct {
	keys   []any // strings
	values []string
	ends   []int // row i is [ends[i-1], ends[i])
	boxed  map[string]any
	cursor mapRow
}

// maxBoxed bounds the keys that are remembered; attribute names are few, but a notice may carry any.
const maxBoxed = 4096

func (m *attrMaps) reset() {
	m.keys, m.values, m.ends = m.keys[:0], m.values[:0], m.ends[:0]
}

func (m *attrMaps) add(key, value string) {
	m.keys, m.values = append(m.keys, m.box(key)), append(m.values, value)
}

func (m *attrMaps) end() { m.ends = append(m.ends, len(m.values)) }

func (m *attrMaps) rows() int { return len(m.ends) }

func (m *attrMaps) box(key string) any {
	if b, ok := m.boxed[key]; ok {
		return b
	}
	if m.boxed == nil || len(m.boxed) >= maxBoxed {
		m.boxed = make(map[string]any, 64)
	}
	key = string([]byte(key)) // it may point into a batch
	m.boxed[key] = key
	return m.boxed[key]
}

func (m *attrMaps) put(c into) error {
	from := 0
	for _, to := range m.ends {
		m.cursor = mapRow{m: m, at: from - 1, to: to}
		if err := c.AppendRow(&m.cursor); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// mapRow is one row in the form clickhouse-go asks for.
type mapRow struct {
	m      *attrMaps
	at, to int
}

// Put is part of the driver's interface for reading, which does not happen here.
func (r *mapRow) Put(any, any) {}

// Iterator returns the row itself: it is walked once.
func (r *mapRow) Iterator() column.MapIterator { return r }

func (r *mapRow) Next() bool { r.at++; return r.at < r.to }

func (r *mapRow) Key() any { return r.m.keys[r.at] }

func (r *mapRow) Value() any { return &r.m.values[r.at] }

// arena keeps the text made for a block: ids in hex, numbers, addresses. Its strings are valid until reset.
type arena struct{ buf []byte }

const arenaSize = 64 << 10

func (a *arena) reset() { a.buf = a.buf[:0] }

// text returns what f appends as a string of the arena.
func (a *arena) text(f func([]byte) []byte) string {
	if cap(a.buf)-len(a.buf) < 128 { // what f appends is short; a longer text gets a buffer of its own by append
		a.buf = make([]byte, 0, max(arenaSize, 2*cap(a.buf)))
	}
	at := len(a.buf)
	a.buf = f(a.buf)
	return a.since(at)
}

// since is the text from at on. Older strings stay valid when append moved the rest: they keep their own memory.
func (a *arena) since(at int) string {
	if at == len(a.buf) {
		return ""
	}
	return unsafe.String(&a.buf[at], len(a.buf)-at)
}

// room makes sure that n bytes can be appended without moving.
func (a *arena) room(n int) {
	if cap(a.buf)-len(a.buf) < n {
		a.buf = make([]byte, 0, max(arenaSize, 2*cap(a.buf), n))
	}
}

const hexDigits = "0123456789abcdef"

// hex is id in lower-case hex, or nothing when it is all zero.
func (a *arena) hex(id []byte) string {
	zero := true
	for _, c := range id {
		zero = zero && c == 0
	}
	if zero {
		return ""
	}
	a.room(2 * len(id))
	at := len(a.buf)
	for _, c := range id {
		a.buf = append(a.buf, hexDigits[c>>4], hexDigits[c&15])
	}
	return a.since(at)
}

func (a *arena) number(v int64) string {
	a.room(20)
	at := len(a.buf)
	a.buf = strconv.AppendInt(a.buf, v, 10)
	return a.since(at)
}
