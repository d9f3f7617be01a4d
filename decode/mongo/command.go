package mongo

import (
	"bytes"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/decode/callsite"
	"github.com/pitot-io/pitot/internal/event"
)

// command is what a look through a command's document finds.
type command struct {
	comments
	first  bson.Element // operation and its value
	filter bool         // something selects documents
	id     bson.Element // what it says of _id; none when it says nothing
	secret bool

	start, inTxn     bool   // of startTransaction and autocommit
	tailable, awaits bool   // the server may keep the answer back until there is news
	known            bool   // a hello that tells which state of the server it knows
	stream           bool   // a pipeline that begins with $changeStream
	spaces           []byte // documents {ns: ...} one after the other, of a bulkWrite
	spacesArray      bool   // spaces is one array instead
}

// comments are those of a command, of which one tells the call site.
type comments struct {
	comment bson.Element
	rank    int  // of comment: lower is better, 0 is none
	others  int  // further comments
	traced  bool // the driver sent its trace context beside the command
}

// Where a comment was found, in the order in which one is preferred.
const (
	rankNone = iota
	rankTop
	rankFilter
	rankLegacy
)

// found takes a comment into account.
func (k *comments) found(e bson.Element, rank int) {
	if e.Type == bson.Null || e.Type == bson.Undefined || e.Type == 0 {
		return
	}
	if k.rank == rankNone || rank < k.rank {
		k.comment, k.rank = e, rank
	}
	k.others++
}

// readMsg reads a request in an OP_MSG.
func (c *conn) readMsg(x *exchange, m *message) (wait bool) {
	var s sections
	s.parse(m.body, m.cut)
	if s.odd {
		x.Decode |= event.BodyCut
	}
	x.mongo.MoreToCome = s.flags&flagMore != 0
	x.cmd = true
	c.readCommandDocument(x, m, &s)
	return !x.mongo.MoreToCome
}

// readCommandDocument reads a command by the plan that it fits, else in full.
func (c *conn) readCommandDocument(x *exchange, m *message, s *sections) {
	lists, plain := s.lists[:s.n], !s.odd && m.skipped == 0
	traced := x.telemetry(s.telemetry)
	var f fetched
	if plain && c.shared.plans.find(x, &f, s.doc, lists, c.Limits.Text) {
		f.traced = traced
		c.callSite(x, &f.comments)
		return
	}
	k := command{comments: comments{traced: traced}}
	c.readDocument(x, &k, s.doc, lists)
	if x.mongo.Batch > 0 || s.n > 0 {
		x.mongo.Batch += m.skipped
	}
	if plain && x.mongo.Shape != 0 {
		c.shared.plans.learn(x, s.doc, lists, c.Limits.Text)
	}
}

// telemetry takes the trace context of a section of kind 3.
func (x *exchange) telemetry(doc []byte) bool {
	if doc == nil {
		return false
	}
	otel, ok := bson.Lookup(doc, "otel")
	if !ok || otel.Type != bson.Document {
		return false
	}
	e, _ := bson.Lookup(otel.Value, "traceparent")
	text, _ := e.Text()
	var t event.TraceID
	var s event.SpanID
	if t, s, ok = callsite.Traceparent(text); ok {
		x.TraceID, x.ParentID = t, s
	}
	return ok
}

// readDocument reads a command: its document, and the lists beside it.
func (c *conn) readDocument(x *exchange, k *command, doc []byte, lists []list) {
	it := bson.Elements(doc)
	var ok bool
	if k.first, ok = it.Next(); !ok {
		return
	}
	x.mongo.Operation = x.keep(bounded(k.first.Key, maxName))
	k.secret = sensitive(k.first.Key)
	if hello(k.first.Key) && !c.greeted {
		x.handshake()
	}
	c.collection(x, k.first)
	for {
		e, ok := it.Next()
		if !ok {
			break
		}
		c.field(x, k, e)
	}
	for _, l := range lists {
		x.list(k, l)
	}
	x.session(k)
	if k.spaces != nil {
		x.namespaces(k)
	}
	if k.secret {
		x.Decode |= event.Redacted
		return
	}
	x.mongo.Class = class(k)
	c.callSite(x, &k.comments)
	x.shape(doc, lists, c.Limits.Text)
}

// maxName bounds the names of operations, databases and collections, in bytes.
// MongoDB's own limit for a namespace is 255.
const maxName = 255

func bounded(b []byte, n int) []byte { return b[:min(n, len(b))] }

// field reads one field of a command beside its first.
func (c *conn) field(x *exchange, k *command, e bson.Element) {
	m := &x.mongo
	switch string(e.Key) {
	case "$db":
		if s, ok := e.Text(); ok {
			m.Database = x.keep(bounded(s, maxName))
		}
	case "comment":
		k.found(e, rankTop)
	case "filter", "query", "q":
		if e.Type == bson.Document {
			k.filter, k.id = true, k.selects(e.Value)
		}
	case "pipeline":
		k.match(e)
	case "limit":
		m.Limit, _ = e.Int()
	case "lsid":
		x.lsid(e)
	case "txnNumber":
		if v, ok := e.Int(); ok {
			m.TxnNumber = v
		}
	case "autocommit":
		v, ok := e.Int()
		k.inTxn = ok && v == 0
	case "startTransaction":
		v, _ := e.Int()
		k.start = v == 1
	case "documents", "updates", "deletes", "ops":
		x.statements(k, e)
	default:
		c.rareField(x, k, e)
	}
}

