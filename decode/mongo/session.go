package mongo

import (
	"bytes"
	"encoding/hex"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// lsid keeps lsid.id, a UUID, in hex.
func (x *exchange) lsid(lsid bson.Element) {
	if lsid.Type != bson.Document {
		return
	}
	e, _ := bson.Lookup(lsid.Value, "id")
	id, ok := e.Bytes()
	if !ok || len(id) != 16 {
		return
	}
	from := len(x.text)
	x.text = hex.AppendEncode(x.text, id)
	x.mongo.Session = decode.View(x.text[from:])
}

// session tells what the command is to its session: a step of a transaction,
// a write that may be sent again, a question that waits for news.
func (x *exchange) session(k *command) {
	m, op := &x.mongo, string(k.first.Key)
	m.Chatter = chatter(k.first.Key)
	switch {
	case op == "commitTransaction":
		m.Transaction = event.TxnCommit
	case op == "abortTransaction":
		m.Transaction = event.TxnAbort
	case k.inTxn && k.start:
		m.Transaction = event.TxnStart
	case k.inTxn:
		m.Transaction = event.TxnIn
	case m.TxnNumber >= 0: // the drivers' specification of retryable writes
		m.Retryable = true
	}
	switch {
	case k.stream:
		m.CursorKind = event.CursorChangeStream
	case k.tailable && k.awaits:
		m.CursorKind = event.CursorTailableAwait
	case k.tailable:
		m.CursorKind = event.CursorTailable
	case op == "getMore" || k.known:
		m.Await = k.awaits
	}
}

// namespaces takes the collection of a bulkWrite from its nsInfo. Where it
// writes to several, they are counted; the database is told when all share it.
func (x *exchange) namespaces(k *command) {
	m := &x.mongo
	var n int32
	var db, coll []byte
	shared := true
	it := spacesOf(k)
	for doc := it.next(); doc != nil; doc = it.next() {
		e, _ := bson.Lookup(doc, "ns")
		ns, _ := e.Text()
		d, c, _ := bytes.Cut(bounded(ns, 2*maxName), []byte{'.'})
		if n == 0 {
			db, coll = d, c
		}
		shared = shared && bytes.Equal(d, db)
		n++
	}
	if n > 0 && shared {
		m.Database = x.keep(db)
	}
	if n == 1 {
		m.Collection = x.keep(coll)
		return
	}
	m.Namespaces = n
}

// spaces walks documents that stand in an array, or in a row.
type spaces struct {
	array bool
	it    bson.Iter
	row   []byte
}

func spacesOf(k *command) spaces {
	if k.spacesArray {
		return spaces{array: true, it: bson.Elements(k.spaces)}
	}
	return spaces{row: k.spaces}
}

// next is nil after the last.
func (s *spaces) next() []byte {
	if s.array {
		e, _ := s.it.Next()
		return e.Value
	}
	n := min(bson.Length(s.row), len(s.row))
	if n == 0 {
		return nil
	}
	doc := s.row[:n]
	s.row = s.row[n:]
	return doc
}
