// Package bson walks BSON documents where they lie: one pass, no copy, no
// allocation, and no length believed before it is bounded. It reads what
// hostile or cut bytes hold up to the place where they stop making sense.
//
// Types and layout are those of bsonspec.org, version 1.1.
package bson

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
)

// Type is the type byte of an element.
type Type byte

const (
	Double     Type = 0x01
	String     Type = 0x02
	Document   Type = 0x03
	Array      Type = 0x04
	Binary     Type = 0x05
	Undefined  Type = 0x06
	ObjectID   Type = 0x07
	Boolean    Type = 0x08
	DateTime   Type = 0x09
	Null       Type = 0x0A
	Regex      Type = 0x0B
	DBPointer  Type = 0x0C
	Code       Type = 0x0D
	Symbol     Type = 0x0E
	CodeScope  Type = 0x0F
	Int32      Type = 0x10
	Timestamp  Type = 0x11
	Int64      Type = 0x12
	Decimal128 Type = 0x13
	MinKey     Type = 0xFF
	MaxKey     Type = 0x7F
)

// MinDocument is the size of the empty document in bytes.
const MinDocument = 5

// Length is the declared length of the document at the start of b in bytes,
// its own four included; 0 when b is too short or the length cannot be one.
func Length(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	n := int32(binary.LittleEndian.Uint32(b))
	if n < MinDocument {
		return 0
	}
	return int(n)
}

// First is the document at the start of b, nil when there is none or b does
// not hold all of it.
func First(b []byte) []byte {
	n := Length(b)
	if n == 0 || n > len(b) {
		return nil
	}
	return b[:n]
}

// Element is one element of a document. Key and Value point into the document.
type Element struct {
	Type  Type
	Key   []byte
	Value []byte // the value's bytes as on the wire, length prefixes included
}

// Iter walks the elements of one document or array.
type Iter struct {
	rest []byte
	bad  bool // ended before its end
}

// Elements begins a walk over doc. When doc holds only a part of the document
// that its length promises, the walk tells what is there and then Cut.
func Elements(doc []byte) Iter {
	n := Length(doc)
	switch {
	case n == 0:
		return Iter{bad: true}
	case n > len(doc):
		return Iter{rest: doc[4:]}
	}
	return Iter{rest: doc[4:n]}
}

// Cut reports whether the walk ended before the end of the document: the bytes
// were cut off, or make no sense.
func (it *Iter) Cut() bool { return it.bad }

// Rest is what the walk has not come to yet, up to the end of the document.
func (it *Iter) Rest() []byte { return it.rest }

// Next is the next element. An embedded document or array of which only a part
// is there is told with that part, and is the last.
func (it *Iter) Next() (e Element, ok bool) {
	b := it.rest
	if len(b) == 0 {
		it.bad = true // the final zero was never seen
		return Element{}, false
	}
	if b[0] == 0 {
		it.bad = it.bad || len(b) != 1 // bytes after the end
		it.rest = nil
		return Element{}, it.end()
	}
	k := keyEnd(b)
	if k == len(b) {
		return Element{}, it.stop()
	}
	e.Type, e.Key = Type(b[0]), b[1:k]
	b = b[k+1:]
	if n := int(fixed[e.Type]); n <= len(b) && n >= 0 {
		e.Value, it.rest = b[:n], b[n:]
		return e, true
	}
	n, known := size(e.Type, b)
	switch {
	case known && n <= len(b):
		e.Value, it.rest = b[:n], b[n:]
	case known && (e.Type == Document || e.Type == Array) && len(b) >= 4:
		e.Value, it.rest = b, nil
	default:
		return Element{}, it.stop()
	}
	return e, true
}

// keyEnd is where the zero after the key lies that begins at b[1]; len(b) when
// there is none. Most keys end within the eight bytes of the first look.
func keyEnd(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	k := 1
	for ; k+8 <= len(b); k += 8 {
		w := binary.LittleEndian.Uint64(b[k:])
		if zeros := (w - ones) &^ w & highs; zeros != 0 {
			return k + bits.TrailingZeros64(zeros)>>3
		}
	}
	for k < len(b) && b[k] != 0 {
		k++
	}
	return k
}

// end makes further calls of Next end the same way.
func (it *Iter) end() bool {
	it.rest = endMark
	return false
}

func (it *Iter) stop() bool {
	it.rest, it.bad = nil, true
	return false
}

// endMark is a document's final zero, which Next takes for the end each time.
var endMark = []byte{0}

// fixed is the size of the values of every type that has one, else -1.
var fixed = func() (t [256]int8) {
	for c := range t {
		t[c] = -1
		if n, known := size(Type(c), nil); known {
			t[c] = int8(n)
		}
	}
	return t
}()

