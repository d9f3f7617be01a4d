package mongo

import (
	"bytes"
	"encoding/binary"

	"github.com/pitot-io/pitot/decode/bson"
)

// finder looks in the beginning of a message's body for the list, or the
// document, whose rest may be left out.
type finder struct {
	b       []byte
	total   int // size of the whole body
	request bool
	deep    bool // look into the documents of a request, whose shape is wanted

	from, end int // found: the first element that is not whole, the end of the list
	hole      hole
}

func (f *finder) message(opcode int32) bool {
	switch opcode {
	case opMsg:
		return f.sections()
	case opReply:
		if len(f.b) >= 20 && binary.LittleEndian.Uint32(f.b[16:]) == 1 {
			return f.document(20, f.total, 0)
		}
		return f.row(20, f.total, false)
	case opInsert:
		return f.row(f.afterName(4), f.total, true)
	case opQuery:
		return f.document(f.afterName(4)+8, f.total, 0)
	}
	return false
}

// afterName is the place after the C string at that place.
func (f *finder) afterName(at int) int {
	if at > len(f.b) {
		return len(f.b)
	}
	return at + bytes.IndexByte(f.b[at:], 0) + 1
}

// sections goes to the section of an OP_MSG that is not whole.
func (f *finder) sections() bool {
	for at := 4; at+5 <= len(f.b); {
		n := int(int32(binary.LittleEndian.Uint32(f.b[at+1:])))
		if n < bson.MinDocument || at+1+n > f.total {
			return false
		}
		if at+1+n > len(f.b) {
			if f.b[at] == 0 {
				return f.document(at+1, f.total, 0)
			}
			f.push(at + 1)
			name := f.b[at+5:]
			return f.b[at] == 1 && f.row(f.afterName(at+5), at+1+n, !bytes.HasPrefix(name, []byte("nsInfo\x00")))
		}
		at += 1 + n
	}
	return false
}

func (f *finder) push(at int) bool {
	if f.hole.nPatch == len(f.hole.patch) {
		return false
	}
	f.hole.patch[f.hole.nPatch] = int32(at)
	f.hole.nPatch++
	return true
}

// row takes documents one after the other from at to end.
func (f *finder) row(at, end int, counts bool) bool {
	for at < len(f.b) {
		n := bson.Length(f.b[at:])
		if n == 0 && at+4 <= len(f.b) {
			return false
		}
		if n == 0 || at+n > len(f.b) {
			break
		}
		at += n
	}
	f.hole.counts = counts
	return f.found(at, end)
}

func (f *finder) found(from, end int) bool {
	f.from, f.end = from, end
	f.hole.loses = f.request && !f.hole.counts
	return from <= len(f.b) && len(f.b) < end && end <= f.total
}

// document takes the document at that place, which ends after the bytes there
// are. within is the end of what it lies in.
func (f *finder) document(at, within, depth int) bool {
	if at > len(f.b) || (f.request && !f.deep && depth > 0) {
		return false
	}
	end := at + bson.Length(f.b[at:])
	if end == at || end > within || end <= len(f.b) || !f.push(at) {
		return false
	}
	from, e, ok := f.cutElement(at)
	if ok && e.IsDocument() {
		if e.Type == bson.Array {
			return f.array(e, end-1, depth+1)
		}
		if f.request || depth == 0 {
			return f.document(len(f.b)-len(e.Value), end-1, depth+1)
		}
	}
	if f.request && !f.deep {
		return false
	}
	f.hole.array = true
	return f.found(from, end-1)
}

// array takes the array e, which lies in what ends at within.
func (f *finder) array(e bson.Element, within, depth int) bool {
	at := len(f.b) - len(e.Value)
	end := at + bson.Length(e.Value)
	if end > within || !f.push(at) {
		return false
	}
	f.hole.array, f.hole.counts = true, batchList(e.Key)
	if f.request && !f.deep && !f.hole.counts {
		return false
	}
	from, sub, ok := f.cutElement(at)
	if ok && f.request && sub.Type == bson.Document && string(e.Key) == "pipeline" {
		return f.document(len(f.b)-len(sub.Value), end-1, depth+1)
	}
	return f.found(from, end-1)
}

// cutElement is the element of the document at that place which is not whole,
// and where it begins. Not ok when not even its length is there.
func (f *finder) cutElement(at int) (from int, e bson.Element, ok bool) {
	it := bson.Elements(f.b[at:])
	for {
		from = len(f.b) - len(it.Rest())
		if e, ok = it.Next(); !ok {
			return from, e, false
		}
		if e.IsDocument() && bson.Length(e.Value) > len(e.Value) {
			return from, e, true
		}
	}
}

// batchList reports whether the elements of the array of that name are the
// documents or statements that a message is about.
func batchList(key []byte) bool {
	switch string(key) {
	case "firstBatch", "nextBatch", "values", "documents", "updates", "deletes", "ops", "writeErrors":
		return true
	}
	return false
}
