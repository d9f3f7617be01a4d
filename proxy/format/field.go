package format

import (
	"bytes"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/operator"
)

func fieldValue(p *operator.Piece, use Use) value {
	add := plainly
	if use != Header {
		add = semantics.AppendValue // secrets do not leave
	}
	name, alt := requestName(p.Arg), requestName(p.Alt)
	switch p.Name {
	case "REQ":
		return either(name, alt, func(b, n []byte, e *Entry) []byte { return requestField(b, n, e, add) })
	case "RESP":
		return either(name, alt, func(b, n []byte, e *Entry) []byte { return fieldOf(b, n, e.Answer, add) })
	case "TRAILER":
		return either(name, alt, func(b, n []byte, e *Entry) []byte { return fieldOf(b, n, e.Trailers, add) })
	case "PATH":
		if p.Arg == "NQ" {
			return text(func(e *Entry) string { return e.X.HTTP.Path })
		}
		return func(b []byte, e *Entry) []byte { return path(b, e, use) }
	case "QUERY_PARAM":
		return parameter([]byte(p.Arg), use)
	}
	return nil
}

// requestName is the name of a field as requests of every version have it.
func requestName(s string) []byte {
	if s == "host" { // HTTP/2 has no such field
		return []byte(":authority")
	}
	return []byte(s)
}

func plainly(b, _, value []byte) []byte { return append(b, value...) }

// either is the value of the field name, or of alt where there is none.
func either(name, alt []byte, get func(b, name []byte, e *Entry) []byte) value {
	return func(b []byte, e *Entry) []byte {
		at := len(b)
		if b = get(b, name, e); len(b) == at && len(alt) > 0 {
			b = get(b, alt, e)
		}
		return b
	}
}

// requestField adds a field of the request; a name with a colon is what HTTP/2
// calls a pseudo-field.
func requestField(b, name []byte, e *Entry, add func(b, name, value []byte) []byte) []byte {
	if name[0] != ':' {
		return fieldOf(b, name, e.fields(), add)
	}
	p := e.X.HTTP
	switch string(name) {
	case ":method":
		return append(b, p.Method...)
	case ":scheme":
		return append(b, p.Scheme...)
	case ":authority":
		if e.Request != nil {
			return append(b, e.Request.Host...)
		}
		return append(b, p.Host...)
	case ":path":
		if e.Request == nil {
			return path(b, e, Text)
		}
		b = append(b, e.Request.Path...)
		if !e.Request.HasQuery {
			return b
		}
		b, _ = semantics.AppendQuery(append(b, '?'), e.Request.Query)
		return b
	}
	return b
}

// path adds the path that the client asked for, with its query.
func path(b []byte, e *Entry, use Use) []byte {
	p := e.X.HTTP
	b = append(b, p.Path...)
	switch {
	case use == Header && e.Request != nil && e.Request.HasQuery:
		return append(append(b, '?'), e.Request.Query...)
	case p.Query != "":
		return append(append(b, '?'), p.Query...)
	}
	return b
}

// fieldOf adds the values of all fields of that name, joined by commas (RFC
// 9110, 5.3).
func fieldOf(b, name []byte, fields []http1.Field, add func(b, name, value []byte) []byte) []byte {
	at := len(b)
	for i := range fields {
		f := &fields[i]
		if len(f.Name) != len(name) || !bytes.EqualFold(f.Name, name) {
			continue
		}
		if len(b) > at {
			b = append(b, ',')
		}
		b = add(b, f.Name, f.Value)
	}
	return b
}

// parameter is the first query parameter of that name, percent-decoded.
func parameter(name []byte, use Use) value {
	secret := use != Header && semantics.SecretField(name)
	return func(b []byte, e *Entry) []byte {
		if e.Request == nil {
			return b
		}
		v, ok := Parameter(e.Request.Query, name)
		switch {
		case !ok:
			return b
		case secret:
			return append(b, semantics.Withheld...)
		}
		return Unescape(b, v)
	}
}

// Parameter finds the first parameter of that name, which is compared with
// escapes undone. The value is as sent.
func Parameter(query, name []byte) (value []byte, ok bool) {
	for len(query) > 0 {
		end := bytes.IndexByte(query, '&')
		if end < 0 {
			end = len(query)
		}
		key, value, _ := bytes.Cut(query[:end], []byte("="))
		if sameKey(key, name) {
			return value, true
		}
		query = query[min(len(query), end+1):]
	}
	return nil, false
}

func sameKey(key, name []byte) bool {
	if len(key) < len(name) {
		return false
	}
	for _, want := range name {
		if len(key) == 0 {
			return false
		}
		c, n := unescape(key)
		if c != want {
			return false
		}
		key = key[n:]
	}
	return len(key) == 0
}

// Unescape adds a query's key or value with its escapes undone.
func Unescape(b, s []byte) []byte {
	for len(s) > 0 {
		c, n := unescape(s)
		b, s = append(b, c), s[n:]
	}
	return b
}

// unescape is the first character of s, and how many bytes it takes.
func unescape(s []byte) (c byte, n int) {
	switch {
	case s[0] == '+':
		return ' ', 1
	case s[0] != '%' || len(s) < 3:
		return s[0], 1
	}
	hi, ok1 := hexDigit(s[1])
	lo, ok2 := hexDigit(s[2])
	if !ok1 || !ok2 {
		return '%', 1
	}
	return hi<<4 | lo, 3
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' < 10:
		return c - '0', true
	case c|0x20-'a' < 6:
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// Kept are copies of fields that are needed after the bytes that they point to
// are gone. It is made to be reused.
type Kept struct {
	Fields []http1.Field
	text   []byte
}

// keptText is how much memory for text is kept from one exchange to the next, in
// bytes.
const keptText = 16 << 10

// Reset forgets what was kept.
func (k *Kept) Reset() {
	if cap(k.text) > keptText {
		k.text = nil
	}
	k.Fields, k.text = k.Fields[:0], k.text[:0]
}

// Keep adds those of fields whose name, in lower case, is one of names.
func (k *Kept) Keep(fields []http1.Field, names [][]byte) {
	for _, name := range names {
		for i := range fields {
			f := &fields[i]
			if len(f.Name) != len(name) || !bytes.EqualFold(f.Name, name) {
				continue
			}
			at := len(k.text)
			k.text = append(k.text, f.Value...)
			k.Fields = append(k.Fields, http1.Field{Name: name, Value: k.text[at:len(k.text):len(k.text)], ID: f.ID})
		}
	}
}
