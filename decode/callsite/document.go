package callsite

import (
	"github.com/pitot-io/pitot/decode/bson"
)

// flatLevels is how many levels of keys make a path.
const flatLevels = 3

// document reads the fields of a BSON document that lies at that path.
func (p *parser) document(doc, prefix []byte, depth int) {
	if depth >= maxDepth {
		p.over = true
		return
	}
	for it := bson.Elements(doc); !p.over; {
		e, ok := it.Next()
		if !ok {
			return
		}
		if p.keys++; p.keys > maxKeys {
			p.over = true
			return
		}
		key := p.join2(prefix, e.Key, depth)
		switch {
		case e.Type == bson.Document:
			p.document(e.Value, key, depth+1)
		case e.Type == bson.Array, depth >= flatLevels:
		default:
			p.f.put(key, p.scalar(e))
		}
	}
}

// join2 is the path of a key at that depth. Below the levels that are
// flattened it does not matter.
func (p *parser) join2(prefix, key []byte, depth int) []byte {
	if depth == 0 || depth >= flatLevels {
		return key
	}
	from := len(p.s.buf)
	p.s.buf = append(append(append(p.s.buf, prefix...), '.'), key...)
	return p.s.buf[from:]
}

// scalar is a value as text; nil for null.
func (p *parser) scalar(e bson.Element) []byte {
	if e.Type == bson.Null || e.Type == bson.Undefined {
		return nil
	}
	if s, ok := e.Text(); ok {
		return p.valid(s)
	}
	from := len(p.s.buf)
	p.s.buf = bson.AppendJSON(p.s.buf, e, maxValue)
	return p.s.buf[from:]
}
