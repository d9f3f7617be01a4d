package mongo

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// A plan knows commands of one structure: the same keys and types in the same
// order, with the same operation, database and collection. Where a command fits
// one, what is told of it stands ready but for a few values, which one walk
// fetches on its way: a line of code sends such a command over and over.
//
// A plan never changes once it is made, but for what is learned of answers;
// exchanges point into its text.
type plan struct {
	reply  atomic.Pointer[replyPlan] // nil until one is known
	misses atomic.Uint32             // answers that did not fit it

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
	actNumber
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
	limit, cursor, batch int64
	number               int64 // txnNumber of a command, n of an answer
	numbered             bool  // it was there
	lsid                 []byte
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
	case actNumber:
		f.number, f.numbered = e.Int()
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
		m.TxnNumber = f.number
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
			x.plan = p
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
