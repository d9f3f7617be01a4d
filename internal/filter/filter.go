// Package filter selects exchanges by one expression, the same for pitot tap,
// replay, top, the admin's /tap and the terminal's / key:
//
//	protocol:mongodb duration>100ms call_site~Cart status:error -path~^/health
//
// Terms are joined by space (or "and") and must all hold; "or" between them
// begins an alternative, and parentheses group. A term is a field, an operator
// and a value, or a bare word that is looked for in the name, call site,
// service and path. A "-" before a term or group (or "!", or "not ") turns it
// round. Operators:
//
//	:  =            equal, letter case aside; "a,b" is a or b; :"" is empty or absent
//	!=              not equal
//	>  >=  <  <=    for numbers, durations (100ms, 1.5s) and sizes (10k, 4KiB)
//	~  !~           a regular expression (RE2) that fits anywhere; a comma is a comma
//
// A value with spaces or quotes stands in double quotes, with \" and \\ inside.
// A term about something that an exchange does not have never holds, so its
// negation always does. An exchange is looked at when its answer is known.
package filter

import (
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

// MaxLength is the longest expression taken, in bytes: it may come from a URL.
const MaxLength = 4096

// Filter is a parsed expression. It may be used by many goroutines at once.
type Filter struct{ any [][]term } // one of them must hold, each as a whole

// term holds when one of its tests does, or its group; negated, when none does.
type term struct {
	negated bool
	group   *Filter // in parentheses; else nil
	tests   []test
	text    string // canonical, without the sign
}

// test looks at one exchange. It allocates nothing.
type test func(*event.Exchange) bool

// Match reports whether x fits. A nil filter fits everything.
func (f *Filter) Match(x *event.Exchange) bool {
	if f == nil || len(f.any) == 0 {
		return true
	}
	for _, terms := range f.any {
		if all(terms, x) {
			return true
		}
	}
	return false
}

func all(terms []term, x *event.Exchange) bool {
	for i := range terms {
		if t := &terms[i]; t.holds(x) == t.negated {
			return false
		}
	}
	return true
}

func (t *term) holds(x *event.Exchange) bool {
	if t.group != nil {
		return t.group.Match(x)
	}
	for _, holds := range t.tests {
		if holds(x) {
			return true
		}
	}
	return false
}

// String is the expression in canonical form: Parse gives an equal filter back.
func (f *Filter) String() string {
	if f == nil {
		return ""
	}
	var b strings.Builder
	for i, terms := range f.any {
		if i > 0 {
			b.WriteString(" or ")
		}
		for k, t := range terms {
			if k > 0 {
				b.WriteByte(' ')
			}
			if t.negated {
				b.WriteByte('-')
			}
			if t.group != nil {
				b.WriteString("(" + t.group.String() + ")")
			} else {
				b.WriteString(t.text)
			}
		}
	}
	return b.String()
}
