package wire

// What stands in names and values (RFC 9113, 8.2.1; RFC 9110, 5.1 and 5.5).
const (
	inName uint8 = 1 << iota
	notInValue
)

var chars = charTable()

func charTable() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			t[c] = inName
		case c == 0, c == '\r', c == '\n':
			t[c] = notInValue
		}
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] |= inName
	}
	return t
}

// malformedName reports a name that is no token in lower case, but for the
// colon that a pseudo-field begins with.
func malformedName(s string) bool {
	if s != "" && s[0] == ':' {
		s = s[1:]
	}
	for i := range len(s) {
		if chars[s[i]]&inName == 0 {
			return true
		}
	}
	return s == ""
}

// malformedValue reports a value with a line's end or a NUL in it, or with a
// blank at either end.
func malformedValue(s string) bool {
	i := 0
	for ; i+8 <= len(s) && !controls(s[i:i+8]); i += 8 {
	}
	for ; i < len(s); i++ {
		if chars[s[i]]&notInValue != 0 {
			return true
		}
	}
	return s != "" && (blank(s[0]) || blank(s[len(s)-1]))
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// controls reports whether one of eight bytes is less than a blank.
func controls(s string) bool {
	_ = s[7]
	w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	return (w-0x2020202020202020)&^w&0x8080808080808080 != 0
}
