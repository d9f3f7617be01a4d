package callsite

import "bytes"

// place is a line of code that a text names.
type place struct {
	function, file []byte
	line, column   int
}

// parsePlace reads a text that is as a whole one of
//
//	FUNC (FILE.EXT:LINE[:COL])
//	FUNC@FILE.EXT:LINE[:COL]
//	FILE.EXT:LINE[:COL]
//	FILE.EXT(LINE)
//	pkg.Func, a/b.(*T).M, Class#method, A::B.c
func parsePlace(b []byte) (place, bool) {
	if len(b) > maxField {
		return place{}, false
	}
	if p, ok := functionAndFile(b); ok {
		return p, true
	}
	if p, ok := frame(b); ok {
		return p, true
	}
	if isPath(b) && !looksLikeData(b) {
		return place{function: b}, true
	}
	return place{}, false
}

func functionAndFile(b []byte) (place, bool) {
	name, file := b, []byte(nil)
	if i := bytes.IndexByte(b, ' '); i > 0 && i+2 < len(b) && b[i+1] == '(' && b[len(b)-1] == ')' {
		name, file = b[:i], b[i+2:len(b)-1]
	} else if i := bytes.IndexByte(b, '@'); i > 0 {
		name, file = b[:i], b[i+1:]
	}
	if file == nil || !isName(name) {
		return place{}, false
	}
	p, ok := fileColon(file)
	p.function = name
	return p, ok
}

// isName reports whether b may be a function's name, with or without what it
// belongs to.
func isName(b []byte) bool {
	for _, c := range b {
		if !isPathByte(c) && c != '[' && c != ']' {
			return false
		}
	}
	return len(b) > 0 && !isDigit(b[0])
}

// frame reads FILE.EXT:LINE[:COL] or FILE.EXT(LINE).
func frame(b []byte) (place, bool) {
	if p, ok := fileColon(b); ok {
		return p, true
	}
	open := bytes.LastIndexByte(b, '(')
	if open <= 0 || b[len(b)-1] != ')' || !isFile(b[:open]) {
		return place{}, false
	}
	n, ok := lineNumber(b[open+1 : len(b)-1])
	return place{file: b[:open], line: n}, ok
}

func fileColon(b []byte) (place, bool) {
	rest, last, ok := colonNumber(b)
	if !ok {
		return place{}, false
	}
	if isFile(rest) {
		return place{file: rest, line: last}, true
	}
	rest, line, ok := colonNumber(rest)
	if !ok || !isFile(rest) {
		return place{}, false
	}
	return place{file: rest, line: line, column: last}, true
}

// colonNumber takes :NUMBER from the end of b.
func colonNumber(b []byte) (rest []byte, n int, ok bool) {
	i := bytes.LastIndexByte(b, ':')
	if i <= 0 {
		return nil, 0, false
	}
	n, ok = lineNumber(b[i+1:])
	return b[:i], n, ok
}

// isFile reports whether b is a file's name or path with an extension. A drive
// letter may stand before it.
func isFile(b []byte) bool {
	if len(b) > 2 && isLetter(b[0]) && b[1] == ':' {
		b = b[2:]
	}
	for _, c := range b {
		switch c {
		case ':', '(', ')', '@', ',', '\'', '"', '|', '*', '?', '=', ';', 0x7f:
			return false
		}
		if c <= ' ' {
			return false
		}
	}
	dot := bytes.LastIndexByte(b, '.')
	if dot <= 0 || b[dot-1] == '/' || b[dot-1] == '\\' {
		return false
	}
	ext := b[dot+1:]
	for _, c := range ext {
		if !isLetter(c) && !isDigit(c) {
			return false
		}
	}
	return len(ext) > 0 && len(ext) <= 10 && isLetter(ext[0])
}

func isPathByte(c byte) bool {
	switch c {
	case '_', '$', '.', '/', '-', '#', ':', '>', '(', ')', '*', '<', '~':
		return true
	}
	return isLetter(c) || isDigit(c) || c >= 0x80
}

// isPath reports whether b is an identifier with what it belongs to: names
// joined by at least one of . # :: and ->.
func isPath(b []byte) bool {
	last := len(b) - 1
	if last < 2 || b[last] == '(' || !isPathStart(b[0]) || !isPathEnd(b[last]) {
		return false
	}
	joined, open := false, 0
	for i, c := range b {
		switch {
		case !isPathByte(c) && (c != '?' && c != '!' || i != last):
			return false
		case c == '(' && i > 0 && b[i-1] != '.' && b[i-1] != '/' && b[i+1] != ')':
			return false // not a receiver
		case c == '(' || c == '<':
			open++
		case c == ')', c == '>' && b[max(0, i-1)] != '-':
			if open--; open < 0 {
				return false
			}
		case c == '>':
			joined = true
		case c == '.' || c == '#':
			if i == last || b[i+1] == '.' || b[i+1] == '#' || b[i+1] == '/' {
				return false
			}
			joined = true
		case c == ':':
			if b[i-1] != ':' && (i == last || b[i+1] != ':') || i > 1 && b[i-1] == ':' && b[i-2] == ':' {
				return false
			}
			joined = true
		}
	}
	return joined && open == 0
}

func isPathStart(c byte) bool { return isLetter(c) || c == '_' || c == '$' || c == '(' || c >= 0x80 }

func isPathEnd(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '_' || c == '$' || c == ')' || c == '>' || c == '?' || c == '!' || c >= 0x80
}

// mayBePlace reports whether free text may stand for a place: it is short, one
// line, and holds no id.
func mayBePlace(b []byte) bool {
	if len(b) == 0 || len(b) > maxShort || b[0] == '{' || b[0] == '[' {
		return false
	}
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return !looksLikeData(b)
}

// looksLikeData reports whether b holds an id: a UUID, a run of at least 8 hex
// digits with a decimal one among them, or of at least 5 decimal digits.
func looksLikeData(b []byte) bool {
	digits, hex, decimal := 0, 0, false
	for i, c := range b {
		if _, ok := unhexDigit(c); !ok {
			digits, hex, decimal = 0, 0, false
			continue
		}
		if hex == 0 && isUUID(b[i:]) {
			return true
		}
		hex++
		if isDigit(c) {
			digits, decimal = digits+1, true
		} else {
			digits = 0
		}
		if digits >= 5 || (hex >= 8 && decimal) {
			return true
		}
	}
	return false
}

// isUUID reports whether b begins with groups of 8, 4, 4, 4 and 12 hex digits.
func isUUID(b []byte) bool {
	if len(b) < 36 {
		return false
	}
	for i, c := range b[:36] {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if _, ok := unhexDigit(c); !ok {
			return false
		}
	}
	return true
}
