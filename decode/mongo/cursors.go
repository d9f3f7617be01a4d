package mongo

import (
	"net/netip"
	"sync"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// cursorTable remembers, for the open cursors of all servers, the query that
// opened each: drivers send the getMore on another connection than the find.
// The cursor that was not used for longest makes room for a new one.
//
// It works behind the decoders, as the protocol's Stage: an answer that opens a
// cursor ends before the client can use it, so that in order of their end the
// command comes before its getMore, whatever connections they went over.
type cursorTable struct {
	max  int
	lent sync.Pool // of *loan
	mu   sync.Mutex
	open map[cursorKey]*cursor
	ring cursor // head of the list: next is the newest, prev the oldest
}

func newCursors(o Options) *cursorTable {
	if o.Cursors <= 0 {
		o.Cursors = defaultCursors
	}
	t := &cursorTable{max: o.Cursors}
	t.lent.New = func() any { return new(loan) }
	return t
}

// stage completes the exchanges on their way to next.
type stage struct {
	*cursorTable
	next event.Emitter
}

// loan holds the text that an exchange takes over, until next has it.
type loan struct {
	text  []byte
	extra [maxExtra]event.KeyValue
}

func (s *stage) Notice(n *event.Notice) { s.next.Notice(n) }

func (s *stage) Exchange(x *event.Exchange) {
	m := x.Mongo
	switch {
	case m == nil || m.Cursor == 0 || m.Operation == "":
	case usesCursor(m.Operation):
		l := s.lent.Get().(*loan)
		s.give(x, l)
		s.next.Exchange(x)
		s.lent.Put(l)
		return
	case !m.CursorDone:
		s.remember(x)
	}
	s.next.Exchange(x)
}

func usesCursor(op string) bool { return op == "getMore" || op == "killCursors" }

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
	kind       event.CursorKind
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
func (t *cursorTable) remember(x *event.Exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := x.Mongo
	e := t.place(cursorKey{x.Server, m.Cursor})
	e.text = e.text[:0]
	e.db, e.coll = keepIn(&e.text, m.Database), keepIn(&e.text, m.Collection)
	e.query, e.shape, e.class, e.kind = "", m.Shape, m.Class, m.CursorKind
	if len(m.Query) <= maxQuery {
		e.query = keepIn(&e.text, m.Query)
	}
	e.site = m.Site
	keepSite(&e.text, &e.site, &e.extra)
	e.trace, e.parent, e.traceState = event.TraceID{}, event.SpanID{}, ""
	if !x.ParentID.IsZero() { // else the trace is of our own making
		e.trace, e.parent, e.traceState = x.TraceID, x.ParentID, keepIn(&e.text, x.TraceState)
	}
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

// give lets x take over what is known of its cursor, as text of l: of a getMore
// always the shape, the rest where x has nothing of its own.
func (t *cursorTable) give(x *event.Exchange, l *loan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := x.Mongo
	e := t.open[cursorKey{x.Server, m.Cursor}]
	if e == nil {
		return
	}
	e.unlink()
	l.text = l.text[:0]
	e.lend(x, l)
	if m.CursorDone {
		delete(t.open, e.key)
		return
	}
	t.front(e)
}

func (e *cursor) lend(x *event.Exchange, l *loan) {
	m := x.Mongo
	if m.Operation == "getMore" {
		m.Query, m.Shape, m.Class = keepIn(&l.text, e.query), e.shape, e.class
	}
	m.CursorKind = e.kind
	if e.kind.Awaits() && m.Operation == "getMore" {
		m.Await = true
		excuse(x)
	}
	if m.Database == "" {
		m.Database = keepIn(&l.text, e.db)
	}
	if m.Collection == "" && e.coll != "" {
		m.Collection = keepIn(&l.text, e.coll)
		x.Name = keepIn(&l.text, m.Operation+" "+m.Collection)
	}
	if m.Site.IsZero() && !e.site.IsZero() {
		other := m.Site.Other
		m.Site = e.site
		keepSite(&l.text, &m.Site, &l.extra)
		m.Site.Inherited, m.Site.Other = true, other
	}
	if x.ParentID.IsZero() && !e.parent.IsZero() {
		x.TraceID, x.ParentID, x.TraceState = e.trace, e.parent, keepIn(&l.text, e.traceState)
	}
}

// excuse takes the blame from a request that was waiting for news when its
// connection ended: nothing is wrong with that.
func excuse(x *event.Exchange) {
	if x.Mongo.Await && x.ErrorType == event.ErrUnanswered {
		x.Status, x.ErrorType = event.Unset, ""
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
