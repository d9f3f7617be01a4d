package callsite

import (
	"unicode/utf16"
	"unicode/utf8"
)

// json reads b as a JSON object (RFC 8259) and reports whether it is one, with
// nothing after it. When not, nothing of it counts.
func (p *parser) json(b []byte) bool {
	before, keys := p.f, p.keys
	j := jsonScanner{p: p, b: b}
	if j.object(nil, 0) && len(trim(j.b)) == 0 {
		return true
	}
	p.f, p.keys = before, keys
	return p.over
}

// jsonScanner takes JSON from the front of b.
type jsonScanner struct {
	p *parser
	b []byte
}

// next skips white space and takes c when it comes next.
func (j *jsonScanner) next(c byte) bool {
	j.space()
	if len(j.b) > 0 && j.b[0] == c {
		j.b = j.b[1:]
		return true
	}
	return false
}

func (j *jsonScanner) space() {
	for len(j.b) > 0 && (j.b[0] == ' ' || j.b[0] == '\t' || j.b[0] == '\n' || j.b[0] == '\r') {
		j.b = j.b[1:]
	}
}

// object takes an object that lies at that path.
func (j *jsonScanner) object(prefix []byte, depth int) bool {
	if !j.next('{') {
		return false
	}
	if depth >= maxDepth {
		j.p.over = true
		return false
	}
	if j.next('}') {
		return true
	}
	for {
		if j.p.keys++; j.p.keys > maxKeys {
			j.p.over = true
			return false
		}
		j.space()
		key, ok := j.string()
		if !ok || !j.next(':') {
			return false
		}
		if !j.value(j.p.join2(prefix, key, depth), depth) {
			return false
		}
		if j.next('}') {
			return true
		}
		if !j.next(',') {
			return false
		}
	}
}

// value takes any value, and puts it when it is a scalar that counts: a nil
// key puts nothing.
func (j *jsonScanner) value(key []byte, depth int) bool {
	j.space()
	if len(j.b) == 0 {
		return false
	}
	var v []byte
	ok := false
	switch c := j.b[0]; {
	case c == '{':
		return j.object(key, depth+1)
	case c == '[':
		return j.array(depth + 1)
	case c == '"':
		v, ok = j.string()
	case c == 't':
		v, ok = j.word("true")
	case c == 'f':
		v, ok = j.word("false")
	case c == 'n':
		_, ok = j.word("null")
	default:
		v, ok = j.number()
	}
	if ok && depth < flatLevels && key != nil {
		j.p.f.put(key, v)
	}
	return ok
}

func (j *jsonScanner) word(w string) ([]byte, bool) {
	if len(j.b) < len(w) || string(j.b[:len(w)]) != w {
		return nil, false
	}
	v := j.b[:len(w)]
	j.b = j.b[len(w):]
	return v, true
}

// array takes an array; nothing in it counts.
func (j *jsonScanner) array(depth int) bool {
	j.b = j.b[1:]
	if depth >= maxDepth {
		j.p.over = true
		return false
	}
	if j.next(']') {
		return true
	}
	for {
		if j.p.keys++; j.p.keys > maxKeys {
			j.p.over = true
			return false
		}
		// In an array objects are deeper than what is flattened.
		if !j.value(nil, max(depth, flatLevels)) {
			return false
		}
		if j.next(']') {
			return true
		}
		if !j.next(',') {
			return false
		}
	}
}

func (j *jsonScanner) number() ([]byte, bool) {
	n := 0
	take := func(ok func(c byte) bool) (any bool) {
		for n < len(j.b) && ok(j.b[n]) {
			n, any = n+1, true
		}
		return any
	}
	if j.b[0] == '-' {
		n++
	}
	zero := n < len(j.b) && j.b[n] == '0'
	from := n
	if !take(isDigit) || (zero && n > from+1) {
		return nil, false
	}
	if n < len(j.b) && j.b[n] == '.' {
		n++
		if !take(isDigit) {
			return nil, false
		}
	}
	if n < len(j.b) && j.b[n]|0x20 == 'e' {
		n++
		if n < len(j.b) && (j.b[n] == '+' || j.b[n] == '-') {
			n++
		}
		if !take(isDigit) {
			return nil, false
		}
	}
	v := j.b[:n]
	j.b = j.b[n:]
	return v, true
}

// string takes a string. One without escapes is a view.
func (j *jsonScanner) string() (s []byte, ok bool) {
	if len(j.b) == 0 || j.b[0] != '"' {
		return nil, false
	}
	for i := 1; i < len(j.b); i++ {
		switch c := j.b[i]; {
		case c == '"':
			s, j.b = j.b[1:i:i], j.b[i+1:]
			return s, true
		case c == '\\':
			return j.escaped(i)
		case c < ' ':
			return nil, false
		}
	}
	return nil, false
}

// escaped takes a string whose first escape is at that place.
func (j *jsonScanner) escaped(at int) (s []byte, ok bool) {
	buf := &j.p.s.buf
	from := len(*buf)
	*buf = append(*buf, j.b[1:at]...)
	j.b = j.b[at:]
	for len(j.b) > 0 {
		c := j.b[0]
		switch {
		case c == '"':
			j.b = j.b[1:]
			return (*buf)[from:], true
		case c == '\\':
			if !j.escape(buf) {
				return nil, false
			}
			continue
		case c < ' ':
			return nil, false
		}
		*buf = append(*buf, c)
		j.b = j.b[1:]
	}
	return nil, false
}

// escape takes one escape sequence (RFC 8259, section 7).
func (j *jsonScanner) escape(buf *[]byte) bool {
	if len(j.b) < 2 {
		return false
	}
	c := j.b[1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return j.unicode(buf)
	default:
		return false
	}
	*buf, j.b = append(*buf, c), j.b[2:]
	return true
}

func (j *jsonScanner) unicode(buf *[]byte) bool {
	r, ok := hex4(j.b)
	if !ok {
		return false
	}
	j.b = j.b[6:]
	if utf16.IsSurrogate(r) {
		second, ok := hex4(j.b)
		if r = utf16.DecodeRune(r, second); ok && r != utf8.RuneError {
			j.b = j.b[6:]
		} else {
			r = utf8.RuneError
		}
	}
	*buf = utf8.AppendRune(*buf, r)
	return true
}

// hex4 reads \uXXXX at the start of b.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		v, ok := unhexDigit(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(v)
	}
	return r, true
}

func unhexDigit(c byte) (v byte, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
