package mongo

import (
	"encoding/binary"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// A hole is a part of a list inside a message that is counted and not kept: a
// batch of documents may be 48 MB, and only their number is wanted. The lengths
// around it are reduced, so that what is kept is a smaller valid message.
type hole struct {
	size int // bytes from its beginning to its end
	left int // bytes still to come
	n    int64

	array  bool // elements of a BSON array or document; else documents in a row
	counts bool // n is wanted
	loses  bool // what is left out would have been told
	state  state
	skip   int // bytes until the next element
	size4  [4]byte
	got    int
	kind   bson.Type
	lost   bool // the elements make no sense: not counted any more
	patch  [16]int32
	nPatch int
}

type state uint8

const (
	atType state = iota
	inKey
	inLength
	inSkip
	inText // a C string of a regular expression
	inText2
)

func (o *hole) open() bool { return o.left > 0 }

// feed takes bytes of the hole and returns how many.
func (o *hole) feed(b []byte) int {
	n := min(len(b), o.left)
	o.left -= n
	if !o.lost {
		o.count(b[:n])
	}
	return n
}

// count goes through elements: type, key and length are looked at, the rest is
// skipped.
func (o *hole) count(b []byte) {
	for len(b) > 0 && !o.lost {
		switch o.state {
		case inSkip:
			n := min(o.skip, len(b))
			b = b[n:]
			if o.skip -= n; o.skip == 0 {
				o.state = o.first()
			}
			continue
		case atType:
			o.kind, o.state = bson.Type(b[0]), inKey
			o.lost = b[0] == 0
		case inKey:
			if b[0] == 0 {
				o.value()
			}
		case inLength:
			o.length(b[0])
		case inText, inText2:
			if b[0] == 0 {
				o.text()
			}
		}
		b = b[1:]
	}
}

// first is the state at the beginning of an element.
func (o *hole) first() state {
	if o.array {
		return atType
	}
	return inLength
}

// value comes after the key of an element.
func (o *hole) value() {
	switch n, prefixed := bson.FixedSize(o.kind); {
	case o.kind == bson.Regex:
		o.state = inText
	case prefixed:
		o.state = inLength
	default:
		o.skipping(n)
	}
}

func (o *hole) text() {
	if o.state == inText {
		o.state = inText2
		return
	}
	o.skipping(0)
}

func (o *hole) length(c byte) {
	o.size4[o.got] = c
	if o.got++; o.got < 4 {
		return
	}
	o.got = 0
	kind := bson.Document
	if o.array {
		kind = o.kind
	}
	n, ok := bson.PrefixedSize(kind, o.size4[:])
	if !ok {
		o.lost = true
		return
	}
	o.skipping(n - 4)
}

// skipping begins the n bytes that end an element.
func (o *hole) skipping(n int) {
	o.n++
	if o.skip, o.state = n, inSkip; n == 0 {
		o.state = o.first()
	}
}

// overflow is called when as much is kept as may be: it finds a list that goes
// on and makes a hole of its rest, or allows more, or stops keeping.
func (h *half) overflow(d event.Dir, l *decode.Limits) {
	if h.holes < maxHoles && h.opcode != opCompressed {
		f := finder{b: *h.buf, total: h.total(), request: d == event.ToServer, deep: len(*h.buf) >= l.Keep || h.holes > 0}
		if f.message(h.opcode) {
			h.dig(&f)
			return
		}
	}
	if h.limit < l.Keep {
		h.limit = min(h.limit*4, l.Keep)
		return
	}
	h.full = true
}

// dig makes the hole that f found: what is in buf of its first element is
// counted with the rest.
func (h *half) dig(f *finder) {
	b := *h.buf
	h.holes++
	f.hole.size = f.end - f.from
	f.hole.left = f.hole.size
	h.hole = f.hole
	h.hole.state = h.hole.first()
	h.hole.feed(b[f.from:])
	*h.buf = b[:f.from]
	h.limit = f.from + tailKeep
}

// closeHole reduces the lengths around the hole by what was left out.
func (h *half) closeHole() {
	o := &h.hole
	b, size := *h.buf, o.size-o.left
	for _, at := range o.patch[:o.nPatch] {
		n := binary.LittleEndian.Uint32(b[at:])
		binary.LittleEndian.PutUint32(b[at:], n-uint32(size))
	}
	if o.counts {
		h.skipped += o.n
	}
	h.removed += size
	h.cut = h.cut || o.lost || o.loses
	*o = hole{}
}
