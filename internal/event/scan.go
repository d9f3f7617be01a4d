package event

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep values that are skipped may nest.
const maxDepth = 32

// scanner walks one JSON value (RFC 8259) that lies in memory. After the first
// error it stands still and everything it is asked for is zero.
type scanner struct {
	in    string
	at    int
	depth int
	err   error
}

func (s *scanner) fail(format string, a ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("at byte %d: %w", s.at, fmt.Errorf(format, a...))
		s.at = len(s.in)
	}
}

// peek is the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.in) {
		switch c := s.in[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.err != nil || s.at == len(s.in) {
		return false
	}
	s.at++
	return true
}

func (s *scanner) expect(c byte) {
	if !s.take(c) {
		s.fail("%q is missing", c)
	}
}

// list walks what stands between open and close, calling each at every item.
func (s *scanner) list(open, close byte, each func()) {
	s.expect(open)
	if s.depth++; s.depth > maxDepth {
		s.fail("nested deeper than %d", maxDepth)
	}
	for first := true; s.err == nil && !s.take(close); first = false {
		if !first {
			s.expect(',')
		}
		if s.err == nil {
			each()
		}
	}
	s.depth--
}

// object calls each with every key; each has to take the value.
func (s *scanner) object(each func(key string)) {
	s.list('{', '}', func() {
		key := s.text()
		if s.expect(':'); s.err == nil {
			each(key)
		}
	})
}

// skip takes any value.
func (s *scanner) skip() {
	switch c := s.peek(); c {
	case '{':
		s.object(func(string) { s.skip() })
	case '[':
		s.list('[', ']', s.skip)
	case '"':
		s.text()
	default:
		if !s.word("true") && !s.word("false") && !s.word("null") {
			s.number()
		}
	}
}

func (s *scanner) word(w string) bool {
	if !strings.HasPrefix(s.in[s.at:], w) {
		return false
	}
	s.at += len(w)
	return true
}

// number takes a number and gives its text.
func (s *scanner) number() string {
	s.peek()
	start := s.at
	for s.at < len(s.in) && strings.IndexByte("+-.0123456789eE", s.in[s.at]) >= 0 {
		s.at++
	}
	n := s.in[start:s.at]
	if !isNumber(n) {
		s.at = start
		s.fail("a value is missing")
		return ""
	}
	return n
}

// isNumber holds RFC 8259's grammar where ParseFloat takes more.
func isNumber(n string) bool {
	d := strings.TrimPrefix(n, "-")
	if d == "" || d[0] < '0' || d[0] > '9' || len(d) > 1 && d[0] == '0' && d[1] >= '0' && d[1] <= '9' {
		return false
	}
	if i := strings.IndexByte(d, '.'); i >= 0 && (i+1 == len(d) || d[i+1] < '0' || d[i+1] > '9') {
		return false
	}
	_, err := strconv.ParseFloat(n, 64)
	return err == nil || errors.Is(err, strconv.ErrRange)
}

// text takes a string. Without escapes it is a part of the input.
func (s *scanner) text() string {
	if s.expect('"'); s.err != nil {
		return ""
	}
	start := s.at
	for s.at < len(s.in) {
		switch c := s.in[s.at]; {
		case c == '"':
			s.at++
			return s.in[start : s.at-1]
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			s.fail("a control character in a string")
			return ""
		}
		s.at++
	}
	s.fail("the string is not closed")
	return ""
}

// escaped goes on with a string that began at start and has come to its first
// escape.
func (s *scanner) escaped(start int) string {
	b := append(make([]byte, 0, s.at-start+32), s.in[start:s.at]...)
	for s.at < len(s.in) {
		c := s.in[s.at]
		s.at++
		switch {
		case c == '"':
			return string(b)
		case c == '\\':
			b = s.escape(b)
		case c < ' ':
			s.fail("a control character in a string")
		default:
			b = append(b, c)
		}
	}
	s.fail("the string is not closed")
	return ""
}

func (s *scanner) escape(b []byte) []byte {
	if s.at == len(s.in) {
		return b
	}
	c := s.in[s.at]
	s.at++
	if c == 'u' {
		return utf8.AppendRune(b, s.rune())
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if i < 0 {
		s.fail("\\%c is no escape", c)
		return b
	}
	return append(b, "\"\\/\b\f\n\r\t"[i])
}

// rune takes the hex digits after \u, and a second escape where two make one
// character.
func (s *scanner) rune() rune {
	r := s.hex4()
	if !utf16.IsSurrogate(r) || !strings.HasPrefix(s.in[s.at:], `\u`) {
		return r
	}
	back := s.at
	s.at += 2
	if two := utf16.DecodeRune(r, s.hex4()); two != utf8.RuneError || s.err != nil {
		return two
	}
	s.at = back
	return utf8.RuneError
}

func (s *scanner) hex4() rune {
	if len(s.in)-s.at < 4 {
		s.fail("\\u needs four hex digits")
		return 0
	}
	var r rune
	for _, c := range []byte(s.in[s.at : s.at+4]) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || c < '0' {
			s.fail("\\u needs four hex digits")
			return 0
		}
		r = r<<4 | rune(d)
	}
	s.at += 4
	return r
}
