package format

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// inPlace puts what escape makes of b[at:] in its place. escape gives nil when
// nothing is to be escaped.
func inPlace(b []byte, at int, escape func(b, s []byte) []byte) []byte {
	end := len(b)
	clean := true
	for _, c := range b[at:] {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			clean = false
			break
		}
	}
	if clean {
		return b
	}
	b = escape(b, b[at:end])
	n := copy(b[at:], b[end:])
	return b[:at+n]
}

// escapeText adds s with quotes, backslashes and control characters as \x22.
func escapeText(b, s []byte) []byte {
	for _, c := range s {
		if c < ' ' || c == 0x7f || c == '"' || c == '\\' {
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

// escapeJSON adds s as the inside of a JSON string. Bytes that are no UTF-8
// become U+FFFD.
func escapeJSON(b, s []byte) []byte {
	for len(s) > 0 {
		c := s[0]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRune(s)
			b = utf8.AppendRune(b, r)
			s = s[n:]
			continue
		}
		s = s[1:]
	}
	return b
}

// AppendString adds s as a string of JSON.
func AppendString(b []byte, s string) []byte {
	return append(escapeJSON(append(b, '"'), []byte(s)), '"')
}
