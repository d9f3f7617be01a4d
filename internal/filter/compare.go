package filter

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// kind says which operators and values a field takes.
type kind uint8

const (
	kindText     kind = iota
	kindExact         // something that only equals or does not
	kindStatus        // a name or a number
	kindNumber        // a whole number
	kindDuration      // nanoseconds, written as 100ms
	kindSize          // bytes, written as 10k
)

// operators lists them as an error shows them; != and !~ are negations.
func (k kind) operators() string {
	switch k {
	case kindExact:
		return ": = !="
	case kindText:
		return ": = != ~ !~"
	case kindStatus:
		return ": = != > >= < <= ~ !~"
	}
	return ": = != > >= < <="
}

// test makes the test for one value. The second result is what is wrong with
// the value, "" when nothing is.
func (f *field) test(op, value string) (test, string) {
	switch {
	case op == "~":
		return f.matching(value)
	case op == "=" && f.equal != nil:
		return f.equal(value)
	case op == "=" && f.kind == kindText:
		return equalText(f.texts, value), ""
	}
	n, msg := f.kind.parse(value)
	if msg != "" {
		return nil, msg
	}
	return numeric(f.number, op, n), ""
}

func equalText(get func(*event.Exchange) texts, value string) test {
	return func(x *event.Exchange) bool {
		t := get(x)
		for _, s := range t.s[:t.n] {
			if strings.EqualFold(s, value) {
				return true
			}
		}
		return false
	}
}

func numeric(get func(*event.Exchange) (int64, bool), op string, n int64) test {
	least, most := 0, 0 // which results of the comparison hold
	switch op {
	case ">":
		least, most = 1, 1
	case ">=":
		most = 1
	case "<":
		least, most = -1, -1
	case "<=":
		least = -1
	}
	return func(x *event.Exchange) bool {
		v, ok := get(x)
		c := cmp.Compare(v, n)
		return ok && least <= c && c <= most
	}
}

func (k kind) parse(value string) (int64, string) {
	switch k {
	case kindDuration:
		d, err := time.ParseDuration(value)
		if err != nil {
			return 0, fmt.Sprintf("%q is no duration; write it like 100ms, 1.5s or 2m", value)
		}
		return int64(d), ""
	case kindSize:
		return parseSize(value)
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Sprintf("%q is no whole number", value)
	}
	return n, ""
}

// parseSize reads bytes with an optional unit: k, M and G are decimal, Ki, Mi
// and Gi binary, with or without a B, in any letter case.
func parseSize(value string) (int64, string) {
	digits := strings.TrimRight(value, "bBkKmMgGiI")
	n, err := strconv.ParseFloat(digits, 64)
	unit, known := map[string]float64{
		"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30,
	}[strings.TrimSuffix(strings.ToLower(value[len(digits):]), "b")]
	if err != nil || !known || !(n >= 0 && n*unit <= 1<<62) {
		return 0, fmt.Sprintf("%q is no size; write it like 512, 10k, 4KiB or 1.5MB", value)
	}
	return int64(n * unit), ""
}

func (f *field) matching(value string) (test, string) {
	re, err := regexp.Compile(value)
	if err != nil {
		return nil, fmt.Sprintf("%q is no regular expression: %s", value, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if f.fits != nil {
		return f.fits(re), ""
	}
	get := f.texts
	return func(x *event.Exchange) bool {
		t := get(x)
		for _, s := range t.s[:t.n] {
			if re.MatchString(s) {
				return true
			}
		}
		return false
	}, ""
}

// containing is the test of a bare word.
func containing(word string) test {
	return func(x *event.Exchange) bool {
		return containsFold(x.Name, word) || containsFold(mongoOf(x).Site.Name, word) ||
			containsFold(x.Service, word) || containsFold(httpOf(x).Path, word)
	}
}

// containsFold is strings.Contains, letter case aside, without a copy.
func containsFold(s, word string) bool {
	for i := 0; i+len(word) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
