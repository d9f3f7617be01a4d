package mongo

import (
	"net/netip"
	"sync"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// cursorTable remembers, for the open cursors of all servers, the query that
// opened each: drivers send the getMore on another connection than the find.
// The cursor that was not used for longest makes room for a new one.
type cursorTable struct {
	max  int
	mu   sync.Mutex
	open map[cursorKey]*cursor
	ring cursor // head of the list: next is the newest, prev the oldest
}

type cursorKey struct {
	server netip.AddrPort
	id     int64
}

// cursor is what a getMore takes over from the command that opened it.
type cursor struct {
	key        cursorKey
	prev, next *cursor

	text       []byte // holds the strings below
	db, coll   string
	query      string
	shape      uint64
	class      event.QueryClass
	site       event.CallSite
	extra      [maxExtra]event.KeyValue
	trace      event.TraceID
	parent     event.SpanID
	traceState string
}

const (
	maxExtra = 8
	maxQuery = 1 << 10 // a longer shape is remembered by its hash only
)

// remember keeps what x tells of the cursor that its answer opened.
func (t *cursorTable) remember(server netip.AddrPort, id int64, x *exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.place(cursorKey{server, id})
	e.text = e.text[:0]
	m := &x.mongo
	e.db, e.coll = keepIn(&e.text, m.Database), keepIn(&e.text, m.Collection)
	e.query, e.shape, e.class = "", m.Shape, m.Class
	if len(m.Query) <= maxQuery {
		e.query = keepIn(&e.text, m.Query)
	}
	e.site = m.Site
	keepSite(&e.text, &e.site, &e.extra)
	e.trace, e.parent, e.traceState = x.TraceID, x.ParentID, keepIn(&e.text, x.TraceState)
}

// place is the entry for that key, as the newest of the list.
func (t *cursorTable) place(k cursorKey) *cursor {
	if t.open == nil {
		t.open = make(map[cursorKey]*cursor)
		t.ring.prev, t.ring.next = &t.ring, &t.ring
	}
	e := t.open[k]
	switch {
	case e != nil:
		e.unlink()
	case len(t.open) >= t.max:
		e = t.ring.prev
		e.unlink()
		delete(t.open, e.key)
	default:
		e = new(cursor)
	}
	e.key = k
	t.open[k] = e
	t.front(e)
	return e
}

func (t *cursorTable) front(e *cursor) {
	e.prev, e.next = &t.ring, t.ring.next
	e.prev.next, e.next.prev = e, e
}

func (e *cursor) unlink() { e.prev.next, e.next.prev = e.next, e.prev }

// forget drops a cursor that is closed.
func (t *cursorTable) forget(server netip.AddrPort, id int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.open[cursorKey{server, id}]; e != nil {
		e.unlink()
		delete(t.open, e.key)
	}
}

// give lets x, a getMore, take over what is known of its cursor: always the
// shape, the rest where x has nothing of its own.
func (t *cursorTable) give(server netip.AddrPort, x *exchange) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.open[cursorKey{server, x.mongo.Cursor}]
	if e == nil {
		return false
	}
	e.unlink()
	t.front(e)
	m := &x.mongo
	m.Query, m.Shape, m.Class = x.keepText(e.query), e.shape, e.class
	if m.Database == "" {
		m.Database = x.keepText(e.db)
	}
	if m.Collection == "" {
		m.Collection = x.keepText(e.coll)
	}
	if m.Site.IsZero() && !e.site.IsZero() {
		m.Site = e.site
		keepSite(&x.text, &m.Site, x.site.Extra())
		m.Site.Inherited = true
	}
	if x.TraceID.IsZero() && !e.trace.IsZero() {
		x.TraceID, x.ParentID, x.TraceState = e.trace, e.parent, x.keepText(e.traceState)
	}
	return true
}

func (c *conn) inherit(x *exchange) bool { return c.shared.cursors.give(c.Server, x) }

// killed forgets the cursors that a killCursors names.
func (c *conn) killed(k *command, e bson.Element) {
	if string(k.first.Key) != "killCursors" || e.Type != bson.Array {
		return
	}
	for it := bson.Elements(e.Value); ; {
		sub, ok := it.Next()
		if !ok {
			return
		}
		if id, ok := sub.Int(); ok {
			c.shared.cursors.forget(c.Server, id)
		}
	}
}

// keepIn makes s text of the buffer. The buffer may move when it grows; text
// that was kept before stays where it was.
func keepIn(text *[]byte, s string) string {
	from := len(*text)
	*text = append(*text, s...)
	return decode.View((*text)[from:])
}

// keepSite makes the strings of s text of the buffer, and its further fields
// those of extra.
func keepSite(text *[]byte, s *event.CallSite, extra *[maxExtra]event.KeyValue) {
	for _, p := range [...]*string{
		&s.Name, &s.Function, &s.File, &s.Application, &s.Environment, &s.Controller,
		&s.Action, &s.Route, &s.Text, &s.Stack, &s.TraceState,
	} {
		*p = keepIn(text, *p)
	}
	n := copy(extra[:], s.Extra)
	for i := range extra[:n] {
		extra[i] = event.KeyValue{Key: keepIn(text, extra[i].Key), Value: keepIn(text, extra[i].Value)}
	}
	s.Extra = extra[:n]
}