// size is the number of bytes of a value of type t at the start of b, which
// may be more than b has. It is not known for unknown types, for lengths that
// cannot be, and where the length itself is cut off.
func size(t Type, b []byte) (n int, known bool) {
	switch t {
	case Undefined, Null, MinKey, MaxKey:
		return 0, true
	case Boolean:
		return 1, true
	case Int32:
		return 4, true
	case Double, DateTime, Timestamp, Int64:
		return 8, true
	case ObjectID:
		return 12, true
	case Decimal128:
		return 16, true
	case Regex:
		return regexSize(b)
	}
	return prefixedSize(t, b)
}

// prefixedSize is size for the types that begin with their length.
func prefixedSize(t Type, b []byte) (n int, known bool) {
	if len(b) < 4 {
		return 0, false
	}
	l := int64(int32(binary.LittleEndian.Uint32(b)))
	least, extra := int64(0), int64(0)
	switch t {
	case String, Code, Symbol:
		least, extra = 1, 4
	case Document, Array:
		least = MinDocument
	case Binary:
		extra = 5
	case DBPointer:
		least, extra = 1, 16
	case CodeScope:
		least = 14
	default:
		return 0, false
	}
	return int(l + extra), l >= least
}

func regexSize(b []byte) (n int, known bool) {
	p := bytes.IndexByte(b, 0)
	if p < 0 {
		return 0, false
	}
	o := bytes.IndexByte(b[p+1:], 0)
	return p + o + 2, o >= 0
}

// Text is the value of a string, symbol or code without its final zero.
func (e Element) Text() (s []byte, ok bool) {
	switch e.Type {
	case String, Symbol, Code:
		if len(e.Value) >= 5 {
			return e.Value[4 : len(e.Value)-1], true
		}
	}
	return nil, false
}

// Int is the value of a number or boolean as an integer, as MongoDB takes
// numbers where it wants one: 1.0 is 1, true is 1.
func (e Element) Int() (v int64, ok bool) {
	switch {
	case e.Type == Int32 && len(e.Value) == 4:
		return int64(int32(binary.LittleEndian.Uint32(e.Value))), true
	case (e.Type == Int64 || e.Type == Timestamp || e.Type == DateTime) && len(e.Value) == 8:
		return int64(binary.LittleEndian.Uint64(e.Value)), true
	case e.Type == Boolean && len(e.Value) == 1:
		return int64(e.Value[0]), true
	case e.Type == Double && len(e.Value) == 8:
		return fromFloat(math.Float64frombits(binary.LittleEndian.Uint64(e.Value)))
	}
	return 0, false
}

func fromFloat(f float64) (int64, bool) {
	if f != f || f >= math.MaxInt64 || f <= math.MinInt64 {
		return 0, false
	}
	return int64(f), true
}

// Bytes is the content of a binary value.
func (e Element) Bytes() (b []byte, ok bool) {
	if e.Type != Binary || len(e.Value) < 5 {
		return nil, false
	}
	return e.Value[5:], true
}

// IsDocument reports whether the value is a document or an array, which
// Elements walks.
func (e Element) IsDocument() bool { return e.Type == Document || e.Type == Array }

// Lookup is the first element of doc with that key.
func Lookup(doc []byte, key string) (e Element, ok bool) {
	for it := Elements(doc); ; {
		if e, ok = it.Next(); !ok || string(e.Key) == key {
			return e, ok
		}
	}
}

// Count is the number of elements of doc, and whether all of doc was there.
func Count(doc []byte) (n int64, whole bool) {
	it := Elements(doc)
	for it.documentAt(n) {
		n++
	}
	for {
		if _, ok := it.Next(); !ok {
			return n, !it.Cut()
		}
		n++
	}
}

// documentAt steps over element n of an array when it is a whole document under
// the key that it has by its place, which is the most common form by far.
func (it *Iter) documentAt(n int64) bool {
	digits := 1
	for m := n; m > 9; m /= 10 {
		digits++
	}
	b := it.rest
	if len(b) < digits+2+MinDocument || b[0] != byte(Document) || b[digits+1] != 0 || bytes.IndexByte(b[1:digits+1], 0) >= 0 {
		return false
	}
	size := Length(b[digits+2:])
	if size == 0 || size > len(b)-digits-2 {
		return false
	}
	it.rest = b[digits+2+size:]
	return true
}

// FixedSize is the size in bytes of a value of type t; prefixed says that the
// value begins with a length instead, or, for Regex, ends with zeros.
func FixedSize(t Type) (n int, prefixed bool) {
	switch t {
	case String, Document, Array, Binary, Regex, DBPointer, Code, Symbol, CodeScope:
		return 0, true
	}
	n, known := size(t, nil)
	return n, !known
}

// ValueSize is the size in bytes of a value of type t at the start of b; not ok
// when it cannot be told, or is more than b has.
func ValueSize(t Type, b []byte) (n int, ok bool) {
	n, ok = size(t, b)
	return n, ok && n <= len(b)
}

// PrefixedSize is the size of a value of type t that begins with the length in
// the four bytes b, those included; not ok when it cannot be.
func PrefixedSize(t Type, b []byte) (n int, ok bool) { return prefixedSize(t, b) }
