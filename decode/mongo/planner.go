package mongo

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

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
		b.skip(e, actNumber)
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
