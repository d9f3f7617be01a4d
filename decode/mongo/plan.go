package mongo

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// A plan knows commands of one structure: the same keys and types in the same
// order, with the same operation, database and collection. Where a command fits
// one, what is told of it stands ready but for a few values, which one walk
// fetches on its way: a line of code sends such a command over and over.
//
// A plan never changes once it is made; exchanges point into its text.
type plan struct {
	limit int // decode.Limits.Text it was made under
	steps []step
	lists []planList
	mongo event.Mongo // what all commands of the plan have in common
	name  string
}

// planList is a list that stands beside the command.
type planList struct {
	name  string
	count bool   // its documents are counted; else it has one, which fits steps
	steps []step // of that document
}

// step is one element: its first bytes, how long its value is, and what is done
// with it.
type step struct {
	prefix string // type, key and zero; the value too where it is always the same
	kind   stepKind
	act    action
	typ    bson.Type
	size   int // of a value of fixed size
}

type stepKind uint8

const (
	stepFixed   stepKind = iota // a value of step.size bytes
	stepSized                   // a value that begins with its length, or ends with zeros
	stepSkipped                 // a document or array that is not looked into
	stepList                    // an array whose first element is no document
	stepEnter                   // a document whose elements are the next steps
	stepLeave                   // its end; there is no value, and no prefix
)

type action uint8

const (
	actNone action = iota
	actLimit
	actCursor
	actTxn
	actSession
	actCommentTop
	actCommentFilter
	actCount
	actKilled
	numActions
)

// fetched is what a walk by plan brings along.
type fetched struct {
	comments
	limit, cursor, txn, batch int64
	numbered                  bool // txn was there
	lsid                      []byte
}

// maxNesting is how deep documents of a plan may lie in each other.
const maxNesting = 2*shapeDepth + 4

// walk goes through doc by steps and reports whether it fits them to its end.
func (f *fetched) walk(steps []step, doc []byte) bool {
	var ends [maxNesting]int
	depth, at := 0, 4
	if bson.Length(doc) != len(doc) {
		return false
	}
	ends[0] = len(doc) - 1 // where the final zero stands
	for i := range steps {
		s := &steps[i]
		if s.kind == stepLeave {
			if at != ends[depth] || doc[at] != 0 {
				return false
			}
			depth--
			at++
			continue
		}
		end, rest := ends[depth], len(s.prefix)
		if end-at < rest || string(doc[at:at+rest]) != s.prefix {
			return false
		}
		at += rest
		n := s.size
		if s.kind != stepFixed {
			if n = s.length(doc[at:end]); n < 0 {
				return false
			}
		}
		if n > end-at {
			return false
		}
		if s.kind == stepEnter {
			depth++
			ends[depth] = at + n - 1
			at += 4
			continue
		}
		if s.act != actNone {
			f.fetch(s, doc[at:at+n])
		}
		at += n
	}
	return at == ends[0] && doc[at] == 0
}