func (c *conn) rareField(x *exchange, k *command, e bson.Element) {
	switch string(e.Key) {
	case "collection":
		if s, ok := e.Text(); ok && string(k.first.Key) == "getMore" {
			x.mongo.Collection = x.keep(bounded(s, maxName))
		}
	case "cursors":
		x.killed(k, e)
	case "nsInfo":
		if e.Type == bson.Array {
			k.spaces, k.spacesArray = e.Value, true
		}
	case "tailable":
		v, _ := e.Int()
		k.tailable = v == 1
	case "awaitData":
		v, _ := e.Int()
		k.awaits = v == 1
	case "maxTimeMS": // a getMore may have it only when its cursor waits
		k.awaits = string(k.first.Key) == "getMore"
	default:
		if hello(k.first.Key) || k.secret {
			c.greeting(x, k, e)
		}
	}
}

// killed takes the cursor that a killCursors names: drivers name one, and the
// first stands for all.
func (x *exchange) killed(k *command, e bson.Element) {
	if string(k.first.Key) != "killCursors" || e.Type != bson.Array {
		return
	}
	x.mongo.Cursor = firstInt(e)
}

// firstInt is the first element of an array as a number.
func firstInt(array bson.Element) int64 {
	it := bson.Elements(array.Value)
	e, _ := it.Next()
	v, _ := e.Int()
	return v
}

// selects looks for $comment in a filter, and gives the first _id in it.
func (k *command) selects(filter []byte) (id bson.Element) {
	for it := bson.Elements(filter); ; {
		e, ok := it.Next()
		switch {
		case !ok:
			return id
		case string(e.Key) == "$comment":
			k.found(e, rankFilter)
		case id.Type == 0 && string(e.Key) == "_id":
			id = e
		}
	}
}

// match takes the first stage of a pipeline for the filter when it is $match,
// and knows a change stream by it.
func (k *command) match(pipeline bson.Element) {
	stage, ok := firstDocument(pipeline)
	if !ok {
		return
	}
	it := bson.Elements(stage)
	e, ok := it.Next()
	switch {
	case !ok || e.Type != bson.Document:
	case string(e.Key) == "$match":
		k.filter, k.id = true, k.selects(e.Value)
	case string(e.Key) == "$changeStream":
		k.stream = true
	}
}

// firstDocument is the first element of an array when it is a document.
func firstDocument(array bson.Element) (doc []byte, ok bool) {
	if array.Type != bson.Array {
		return nil, false
	}
	it := bson.Elements(array.Value)
	e, ok := it.Next()
	if !ok || e.Type != bson.Document {
		return nil, false
	}
	return e.Value, true
}

// statements reads the documents of a write that stand in the command itself.
func (x *exchange) statements(k *command, e bson.Element) {
	if e.Type != bson.Array {
		return
	}
	it := bson.Elements(e.Value)
	for {
		sub, ok := it.Next()
		if !ok {
			return
		}
		x.mongo.Batch++
		if sub.Type == bson.Document {
			k.statement(e.Key, sub.Value)
		}
	}
}

// statement looks into one statement of an update, a delete or a bulkWrite.
func (k *command) statement(list, doc []byte) {
	key := "q"
	switch string(list) {
	case "updates", "deletes":
	case "ops":
		key = "filter"
	default:
		return
	}
	if q, ok := bson.Lookup(doc, key); ok && q.Type == bson.Document {
		if id := k.selects(q.Value); !k.filter {
			k.filter, k.id = true, id
		}
	}
}

// list reads a list that stands beside the command.
func (x *exchange) list(k *command, l list) {
	if string(l.name) == "nsInfo" {
		k.spaces = l.docs
		return
	}
	x.mongo.Batch += countDocuments(l.docs)
	for b := l.docs; len(b) > 0; {
		n := bson.Length(b)
		if n == 0 {
			return
		}
		k.statement(l.name, b)
		b = b[min(n, len(b)):]
	}
}

// namespace takes "db.collection" apart.
func (x *exchange) namespace(ns []byte) {
	db, coll, ok := bytes.Cut(bounded(ns, 2*maxName), []byte{'.'})
	if !ok {
		return
	}
	x.mongo.Database = x.keep(db)
	x.mongo.Collection = x.keep(coll)
}

// callSite parses the comment that was found.
func (c *conn) callSite(x *exchange, k *comments) {
	if k.rank == rankNone {
		return
	}
	s := &x.mongo.Site
	if seen := c.shared.sites.find(k.comment); seen != nil {
		*s = seen.site
	} else {
		c.parseSite(x, k.comment)
	}
	s.Other = k.others - 1
	if s.Truncated {
		x.Decode |= event.BodyCut
	}
	if !k.traced && !s.TraceID.IsZero() {
		x.TraceID, x.ParentID, x.TraceState = s.TraceID, s.SpanID, s.TraceState
	}
}

// parseSite reads a comment that is not among those seen often.
func (c *conn) parseSite(x *exchange, e bson.Element) {
	raw, from := e, len(x.text)
	x.text = append(x.text, bounded(e.Value, callsite.MaxInput)...)
	e.Value = x.text[from:]
	callsite.Parse(e, len(raw.Value), c.shared.comment, &x.site, &x.mongo.Site)
	c.shared.sites.learn(raw, &x.mongo.Site)
}
