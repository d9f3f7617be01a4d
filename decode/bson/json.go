package bson

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxDepth bounds the nesting that AppendJSON follows.
const maxDepth = 16

// AppendJSON adds the value of e to b as relaxed extended JSON, and stops soon
// after b has grown by limit bytes: the end may then be missing.
func AppendJSON(b []byte, e Element, limit int) []byte {
	return appendValue(b, e, len(b)+limit, maxDepth)
}

func appendValue(b []byte, e Element, limit, depth int) []byte {
	if len(b) > limit {
		return b
	}
	if s, ok := e.Text(); ok && e.Type == String {
		return appendQuoted(b, s, limit)
	}
	switch e.Type {
	case Document, Array:
		return appendNested(b, e, limit, depth)
	case Null:
		return append(b, "null"...)
	case Boolean:
		return strconv.AppendBool(b, len(e.Value) > 0 && e.Value[0] != 0)
	case Int32, Int64:
		v, _ := e.Int()
		return strconv.AppendInt(b, v, 10)
	case Double:
		return appendDouble(b, e.Value)
	}
	return appendWrapped(b, e, limit)
}

func appendNested(b []byte, e Element, limit, depth int) []byte {
	open, end := byte('{'), byte('}')
	if e.Type == Array {
		open, end = '[', ']'
	}
	b = append(b, open)
	if depth == 0 {
		return append(b, end)
	}
	it := Elements(e.Value)
	for first := true; len(b) <= limit; first = false {
		sub, ok := it.Next()
		if !ok {
			break
		}
		if !first {
			b = append(b, ',')
		}
		if e.Type == Document {
			b = append(appendQuoted(b, sub.Key, limit), ':')
		}
		b = appendValue(b, sub, limit, depth-1)
	}
	return append(b, end)
}

func appendDouble(b, v []byte) []byte {
	if len(v) != 8 {
		return append(b, "null"...)
	}
	f := math.Float64frombits(binary.LittleEndian.Uint64(v))
	if math.IsNaN(f) || math.IsInf(f, 0) {
		b = append(b, `{"$numberDouble":"`...)
		b = strconv.AppendFloat(b, f, 'g', -1, 64)
		return append(b, `"}`...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// appendWrapped writes the types that JSON does not have.
func appendWrapped(b []byte, e Element, limit int) []byte {
	switch {
	case e.Type == ObjectID && len(e.Value) == 12:
		b = append(b, `{"$oid":"`...)
		b = hex.AppendEncode(b, e.Value)
		return append(b, `"}`...)
	case e.Type == DateTime:
		v, _ := e.Int()
		b = append(b, `{"$date":"`...)
		b = time.UnixMilli(v).UTC().AppendFormat(b, "2006-01-02T15:04:05.999Z07:00")
		return append(b, `"}`...)
	case e.Type == Binary && len(e.Value) >= 5:
		b = append(b, `{"$binary":{"base64":"`...)
		v := e.Value[5:min(len(e.Value), 5+max(0, limit-len(b)))]
		b = base64.StdEncoding.AppendEncode(b, v)
		b = append(b, `","subType":"`...)
		b = hex.AppendEncode(b, e.Value[4:5])
		return append(b, `"}}`...)
	case e.Type == Undefined:
		return append(b, `{"$undefined":true}`...)
	case e.Type == MinKey:
		return append(b, `{"$minKey":1}`...)
	case e.Type == MaxKey:
		return append(b, `{"$maxKey":1}`...)
	}
	if s, ok := e.Text(); ok {
		name := `{"$symbol":`
		if e.Type == Code {
			name = `{"$code":`
		}
		return append(appendQuoted(append(b, name...), s, limit), '}')
	}
	b = append(b, `{"$type":`...)
	b = strconv.AppendInt(b, int64(e.Type), 10)
	return append(b, '}')
}

// appendQuoted writes s as a JSON string; what is not UTF-8 becomes U+FFFD.
func appendQuoted(b, s []byte, limit int) []byte {
	b = append(b, '"')
	for len(s) > 0 && len(b) <= limit {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
		s = s[n:]
	}
	return append(b, '"')
}