// length is the length of the value at the start of b; -1 when it is none that
// fits.
func (s *step) length(b []byte) int {
	switch s.kind {
	case stepSized:
		if n, ok := bson.ValueSize(s.typ, b); ok {
			return n
		}
		return -1
	case stepList:
		n := bson.Length(b)
		if n == 0 || n > len(b) || bson.Type(b[4]) == bson.Document || bson.Type(b[4]) == bson.Array {
			return -1
		}
		return n
	}
	if len(b) < bson.MinDocument {
		return -1
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < bson.MinDocument {
		return -1
	}
	return n
}

func (f *fetched) fetch(s *step, value []byte) {
	e := bson.Element{Type: s.typ, Value: value}
	switch s.act {
	case actLimit:
		f.limit, _ = e.Int()
	case actCursor:
		f.cursor, _ = e.Int()
	case actTxn:
		f.txn, f.numbered = e.Int()
	case actSession:
		f.lsid = value
	case actCommentTop:
		f.found(e, rankTop)
	case actCommentFilter:
		f.found(e, rankFilter)
	case actCount:
		f.batch, _ = bson.Count(value)
	case actKilled:
		f.cursor = firstInt(e)
	}
}

// fits reports whether a command and the lists beside it fit the plan.
func (p *plan) fits(f *fetched, doc []byte, lists []list, limit int) bool {
	if len(lists) != len(p.lists) || limit != p.limit || !f.walk(p.steps, doc) {
		return false
	}
	for i := range lists {
		l, want := &lists[i], &p.lists[i]
		if string(l.name) != want.name || !want.count && !f.walk(want.steps, l.docs) {
			return false
		}
	}
	return true
}

// tell fills in x what the plan knows and what was fetched.
func (p *plan) tell(x *exchange, f *fetched, lists []list) {
	m, o := &x.mongo, &p.mongo
	m.Operation, m.Database, m.Collection, m.Query, x.Name = o.Operation, o.Database, o.Collection, o.Query, p.name
	m.Shape, m.Class, m.Chatter, m.Batch = o.Shape, o.Class, o.Chatter, o.Batch+f.batch
	m.Transaction, m.Retryable, m.CursorKind, m.Await = o.Transaction, o.Retryable, o.CursorKind, o.Await
	m.Limit, m.Cursor = f.limit, f.cursor
	if f.numbered {
		m.TxnNumber = f.txn
	}
	if f.lsid != nil {
		x.lsid(bson.Element{Type: bson.Document, Value: f.lsid})
	}
	for i := range lists {
		if p.lists[i].count {
			m.Batch += countDocuments(lists[i].docs)
		}
	}
}

// planTable keeps plans of all connections. What is in it never changes, so
// that reading takes no lock. Commands whose first elements are the same share
// a row. Where that is full, a plan has its place by its shape, and gets it when
// that shape was asked for last time too.
type planTable [1 << planBits]planRow

type planRow struct {
	ways  [planWays]atomic.Pointer[plan]
	tried [planWays]atomic.Uint64 // shape of the last command that had no place
}

const (
	planBits = 8
	planWays = 4
	maxSteps = 64
)

// find fills in x by the plan that the command fits; nil when there is none.
func (t *planTable) find(x *exchange, f *fetched, doc []byte, lists []list, limit int) bool {
	row := &t[rowFor(doc)]
	for i := range row.ways {
		p := row.ways[i].Load()
		if p == nil {
			continue
		}
		*f = fetched{}
		if p.fits(f, doc, lists, limit) {
			p.tell(x, f, lists)
			return true
		}
	}
	return false
}

// rowFor is the row of commands with the same first element: operation, and
// collection where it is a text.
func rowFor(doc []byte) uint64 {
	it := bson.Elements(doc)
	e, _ := it.Next()
	first := e.Key
	if e.Type == bson.String {
		first = doc[5 : len(doc)-len(it.Rest())] // key, zero and text as they stand
	}
	return xxhash.Sum64(first) >> (64 - planBits)
}

// learn takes in what was found out about x, which fitted no plan.
func (t *planTable) learn(x *exchange, doc []byte, lists []list, limit int) {
	row := &t[rowFor(doc)]
	if way := row.place(x.mongo.Shape); way != nil {
		if p := newPlan(x, doc, lists, limit); p != nil {
			way.Store(p)
		}
	}
}

// place is where a plan of that shape may go; nil when nowhere yet.
func (r *planRow) place(shape uint64) *atomic.Pointer[plan] {
	for i := range r.ways {
		if r.ways[i].Load() == nil {
			return &r.ways[i]
		}
	}
	i := shape % planWays
	if r.tried[i].Swap(shape) != shape {
		return nil
	}
	return &r.ways[i]
}

// newPlan makes the plan of x; nil when its like must be read in full.
func newPlan(x *exchange, doc []byte, lists []list, limit int) *plan {
	p := &plan{limit: limit, mongo: event.Mongo{
		Shape: x.mongo.Shape, Class: x.mongo.Class, Chatter: x.mongo.Chatter, Transaction: x.mongo.Transaction,
		Retryable: x.mongo.Retryable, CursorKind: x.mongo.CursorKind, Await: x.mongo.Await,
	}}
	var b planner
	b.command(doc)
	p.steps = b.steps
	for _, l := range lists {
		p.lists = append(p.lists, b.list(l))
	}
	if b.never || b.n > maxSteps || len(x.mongo.Query) > maxQuery {
		return nil
	}
	p.mongo.Batch = b.batch
	x.name()
	var text []byte
	for _, s := range [...]struct {
		to   *string
		from string
	}{
		{&p.mongo.Operation, x.mongo.Operation}, {&p.mongo.Database, x.mongo.Database},
		{&p.mongo.Collection, x.mongo.Collection}, {&p.mongo.Query, x.mongo.Query}, {&p.name, x.Name},
	} {
		*s.to = keepIn(&text, s.from)
	}
	return p
}

// planner makes steps of a command.
type planner struct {
	steps []step
	acts  [numActions]int // how often each is done
	n     int
	batch int64 // statements, whose number the structure tells
	never bool  // something here is different each time, or rare
}

func (b *planner) add(s step) {
	if b.acts[s.act]++; b.acts[s.act] > 1 && s.act != actNone && s.act != actCommentTop && s.act != actCommentFilter {
		b.never = true // a key twice
	}
	if b.n++; b.n <= maxSteps {
		b.steps = append(b.steps, s)
	}
}

func prefixOf(e bson.Element) []byte {
	return append(append([]byte{byte(e.Type)}, e.Key...), 0)
}

// skip steps over a value that may be anything of its type.
func (b *planner) skip(e bson.Element, act action) {
	s := step{prefix: decode.View(prefixOf(e)), kind: stepSized, act: act, typ: e.Type}
	if n, prefixed := bson.FixedSize(e.Type); !prefixed {
		s.kind, s.size = stepFixed, n
	} else if e.IsDocument() {
		s.kind = stepSkipped
	}
	b.add(s)
}

// same steps over a value that is always the same.
func (b *planner) same(e bson.Element) {
	b.add(step{prefix: decode.View(append(prefixOf(e), e.Value...)), typ: e.Type})
}

// enter steps into a document; the caller adds its elements, then leaves.
func (b *planner) enter(e bson.Element) {
	b.add(step{prefix: decode.View(prefixOf(e)), kind: stepEnter, typ: e.Type})
}

func (b *planner) leave() { b.add(step{kind: stepLeave}) }

// command makes the steps of the command's own document. What it treats as one
// value is what the shape and the look for facts treat so.
func (b *planner) command(doc []byte) {
	it := bson.Elements(doc)
	first, _ := it.Next()
	if b.operation(first); b.never {
		return
	}
	for {
		e, ok := it.Next()
		if !ok {
			b.never = b.never || it.Cut()
			return
		}
		b.field(first, e)
	}
}

func (b *planner) operation(e bson.Element) {
	op := string(e.Key)
	_, isText := e.Text()
	switch {
	case sensitive(e.Key) || hello(e.Key) || op == "explain" || op == "bulkWrite" || e.IsDocument():
		b.never = true
	case op == "getMore":
		b.skip(e, actCursor)
	case isText:
		b.same(e)
	default:
		b.skip(e, actNone)
	}
}

func (b *planner) field(first, e bson.Element) {
	const depth = shapeDepth - 1
	switch string(e.Key) {
	case "$db", "collection", "autocommit", "startTransaction", "tailable", "awaitData":
		if b.never = b.never || e.IsDocument(); !b.never {
			b.same(e)
		}
	case "comment":
		b.skip(e, actCommentTop)
	case "limit":
		b.general(e, depth, actLimit)
	case "txnNumber":
		b.skip(e, actTxn)
	case "lsid":
		b.skip(e, actSession)
		b.never = b.never || e.Type != bson.Document
	case "cursors":
		b.general(e, depth, actKilled)
	case "filter", "query", "q":
		b.filter(e, depth)
	case "pipeline":
		b.pipeline(e, depth)
	case "documents":
		b.skip(e, actCount)
		b.never = b.never || e.Type != bson.Array
	case "updates", "deletes":
		b.statements(e, depth)
	case "ops", "nsInfo":
		b.never = true
	default:
		if envelope(e.Key) {
			b.skip(e, actNone)
			return
		}
		b.general(e, depth, actNone)
	}
}

// general steps through what the shape shows at that depth.
func (b *planner) general(e bson.Element, depth int, act action) {
	switch {
	case b.n > maxSteps:
	case !e.IsDocument() || depth <= 0:
		b.skip(e, act)
	case e.Type == bson.Document:
		b.enter(e)
		b.fields(e.Value, depth, actNone)
		b.leave()
	default:
		b.array(e, depth, act, nil)
	}
}

// fields steps through the elements of a document; of a filter, whose $comment
// is fetched.
func (b *planner) fields(doc []byte, depth int, comment action) {
	for it := bson.Elements(doc); b.n <= maxSteps; {
		e, ok := it.Next()
		switch {
		case !ok:
			b.never = b.never || it.Cut()
			return
		case string(e.Key) == "$comment":
			b.skip(e, comment)
		default:
			b.general(e, depth-1, actNone)
		}
	}
}

func (b *planner) filter(e bson.Element, depth int) {
	if e.Type != bson.Document {
		b.general(e, depth, actNone)
		return
	}
	b.enter(e)
	b.fields(e.Value, depth, actCommentFilter)
	b.leave()
}

// array steps through a list of documents, or over any other; each, where it
// is not nil, steps through its elements instead.
func (b *planner) array(e bson.Element, depth int, act action, each func(i int, e bson.Element, depth int)) {
	it := bson.Elements(e.Value)
	sub, ok := it.Next()
	if !ok || !sub.IsDocument() {
		b.add(step{prefix: decode.View(prefixOf(e)), kind: stepList, act: act, typ: e.Type})
		b.never = b.never || !ok && it.Cut()
		return
	}
	b.enter(e)
	for i := 0; ok && b.n <= maxSteps; i++ {
		if each != nil {
			each(i, sub, depth-1)
		} else {
			b.general(sub, depth-1, actNone)
		}
		sub, ok = it.Next()
	}
	b.never = b.never || it.Cut()
	b.leave()
}

func (b *planner) pipeline(e bson.Element, depth int) {
	if e.Type != bson.Array {
		b.general(e, depth, actNone)
		return
	}
	b.array(e, depth, actNone, func(i int, e bson.Element, depth int) {
		if i > 0 || e.Type != bson.Document {
			b.general(e, depth, actNone)
			return
		}
		b.enter(e)
		b.stage(e.Value, depth)
		b.leave()
	})
}

// stage steps through the first stage of a pipeline: a $match is a filter when
// it comes first in it.
func (b *planner) stage(doc []byte, depth int) {
	it := bson.Elements(doc)
	for first := true; b.n <= maxSteps; first = false {
		e, ok := it.Next()
		switch {
		case !ok:
			b.never = b.never || it.Cut()
			return
		case string(e.Key) == "$comment":
			b.skip(e, actNone)
		case first && string(e.Key) == "$match":
			b.filter(e, depth-1)
		default:
			b.general(e, depth-1, actNone)
		}
	}
}

func (b *planner) statements(e bson.Element, depth int) {
	if e.Type != bson.Array {
		b.never = true
		return
	}
	n, _ := bson.Count(e.Value)
	b.batch += n
	b.never = b.never || n == 0
	b.array(e, depth, actNone, func(_ int, e bson.Element, depth int) {
		if b.never = b.never || e.Type != bson.Document; b.never {
			return
		}
		b.enter(e)
		b.statement(e.Value, depth)
		b.leave()
	})
}

// statement steps through one statement of an update or a delete.
func (b *planner) statement(doc []byte, depth int) {
	seen := false
	for it := bson.Elements(doc); b.n <= maxSteps; {
		e, ok := it.Next()
		switch {
		case !ok:
			b.never = b.never || it.Cut()
			return
		case string(e.Key) == "$comment":
			b.skip(e, actNone)
		case string(e.Key) == "q" && !seen:
			seen = true
			b.filter(e, depth-1)
		default:
			b.general(e, depth-1, actNone)
		}
	}
}

// list makes the plan of a list that stands beside the command.
func (b *planner) list(l list) planList {
	p := planList{name: string(l.name)}
	switch p.name {
	case "documents":
		p.count = true
	case "updates", "deletes":
		b.never = b.never || bson.Length(l.docs) != len(l.docs)
		b.steps, b.batch = nil, b.batch+1
		b.statement(l.docs, shapeDepth-1)
		p.steps = b.steps
	default:
		b.never = true
	}
	return p
}
