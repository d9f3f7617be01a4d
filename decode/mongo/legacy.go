package mongo

import (
	"bytes"
	"encoding/binary"

	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// reader takes the fields of a legacy message from the front of b. After the
// first that is not there all are zero, and short is set.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.short = nil, true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) int32() int32 {
	if v := r.take(4); v != nil {
		return int32(binary.LittleEndian.Uint32(v))
	}
	return 0
}

func (r *reader) int64() int64 {
	if v := r.take(8); v != nil {
		return int64(binary.LittleEndian.Uint64(v))
	}
	return 0
}

func (r *reader) cstring() []byte {
	n := bytes.IndexByte(r.b, 0)
	if n < 0 {
		r.take(len(r.b) + 1)
		return nil
	}
	return r.take(n + 1)[:n]
}

// document is the next document, or what is there of it.
func (r *reader) document() []byte {
	n := bson.Length(r.b)
	if n == 0 {
		r.short = r.short || len(r.b) > 0
		r.b = nil
		return nil
	}
	r.short = r.short || n > len(r.b)
	return r.take(min(n, len(r.b)))
}

// Flags of OP_QUERY.
const queryExhaust = 1 << 6

// readQuery reads an OP_QUERY: a command when the collection is $cmd, else a
// find.
func (c *conn) readQuery(x *exchange, m *message) {
	r := reader{b: m.body}
	flags := r.int32()
	ns := r.cstring()
	r.int32() // documents to skip
	limit := r.int32()
	doc := r.document()
	x.short(&r)
	x.namespace(ns)
	if coll, special := bytes.CutPrefix(afterDot(ns), []byte("$cmd")); special {
		c.queryCommand(x, coll, doc)
		return
	}
	x.mongo.Limit = int64(limit)
	x.mongo.Exhaust = flags&queryExhaust != 0
	c.legacyFilter(x, "find", doc)
}

func afterDot(ns []byte) []byte {
	_, coll, _ := bytes.Cut(ns, []byte{'.'})
	return coll
}

func (x *exchange) short(r *reader) {
	if r.short {
		x.Decode |= event.BodyCut
	}
}

// queryCommand reads a command in an OP_QUERY, which may be wrapped into
// {$query: ..., $readPreference: ...}. What follows $cmd names the ones that
// are no commands.
func (c *conn) queryCommand(x *exchange, special, doc []byte) {
	x.mongo.Collection = ""
	switch string(special) {
	case "":
	case ".sys.inprog":
		x.mongo.Operation = "currentOp"
		return
	case ".sys.killop":
		x.mongo.Operation = "killOp"
		return
	case ".sys.unlock":
		x.mongo.Operation = "fsyncUnlock"
		return
	}
	var k command
	inner := unwrap(doc)
	if len(inner) != len(doc) {
		k.beside(doc)
	}
	x.cmd = true
	c.readDocument(x, &k, inner, nil)
}

// unwrap is the query inside {$query: ...} or {query: ...}, else doc.
func unwrap(doc []byte) []byte {
	it := bson.Elements(doc)
	e, ok := it.Next()
	if ok && e.Type == bson.Document && (string(e.Key) == "$query" || string(e.Key) == "query") {
		return e.Value
	}
	return doc
}

// beside looks for the comment that stands beside $query.
func (k *command) beside(doc []byte) {
	for it := bson.Elements(doc); ; {
		e, ok := it.Next()
		if !ok {
			return
		}
		if string(e.Key) == "$comment" {
			k.found(e, rankLegacy)
		}
	}
}

// legacyFilter reads a filter that stands in a message of its own opcode.
func (c *conn) legacyFilter(x *exchange, op string, doc []byte) {
	x.mongo.Operation = op
	filter := unwrap(doc)
	var k command
	id := k.selects(filter)
	if len(filter) != len(doc) {
		k.beside(doc)
	}
	x.mongo.Class = classOf(id)
	c.callSite(x, &k.comments)
	s := x.shaper(c.Limits.Text)
	s.add("{filter: {")
	s.fields(filter, shapeDepth, false)
	s.add("}}")
	x.setShape(&s)
}

