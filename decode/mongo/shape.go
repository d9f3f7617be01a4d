package mongo

import (
	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// shapeDepth bounds the nesting that a shape follows: MongoDB allows 100, no
// query that a person wrote has so much.
const shapeDepth = 20

// shape tells the command without a single value: keys in the order sent, ?
// for every literal, documents and lists of documents kept, other lists ?.
func (x *exchange) shape(doc []byte, lists []list, limit int) {
	s := x.shaper(limit)
	s.add("{")
	s.fields(doc, shapeDepth, true)
	for _, l := range lists {
		s.list(l)
	}
	s.add("}")
	x.setShape(&s)
}

// shaper begins a shape of at most limit bytes. What its hash is made of
// beside it stands before it: operation and namespace.
func (x *exchange) shaper(limit int) shaper {
	m := &x.mongo
	s := shaper{hashed: len(x.text)}
	b := append(append(x.text, m.Operation...), 0)
	b = append(append(b, m.Database...), '.')
	s.b = append(append(b, m.Collection...), 0)
	s.from, s.limit = len(s.b), len(s.b)+limit
	return s
}

// setShape takes over what s wrote.
func (x *exchange) setShape(s *shaper) {
	x.text = s.b
	x.mongo.Query = decode.View(x.text[s.from:])
	x.mongo.Shape = xxhash.Sum64(x.text[s.hashed:])
}

// shaper writes a shape to b and stops at limit.
type shaper struct {
	b      []byte
	hashed int // where begins what the hash is made of
	from   int // where the shape begins
	limit  int
	full   bool
	ops    bool // inside the statements of a bulkWrite
}

// inserted reports whether the value of key is what is inserted.
func inserted(key []byte, top, ops bool) bool {
	return top && string(key) == "documents" || ops && string(key) == "document"
}

func (s *shaper) add(text string) {
	if s.full {
		return
	}
	if len(s.b)+len(text) > s.limit-len(ellipsis) {
		s.b, s.full = append(s.b, ellipsis...), true
		return
	}
	s.b = append(s.b, text...)
}

const ellipsis = "…"

// fields writes the elements of doc. At the top of a command it leaves out
// what says nothing of the query.
func (s *shaper) fields(doc []byte, depth int, top bool) {
	it := bson.Elements(doc)
	for first := true; !s.full; {
		e, ok := it.Next()
		if !ok {
			return
		}
		if string(e.Key) == "$comment" || (top && envelope(e.Key)) {
			continue
		}
		if s.usual(e, first) {
			first = false
			continue
		}
		if !first {
			s.add(", ")
		}
		first = false
		s.key(e.Key)
		s.add(": ")
		s.value(e, depth-1, top)
	}
}

// usual writes an element of the most common form at once: a literal whose key
// is letters and needs no look at its parts. It reports whether it did.
func (s *shaper) usual(e bson.Element, first bool) bool {
	if e.IsDocument() || len(e.Key) == 0 || len(s.b)+len(e.Key)+len(", : ?") > s.limit-len(ellipsis) {
		return false
	}
	if !words(e.Key) {
		return false
	}
	b := s.b
	if !first {
		b = append(b, ", "...)
	}
	b = append(b, e.Key...)
	s.b = append(b, ": ?"...)
	return true
}

// wordByte holds what keys are mostly made of: none of it needs quotes, and
// without a digit no part of a key is data.
var wordByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '$' || c == '.'
	}
	return t
}()

func words(key []byte) bool {
	for _, c := range key {
		if !wordByte[c] {
			return false
		}
	}
	return true
}

// envelope reports whether a field of a command is about its transport.
func envelope(key []byte) bool {
	if len(key) == 0 {
		return false
	}
	switch string(key) {
	case "lsid", "comment", "txnNumber", "autocommit", "startTransaction", "apiVersion", "apiStrict",
		"apiDeprecationErrors", "maxTimeMS", "$db", "$clusterTime", "$readPreference", "$audit", "$client",
		"$configServerState", "$oplogQueryData", "$replData", "mayBypassWriteBlocking":
		return true
	}
	return false
}

func (s *shaper) value(e bson.Element, depth int, top bool) {
	switch {
	case !e.IsDocument() || depth <= 0:
		s.add("?")
	case inserted(e.Key, top, s.ops):
		s.add("?") // what is inserted is data, keys and all
	case e.Type == bson.Document:
		s.add("{")
		s.fields(e.Value, depth, false)
		s.add("}")
	case top && string(e.Key) == "ops":
		s.ops = true
		s.array(e.Value, depth)
		s.ops = false
	default:
		s.array(e.Value, depth)
	}
}

