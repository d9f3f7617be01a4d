package mongo

import (
	"encoding/binary"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// reply ends the exchange that m answers, or goes on with its chain.
func (c *conn) reply(m *message, emit event.Emitter) {
	at := c.waits(m.responseTo)
	if at < 0 {
		c.orphan(m, emit)
		return
	}
	x := c.waiting[at].x
	returned := x.mongo.Returned
	c.answer(x, m)
	c.inspectReply(m, x, returned)
	x.End = m.at
	if c.goesOn(x, m) {
		x.mongo.Exhaust = true
		c.waiting[at].id = m.requestID // the next reply answers this one
		return
	}
	c.drop(at)
	emit.Exchange(&x.Exchange)
	c.shared.put(x)
}

// goesOn reports whether another reply of the same chain follows: OP_MSG says
// so by its flag, OP_QUERY's exhaust by a cursor that stays open.
func (c *conn) goesOn(x *exchange, m *message) bool {
	if m.packed {
		return false
	}
	if m.opcode == opReply {
		return x.mongo.Exhaust && x.mongo.Cursor != 0 && !x.mongo.CursorDone
	}
	return m.opcode == opMsg && len(m.body) >= 4 && binary.LittleEndian.Uint32(m.body)&flagMore != 0
}

// orphan tells a reply whose request was never seen.
func (c *conn) orphan(m *message, emit event.Emitter) {
	x := c.shared.take()
	c.begin(x, m)
	x.Decode |= event.NoRequest
	x.Start = m.start
	c.answer(x, m)
	x.End = m.at
	c.inspectReply(m, x, 0)
	x.Service = c.application
	x.mongo.Application, x.mongo.Driver = c.application, c.driver
	x.Name = "reply"
	if x.mongo.Collection != "" {
		x.Name = x.keepText("reply " + x.mongo.Collection)
	}
	emit.Exchange(&x.Exchange)
	c.shared.put(x)
}

// answer reads m into the exchange that it answers.
func (c *conn) answer(x *exchange, m *message) {
	if !x.answered {
		x.answered = true
		x.FirstByte, x.ResponseSeq = m.start, m.seq
	}
	x.mongo.Replies++
	x.ResponseBytes += m.wire
	if m.missed {
		x.Decode |= event.ResponseGap
	}
	c.judge(x, m)
	if m.packed {
		return
	}
	switch m.opcode {
	case opMsg:
		c.answerMsg(x, m)
	case opReply:
		c.answerReply(x, m)
	case opCommandReply:
		c.answerCommand(x, m)
	}
}

func (c *conn) answerMsg(x *exchange, m *message) {
	var s sections
	s.parse(m.body, m.cut)
	if s.odd {
		x.Decode |= event.BodyCut
	}
	var r result
	plain := !s.odd && m.skipped == 0
	if plain && x.planned(s.doc, &r) {
		x.conclude(&r, 0)
		return
	}
	c.result(x, &r, s.doc, m.skipped)
	if plain {
		x.learnReply(s.doc, &r)
	}
}

// result is what a command's answer says: https://www.mongodb.com/docs/manual/reference/method/db.runCommand/#response.
func (c *conn) result(x *exchange, r *result, doc []byte, skipped int64) {
	for it := bson.Elements(doc); ; {
		e, ok := it.Next()
		if !ok {
			break
		}
		r.field(x, e)
	}
	c.welcomed(x, r)
	x.conclude(r, skipped)
}

// conclude takes what an answer said over into the exchange.
func (x *exchange) conclude(r *result, skipped int64) {
	x.count(r, skipped)
	x.fail(r, skipped)
	if r.ok && x.mongo.Operation == "killCursors" {
		x.mongo.CursorDone = x.mongo.Cursor != 0
	}
	if r.hasCursor {
		x.cursor(r.id)
	}
}

// result collects the fields of an answer.
type result struct {
	ok, hasOK bool
	code      int64
	codeName  []byte
	write     bson.Element // writeErrors or writeConcernError
	n         int64
	hasN      bool
	batch     int64 // documents of the cursor's batch
	hasBatch  bool
	hasCursor bool
	id        int64

	first  []byte // of the batch: what a bulkWrite says of its statements stands there
	failed int64  // statements that failed
	wrote  int64  // of a bulkWrite, which counts by kind
	server server
}

func (r *result) field(x *exchange, e bson.Element) {
	switch string(e.Key) {
	case "ok":
		v, _ := e.Int()
		r.ok, r.hasOK = v == 1, true
	case "code":
		r.code, _ = e.Int()
	case "codeName":
		r.codeName, _ = e.Text()
	case "n":
		r.n, r.hasN = e.Int()
	case "cursor":
		if e.Type == bson.Document {
			r.cursor(x, e.Value)
		}
	case "values":
		if e.Type == bson.Array {
			r.batch, _ = bson.Count(e.Value)
			r.hasBatch = true
		}
	case "writeErrors":
		if e.Type == bson.Array {
			r.write = e
			r.failed, _ = bson.Count(e.Value)
		}
	case "writeConcernError":
		if r.write.Value == nil && e.Type == bson.Document {
			r.write = e
		}
	default:
		r.rareField(x, e)
	}
}

func (r *result) rareField(x *exchange, e bson.Element) {
	switch string(e.Key) {
	case "errorLabels":
		from := len(x.text)
		x.text = join(x.text, e, maxLabels)
		x.mongo.Labels = decode.View(x.text[from:])
	case "nErrors":
		r.failed, _ = e.Int()
	case "nInserted", "nMatched", "nUpserted", "nDeleted":
		if v, ok := e.Int(); ok && x.mongo.Operation == "bulkWrite" {
			r.wrote, r.hasN = r.wrote+v, true
		}
	default:
		if x.mongo.Handshake != nil && x.mongo.Chatter {
			r.server.welcome(x.mongo.Handshake, e)
		}
	}
}

// welcomed completes what the first hello of a connection tells; later ones
// would tell the same.
func (c *conn) welcomed(x *exchange, r *result) {
	if h := x.mongo.Handshake; h != nil && x.mongo.Chatter && r.ok {
		h.Role = r.server.role(h)
		c.greeted = true
	}
}

func (r *result) cursor(x *exchange, doc []byte) {
	r.hasCursor = true
	for it := bson.Elements(doc); ; {
		e, ok := it.Next()
		if !ok {
			return
		}
		switch string(e.Key) {
		case "id":
			r.id, _ = e.Int()
		case "ns":
			if s, ok := e.Text(); ok && x.Decode&event.NoRequest != 0 {
				x.namespace(s)
			}
		case "firstBatch", "nextBatch":
			r.batch, _ = bson.Count(e.Value)
			r.hasBatch, r.first = true, e.Value
		}
	}
}

// count sets the numbers of documents. Those of a chain of replies add up.
func (x *exchange) count(r *result, skipped int64) {
	m := &x.mongo
	switch {
	case m.Operation == "bulkWrite":
		if r.hasN {
			m.Affected = r.n + r.wrote
		}
	case r.hasBatch:
		m.Returned = max(0, m.Returned) + r.batch + skipped
	case r.hasN && m.Operation == "count":
		m.Returned = 1
	case r.hasN && writes(m.Operation):
		m.Affected = r.n
	}
}

func writes(op string) bool {
	switch op {
	case "insert", "update", "delete":
		return true
	}
	return false
}

// fail sets the status of what did not go well; skipped elements of a list of
// write errors count too.
func (x *exchange) fail(r *result, skipped int64) {
	x.mongo.WriteErrors = int32(r.failed)
	switch {
	case r.hasOK && !r.ok:
		x.setError(r.code, r.codeName, "command failed")
	case r.write.Type == bson.Array:
		x.mongo.WriteErrors += int32(skipped)
		if doc, ok := firstDocument(r.write); ok {
			x.failure(doc, "write error")
		}
	case r.failed > 0 && x.mongo.Operation == "bulkWrite":
		x.failure(firstFailed(r.first), "write error")
	case r.write.Value != nil:
		x.failure(r.write.Value, "write concern error")
	}
}

// failure takes the error that a document tells.
func (x *exchange) failure(doc []byte, what string) {
	code, _ := bson.Lookup(doc, "code")
	name, _ := bson.Lookup(doc, "codeName")
	v, _ := code.Int()
	s, _ := name.Text()
	x.setError(v, s, what)
}

// firstFailed is what the answer to a bulkWrite says of the first statement
// that failed; nil when that is not among the results sent.
func firstFailed(batch []byte) []byte {
	for it := bson.Elements(batch); ; {
		e, ok := it.Next()
		if !ok {
			return nil
		}
		if v, _ := bson.Lookup(e.Value, "ok"); v.Type != 0 {
			if n, _ := v.Int(); n != 1 {
				return e.Value
			}
		}
	}
}

// setError marks the exchange as failed. Messages of the server are not told:
// they quote the values that a query had.
func (x *exchange) setError(code int64, name []byte, what string) {
	m := &x.mongo
	x.Status = event.Error
	m.Code = int32(code)
	m.CodeName = codeName(m.Code)
	if len(name) > 0 {
		m.CodeName = x.keep(bounded(name, maxName))
	}
	x.StatusMessage = what
	if m.CodeName != "" {
		x.StatusMessage = m.CodeName
	}
	switch {
	case code != 0:
		x.ErrorType = x.number(code)
	case m.CodeName != "":
		x.ErrorType = m.CodeName
	default:
		x.ErrorType = "_OTHER"
	}
}

// cursor notes the cursor that an answer leaves open, or that it ends.
func (x *exchange) cursor(id int64) {
	m := &x.mongo
	if id == 0 {
		m.CursorDone = m.Cursor != 0
		return
	}
	m.Cursor = id
}