// readGetMore reads an OP_GET_MORE.
func (c *conn) readGetMore(x *exchange, m *message) {
	r := reader{b: m.body}
	r.int32() // reserved
	x.namespace(r.cstring())
	x.mongo.Limit = int64(r.int32())
	x.mongo.Cursor = r.int64()
	x.mongo.Operation = "getMore"
	x.short(&r)
}

// readWrite reads the legacy messages that have no answer: OP_INSERT,
// OP_UPDATE, OP_DELETE and OP_KILL_CURSORS.
func (c *conn) readWrite(x *exchange, m *message) {
	r := reader{b: m.body}
	r.int32() // flags of an OP_INSERT, reserved in the others
	switch m.opcode {
	case opInsert:
		x.mongo.Operation = "insert"
		x.namespace(r.cstring())
		x.mongo.Batch = countDocuments(r.b) + m.skipped
	case opUpdate, opDelete:
		x.namespace(r.cstring())
		r.int32() // flags
		op := "update"
		if m.opcode == opDelete {
			op = "delete"
		}
		c.legacyFilter(x, op, r.document())
	case opKillCursors:
		x.mongo.Operation = "killCursors"
		if r.int32() > 0 { // mostly one, and the first stands for all
			x.mongo.Cursor, x.mongo.CursorDone = r.int64(), true
		}
	}
	x.short(&r)
}

// readCommand reads an OP_COMMAND: servers of 3.2 and 3.4 differ in the order
// of the command and its metadata.
func (c *conn) readCommand(x *exchange, m *message) {
	r := reader{b: m.body}
	db, name := r.cstring(), r.cstring()
	first, second := r.document(), r.document()
	x.short(&r)
	x.cmd = true
	doc := first
	it := bson.Elements(second)
	if e, ok := it.Next(); ok && bytes.Equal(e.Key, name) {
		doc = second
	}
	var k command
	c.readDocument(x, &k, doc, nil)
	x.mongo.Database = x.keep(bounded(db, maxName))
}

// Flags of OP_REPLY.
const (
	replyNotFound = 1 << 0 // cursor not found
	replyFailed   = 1 << 1 // the one document says why
)

// answerReply reads an OP_REPLY.
func (c *conn) answerReply(x *exchange, m *message) {
	r := reader{b: m.body}
	flags, id := r.int32(), r.int64()
	r.int32() // starting from
	n := r.int32()
	switch {
	case flags&replyNotFound != 0:
		x.setError(codeCursorNotFound, []byte("CursorNotFound"), "")
	case flags&replyFailed != 0:
		x.queryFailed(r.document())
	case x.cmd || (x.Decode&event.NoRequest != 0 && n == 1):
		c.result(x, new(result), r.document(), m.skipped)
		return
	default:
		x.mongo.Returned = max(0, x.mongo.Returned) + int64(max(0, n))
		x.cursor(id)
	}
	x.short(&r)
}

// codeCursorNotFound is the server's error code 43.
const codeCursorNotFound = 43

// queryFailed reads {$err: ..., code: ...}.
func (x *exchange) queryFailed(doc []byte) {
	e, _ := bson.Lookup(doc, "code")
	code, _ := e.Int()
	x.setError(code, nil, "query failed")
}

// answerCommand reads an OP_COMMANDREPLY: the answer and its metadata, in
// either order.
func (c *conn) answerCommand(x *exchange, m *message) {
	r := reader{b: m.body}
	first, second := r.document(), r.document()
	x.short(&r)
	doc := first
	if _, ok := bson.Lookup(second, "ok"); ok {
		doc = second
	}
	c.result(x, new(result), doc, m.skipped)
}