// array writes a list of documents, neighbours of one shape once; any other
// list is one literal.
func (s *shaper) array(doc []byte, depth int) {
	it := bson.Elements(doc)
	e, ok := it.Next()
	if !ok || !e.IsDocument() {
		s.add("?")
		return
	}
	s.add("[")
	previous := len(s.b)
	s.value(e, depth-1, false)
	for !s.full {
		if e, ok = it.Next(); !ok {
			break
		}
		previous = s.another(e, previous, depth)
	}
	s.add("]")
}

// another writes one more element of a list, unless its shape is that of the
// element before, which was written at previous.
func (s *shaper) another(e bson.Element, previous, depth int) int {
	end := len(s.b)
	s.add(", ")
	at := len(s.b)
	s.value(e, depth-1, false)
	if !s.full && string(s.b[at:]) == string(s.b[previous:end]) {
		s.b = s.b[:end]
		return previous
	}
	return at
}

// list writes a list that was sent beside the command as if it stood in it.
func (s *shaper) list(l list) {
	s.add(", ")
	s.key(l.name)
	s.add(": ")
	if string(l.name) == "documents" {
		s.add("?")
		return
	}
	s.ops = string(l.name) == "ops"
	s.add("[")
	previous := -1
	for b := l.docs; len(b) > 0 && !s.full; {
		n := bson.Length(b)
		if n == 0 {
			break
		}
		e := bson.Element{Type: bson.Document, Value: b[:min(n, len(b))]}
		if previous < 0 {
			previous = len(s.b)
			s.value(e, shapeDepth-1, false)
		} else {
			previous = s.another(e, previous, shapeDepth)
		}
		b = b[len(e.Value):]
	}
	s.ops = false
	s.add("]")
}

// key writes a key. Parts of it that are data, such as the positions in
// "items.3.price", are literals.
func (s *shaper) key(k []byte) {
	if s.full {
		return
	}
	if !plain(k) {
		s.quoted(k)
		return
	}
	if len(s.b)+len(k) <= s.limit-len(ellipsis) && words(k) {
		s.b = append(s.b, k...)
		return
	}
	for len(k) > 0 {
		n := 0
		for n < len(k) && k[n] != '.' {
			n++
		}
		if isData(k[:n]) {
			s.add("?")
		} else {
			s.add(decode.View(k[:n]))
		}
		if n < len(k) {
			s.add(".")
			n++
		}
		k = k[n:]
	}
}

// plain reports whether a key needs no quotes.
func plain(k []byte) bool {
	for _, c := range k {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '$', c == '.', c == '-', c >= 0x80:
		default:
			return false
		}
	}
	return len(k) > 0
}

// isData reports whether a part of a key is a number, or an id in hex.
func isData(part []byte) bool {
	digits, hex := 0, 0
	for _, c := range part {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F', c == '-':
			hex++
		default:
			return false
		}
	}
	return digits > 0 && (hex == 0 || digits+hex >= 16)
}

func (s *shaper) quoted(k []byte) {
	s.add(`"`)
	for i := range k {
		switch c := k[i]; {
		case c < ' ' || c == 0x7f:
			s.add("?")
		case c == '"' || c == '\\':
			s.add(`\`)
			fallthrough
		default:
			s.add(decode.View(k[i : i+1]))
		}
	}
	s.add(`"`)
}

// class says how many shards a read or a write by filter has to ask.
func class(k *command) event.QueryClass {
	switch string(k.first.Key) {
	case "find", "aggregate", "count", "distinct", "update", "delete", "findAndModify", "findandmodify":
		return classOf(k.id)
	}
	return event.ClassNone
}

// classOf judges a filter by the element that tells of _id.
func classOf(e bson.Element) event.QueryClass {
	switch {
	case e.Type == 0:
		return event.ClassScatter
	case e.Type == bson.Document:
		it := bson.Elements(e.Value)
		if op, ok := it.Next(); ok && string(op.Key) == "$eq" {
			return event.ClassPrimary
		}
		return event.ClassMulti
	case e.Type == bson.Array, e.Type == bson.Regex:
		return event.ClassMulti
	}
	return event.ClassPrimary
}
