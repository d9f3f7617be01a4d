// Package pathtemplate reads templates of paths, as /cart/{id}/items, and says
// which paths they take.
package pathtemplate

import (
	"bytes"
	"fmt"
	"strings"
)

// Template is a pattern of segments. The zero value takes no path.
type Template struct {
	segments []segment
	rest     bool // whatever follows the segments is taken, even nothing
}

// segment is one segment: literal text, or text around one variable.
type segment struct {
	before, after string
	variable      bool
}

// maxSegments bounds a template.
const maxSegments = 64

// Parse reads a template: segments of literal text, of which any may hold one
// variable ({id}, {id=*} or *) that takes one character or more, but no slash.
// The last may be {rest=**} or **, which takes the rest of the path, also none.
func Parse(text string) (Template, error) {
	var t Template
	if text == "" || text[0] != '/' {
		return t, fmt.Errorf("must begin with /")
	}
	parts := strings.Split(text[1:], "/")
	if len(parts) > maxSegments {
		return t, fmt.Errorf("has more than %d segments", maxSegments)
	}
	names := map[string]bool{}
	for i, part := range parts {
		s, all, err := parseSegment(part, names)
		switch {
		case err != nil:
			return t, err
		case all && i < len(parts)-1:
			return t, fmt.Errorf("%q takes the rest of the path and must be the last segment", part)
		case all:
			t.rest = true
			return t, nil
		}
		t.segments = append(t.segments, s)
	}
	return t, nil
}

// parseSegment reads one segment; all says that it takes the rest.
func parseSegment(part string, names map[string]bool) (s segment, all bool, err error) {
	if part == "**" {
		return s, true, nil
	}
	open, end := strings.IndexByte(part, '{'), strings.IndexByte(part, '}')
	if open < 0 && end < 0 {
		return parseStar(part)
	}
	if end < open || open < 0 {
		return s, false, fmt.Errorf("%q has a brace without its other half", part)
	}
	name, pattern, has := strings.Cut(part[open+1:end], "=")
	s = segment{before: part[:open], after: part[end+1:], variable: true}
	switch {
	case strings.ContainsAny(s.before+s.after, "{}*"):
		return s, false, fmt.Errorf("%q has two variables; one a segment is possible", part)
	case !identifier(name):
		return s, false, fmt.Errorf("%q: a variable's name is letters, digits and _, as {id}", part)
	case names[name]:
		return s, false, fmt.Errorf("%q: the variable %s stands here twice", part, name)
	case has && pattern != "*" && pattern != "**":
		return s, false, fmt.Errorf("%q: a variable is as {id}, {id=*} or {rest=**}", part)
	case pattern == "**" && s.before+s.after != "":
		return s, false, fmt.Errorf("%q: what takes the rest of the path stands alone in its segment", part)
	}
	names[name] = true
	return s, pattern == "**", nil
}

func parseStar(part string) (segment, bool, error) {
	before, after, has := strings.Cut(part, "*")
	if strings.ContainsAny(after, "*") {
		return segment{}, false, fmt.Errorf("%q has two variables; one a segment is possible", part)
	}
	return segment{before: before, after: after, variable: has}, false, nil
}

func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c|0x20-'a' >= 26 && c-'0' >= 10 && c != '_' {
			return false
		}
	}
	return s != ""
}

// Match reports whether path is of the template. It allocates nothing.
func (t *Template) Match(path []byte) bool {
	for i := range t.segments {
		if len(path) == 0 || path[0] != '/' {
			return false
		}
		path = path[1:]
		end := bytes.IndexByte(path, '/')
		if end < 0 {
			end = len(path)
		}
		if !t.segments[i].match(path[:end]) {
			return false
		}
		path = path[end:]
	}
	if t.rest {
		return len(path) > 0 && path[0] == '/'
	}
	return len(path) == 0 && len(t.segments) > 0
}

func (s *segment) match(b []byte) bool {
	if !s.variable {
		return string(b) == s.before
	}
	n := len(s.before) + len(s.after)
	return len(b) > n && string(b[:len(s.before)]) == s.before && string(b[len(b)-len(s.after):]) == s.after
}
