package callsite

import "bytes"

// string reads a comment that is text.
func (p *parser) string(b []byte) {
	b = trim(p.valid(b))
	if len(b) >= 4 && bytes.HasPrefix(b, []byte("/*")) && bytes.HasSuffix(b, []byte("*/")) {
		b = trim(b[2 : len(b)-2])
	}
	if len(b) == 0 {
		return
	}
	if b[0] == '{' && p.json(b) {
		p.head = b // wanted only when the object passed a limit
		return
	}
	at := p.findList(b)
	if p.over {
		p.head = b
		return
	}
	if at < len(b) {
		p.list(b[at:])
		b = trim(bytes.TrimSuffix(b[:at], []byte{','}))
	}
	if len(b) > 0 {
		p.plain(b)
	}
}

// plain reads text that is neither JSON nor a list: a place, or free text.
func (p *parser) plain(b []byte) {
	if pl, ok := parsePlace(b); ok {
		p.f.place(pl)
		return
	}
	p.f.text.set(unset-1, b)
}

// searchSteps bounds the search for a list in hostile text, in bytes looked at.
const searchSteps = 64 << 10

// findList is where the longest tail of b begins that is a list of
// key='value' joined by commas, and that begins b or follows a comma; len(b)
// when there is none.
func (p *parser) findList(b []byte) int {
	if b[len(b)-1] != '\'' {
		return len(b)
	}
	for at, steps := 0, 0; at < len(b) && steps < searchSteps; {
		end, pairs := listEnd(b[at:])
		if end == len(b)-at {
			p.over = p.over || pairs > maxKeys
			return at
		}
		steps += end + 1
		i := bytes.IndexByte(b[at:], ',')
		if i < 0 {
			break
		}
		at += i + 1
	}
	return len(b)
}

// listEnd is how far b is a list, and how many pairs it has. Only when that is
// all of b is it one.
func listEnd(b []byte) (end, pairs int) {
	for {
		_, _, n := pair(b[end:])
		if n == 0 {
			return end, pairs
		}
		pairs++
		end += n
		if end == len(b) || b[end] != ',' {
			return end, pairs
		}
		end++
		if end == len(b) {
			return end - 1, pairs // a comma at the end is no list's
		}
	}
}

// pair takes key='value' at the start of b and returns its length, 0 when
// there is none. The value is as it stands between the quotes.
func pair(b []byte) (key, value []byte, n int) {
	i := 0
	for i < len(b) && isKeyByte(b[i]) {
		i++
	}
	if i == 0 || len(b) < i+3 || b[i] != '=' || b[i+1] != '\'' {
		return nil, nil, 0
	}
	for j := i + 2; j < len(b); j++ {
		switch {
		case b[j] == '\\' && j+1 < len(b) && b[j+1] == '\'':
			j++
		case b[j] == '\'':
			return b[:i], b[i+2 : j], j + 1
		}
	}
	return nil, nil, 0
}

func isKeyByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '_' || c == '.' || c == '%' || c == '-'
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// list puts the pairs of a list.
func (p *parser) list(b []byte) {
	for {
		key, value, n := pair(b)
		if n == 0 {
			return
		}
		p.keys++
		p.f.put(p.decoded(key), p.decoded(value))
		if n == len(b) {
			return
		}
		b = b[n+1:]
	}
}

// decoded undoes \' and percent encoding. Python's writers double the percent
// sign. What is not valid stays as it is; + is no space here.
func (p *parser) decoded(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	from := len(p.s.buf)
	for len(b) > 0 {
		c, n := b[0], 1
		switch {
		case c == '\\' && len(b) > 1 && b[1] == '\'':
			c, n = '\'', 2
		case c == '%' && len(b) > 1 && b[1] == '%':
			if v, ok := percent(b[1:]); ok {
				c, n = v, 4
			}
		case c == '%':
			if v, ok := percent(b); ok {
				c, n = v, 3
			}
		}
		p.s.buf = append(p.s.buf, c)
		b = b[n:]
	}
	return p.valid(p.s.buf[from:])
}

// percent reads %XX at the start of b.
func percent(b []byte) (c byte, ok bool) {
	if len(b) < 3 || b[0] != '%' {
		return 0, false
	}
	hi, ok1 := unhexDigit(b[1])
	lo, ok2 := unhexDigit(b[2])
	return hi<<4 | lo, ok1 && ok2
}
