package semantics

const (
	templateSegments = 12  // the rest is "*"
	templateBytes    = 160 // where a template is cut, at a segment
	longSegment      = 40  // bytes from which a segment is taken for variable
)

// AppendTemplate adds path to b with the segments that look variable replaced:
// "/cart/7" becomes "/cart/{id}". It is a guess, made to keep names few.
func AppendTemplate(b []byte, path string) []byte {
	if path == "" || path[0] != '/' {
		return append(b, "{other}"...)
	}
	start := len(b)
	for n := 0; path != ""; n++ {
		end := 1
		for end < len(path) && path[end] != '/' {
			end++
		}
		seg := path[1:end]
		if n == templateSegments || len(b)-start+len(seg) > templateBytes {
			return append(b, "/*"...)
		}
		b = appendSegment(append(b, '/'), seg)
		path = path[end:]
	}
	return b
}

func appendSegment(b []byte, seg string) []byte {
	if plain(seg) {
		return append(b, seg...)
	}
	if email(seg) {
		return append(b, "{email}"...)
	}
	stem, ext := extension(seg)
	if name := variable(stem); name != "" {
		return append(append(b, name...), ext...)
	}
	if name := variable(seg); name != "" {
		return append(b, name...)
	}
	return append(b, seg...)
}

// plain reports what most segments are, a name without a digit.
func plain(seg string) bool {
	for i := 0; i < len(seg); i++ {
		if c := seg[i]; lower(c)-'a' >= 26 && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return len(seg) <= longSegment
}

// extension cuts a short alphabetic ending off: "7.json".
func extension(seg string) (stem, ext string) {
	for i := len(seg) - 1; i > 0 && len(seg)-i <= 6; i-- {
		switch c := seg[i]; {
		case c == '.':
			return seg[:i], seg[i:]
		case lower(c)-'a' >= 26:
			return seg, ""
		}
	}
	return seg, ""
}

// traits of a segment's characters.
type traits struct {
	digits, uppers, lowers, hexes, marks, others int
}

func look(s string) (t traits) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case digit(c):
			t.digits++
			t.hexes++
		case c-'a' < 26:
			t.lowers++
			if c <= 'f' {
				t.hexes++
			}
		case c-'A' < 26:
			t.uppers++
			if c <= 'F' {
				t.hexes++
			}
		case c == '-' || c == '_' || c == '.' || c == ',' || c == ':' || c == '+' || c == '~':
			t.marks++
		default:
			t.others++
		}
	}
	return t
}

// variable is the placeholder for a segment that looks like a value, empty for
// one that looks like a name.
func variable(s string) string {
	if s == "" {
		return ""
	}
	t := look(s)
	letters := t.lowers + t.uppers
	switch {
	case date(s):
		return "{date}"
	case len(s) > longSegment, encoded(s),
		t.digits > 0 && letters == 0 && t.others == 0,                                // numbers, lists and ranges of them
		t.digits > 0 && t.hexes >= 8 && t.hexes+t.marks == len(s),                    // hexadecimal, UUID
		t.digits >= 4 && !yearly(s, t),                                               // order-12345
		t.digits > 0 && len(s) >= 20,                                                 // long tokens
		t.digits > 0 && t.uppers > 1 && t.lowers > 1 && t.marks == 0 && len(s) >= 10: // base64-like
		return "{id}"
	}
	return ""
}

// yearly lets names such as "report-2024" and API versions such as
// "2015-03-31-api" stay: their only digits are a year's.
func yearly(s string, t traits) bool {
	if t.digits != 4 || t.lowers+t.uppers < 3 {
		return false
	}
	for i := 0; i+4 <= len(s); i++ {
		if (s[i:i+2] == "19" || s[i:i+2] == "20") && digit(s[i+2]) && digit(s[i+3]) {
			return true
		}
	}
	return false
}

// date is 2026-01-02, with or without more after it.
func date(s string) bool {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return false
	}
	for _, i := range [...]int{0, 1, 2, 3, 5, 6, 8, 9} {
		if !digit(s[i]) {
			return false
		}
	}
	return len(s) == 10 || s[10] == 'T' || s[10] == 't'
}

func email(s string) bool {
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '@' || s[i] == '%' && i+2 < len(s) && s[i+1] == '4' && s[i+2] == '0' {
			return true
		}
	}
	return false
}

// encoded reports bytes that a name would not have: percent escapes, bytes that
// are not ASCII, control characters.
func encoded(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '%' || c >= 0x7f || c <= ' ' {
			return true
		}
	}
	return false
}
