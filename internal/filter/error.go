package filter

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pitot-io/pitot/internal/spelling"
)

// Error is a mistake in an expression and where it is.
type Error struct {
	Input string // the whole expression
	Pos   int    // offset of the mistake in bytes
	Msg   string // what is wrong and what would be right
}

// Error names the place by column, counted in characters from 1.
func (e *Error) Error() string {
	return fmt.Sprintf("at column %d: %s", e.column()+1, e.Msg)
}

func (e *Error) column() int { return utf8.RuneCountInString(e.Input[:min(e.Pos, len(e.Input))]) }

func unknownField(name string) string {
	if near := nearest(name, fieldNames()); near != "" {
		return fmt.Sprintf("unknown field %q; did you mean %q? (quote it to look for it as text)", name, near)
	}
	return fmt.Sprintf("unknown field %q; fields are %s (quote it to look for it as text)", name, strings.Join(fieldNames(), ", "))
}

// nearest is the name that takes the fewest edits, or "" when all are far.
func nearest(s string, names []string) string {
	s = strings.ToLower(s)
	best, least := "", max(2, len(s)/2)+1
	for _, n := range names {
		d := spelling.Distance(s, n)
		if strings.HasPrefix(n, s) || strings.Contains(n, "_"+s) {
			d = min(d, 1)
		}
		if d < least {
			best, least = n, d
		}
	}
	return best
}

// pointAround is how much of an expression Point shows on each side of the
// mistake, in characters.
const pointAround = 36

// Point shows the expression, or the part of it around the mistake, and below
// it a caret at the place.
func (e *Error) Point() string {
	in, at := []rune(e.Input), e.column()
	from, to := max(0, at-pointAround), min(len(in), at+pointAround)
	before, after := "", ""
	if from > 0 {
		before = "..."
	}
	if to < len(in) {
		after = "..."
	}
	shown := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' ' // a tab would move the caret
		}
		return r
	}, string(in[from:to]))
	return before + shown + after + "\n" + strings.Repeat(" ", len(before)+at-from) + "^"
}
