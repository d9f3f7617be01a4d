package route

import (
	"bytes"
	"math"
	"strings"
	"sync"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/format"
	"github.com/pitot-io/pitot/proxy/retry"
)

// Condition is one on a header field or a query parameter.
type Condition struct {
	name   []byte
	absent bool
	fits   func(value []byte) bool
	memory *sync.Pool // of *[]byte, for values of parameters with escapes
}

func NewCondition(c *config.FieldMatch, header bool) (Condition, error) {
	f := Condition{name: []byte(c.Name), absent: c.Absent}
	if header {
		f.name = []byte(strings.ToLower(c.Name))
		if string(f.name) == "host" { // HTTP/2 has no such field
			f.name = []byte(":authority")
		}
	} else {
		f.memory = &sync.Pool{New: func() any { return new([]byte) }}
	}
	switch {
	case c.Regex != "":
		re, err := whole(c.Regex)
		if err != nil {
			return f, err
		}
		f.fits = re.Match
	case c.Range != "":
		from, to, err := config.ParseRange(c.Range)
		if err != nil {
			return f, err
		}
		f.fits = func(v []byte) bool {
			n, ok := number(v)
			return ok && n >= from && n <= to
		}
	case c.Exact != "":
		f.fits = func(v []byte) bool { return string(v) == c.Exact }
	case c.Prefix != "":
		f.fits = func(v []byte) bool { return len(v) >= len(c.Prefix) && string(v[:len(c.Prefix)]) == c.Prefix }
	case c.Suffix != "":
		f.fits = func(v []byte) bool { return len(v) >= len(c.Suffix) && string(v[len(v)-len(c.Suffix):]) == c.Suffix }
	case c.Contains != "":
		part := []byte(c.Contains)
		f.fits = func(v []byte) bool { return bytes.Contains(v, part) }
	default:
		f.fits = func([]byte) bool { return true }
	}
	return f, nil
}

// MatchField compiles a condition on a header field.
func MatchField(c *config.FieldMatch) (retry.Matcher, error) {
	f, err := NewCondition(c, true)
	return &f, err
}

// number reads a whole number, perhaps with a sign.
func number(b []byte) (n int64, ok bool) {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	for _, c := range b {
		if c-'0' >= 10 || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// Header reports whether the request's fields fit: one of that name does, or
// there is none where it must be absent.
func (c *Condition) Header(h *http1.Head) bool {
	if c.name[0] == ':' {
		v := pseudo(h, c.name)
		return c.absent != (len(v) > 0 && c.fits(v))
	}
	for i := range h.Fields {
		f := &h.Fields[i]
		if len(f.Name) == len(c.name) && bytes.EqualFold(f.Name, c.name) && (c.absent || c.fits(f.Value)) {
			return !c.absent
		}
	}
	return c.absent
}

func pseudo(h *http1.Head, name []byte) []byte {
	switch string(name) {
	case ":method":
		return h.Method
	case ":authority":
		return h.Host
	case ":path":
		return h.Path
	case ":scheme":
		return h.Scheme
	}
	return nil
}

// Parameter reports whether the first query parameter of that name fits, with
// escapes undone.
func (c *Condition) Parameter(query []byte) bool {
	v, ok := format.Parameter(query, c.name)
	if !ok || c.absent {
		return ok != c.absent
	}
	if bytes.IndexByte(v, '%') < 0 && bytes.IndexByte(v, '+') < 0 {
		return c.fits(v)
	}
	b := c.memory.Get().(*[]byte)
	defer c.memory.Put(b)
	*b = format.Unescape((*b)[:0], v)
	return c.fits(*b)
}
