package route

import (
	"bytes"
	"strings"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/operator"
	"github.com/pitot-io/pitot/proxy/format"
)

// Edits change fields: those of a route, then those of its listener. The zero
// value changes nothing.
type Edits struct {
	steps []step
	late  bool
}

// step is one entry of the configuration.
type step struct {
	name  []byte // in lower case
	id    http1.FieldID
	do    deed
	value *format.Format
}

type deed uint8

const (
	remove deed = iota
	set
	add
)

// late is a field whose value changes with the upstream host.
type late struct {
	field int
	value *format.Format
}

func newEdits(lists ...config.HeaderEdits) (e Edits, err error) {
	for _, c := range lists {
		for _, name := range c.Remove {
			e.steps = append(e.steps, newStep(name, remove, nil))
		}
		for _, list := range []struct {
			do    deed
			pairs config.Pairs
		}{{set, c.Set}, {add, c.Add}} {
			for _, p := range list.pairs {
				f, err := format.Parse(p.Value, operator.Fields(), format.Header)
				if err != nil {
					return e, err
				}
				e.late = e.late || f.Late()
				e.steps = append(e.steps, newStep(p.Name, list.do, &f))
			}
		}
	}
	return e, nil
}

func newStep(name string, do deed, f *format.Format) step {
	n := []byte(strings.ToLower(name))
	return step{n, http1.IDOf(n), do, f}
}

// None reports whether there is nothing to change.
func (e *Edits) None() bool { return len(e.steps) == 0 }

// Apply changes fields, and gives them back: it may add to them. A value that
// comes out empty changes nothing. The text of values is s's.
func (e *Edits) Apply(fields []http1.Field, in *format.Entry, s *Scratch) []http1.Field {
	removed := false
	for i := range e.steps {
		p := &e.steps[i]
		if p.do == remove {
			removed = drop(fields, p.name) || removed
			continue
		}
		at := len(s.text)
		s.text = p.value.AppendHeader(s.text, in)
		value := s.since(at)
		if len(value) == 0 && !p.value.Late() {
			continue
		}
		var n int
		if p.do == set {
			var again bool
			n, again = p.first(fields)
			removed = removed || again
		} else {
			n = len(fields)
		}
		if n == len(fields) {
			fields = append(fields, http1.Field{Name: p.name, ID: p.id})
		}
		fields[n].Value, fields[n].Hop = value, false
		if p.value.Late() {
			s.late = append(s.late, late{n, p.value})
		}
	}
	if removed {
		return s.compact(fields)
	}
	return fields
}

// Late reports whether At has anything to do.
func (s *Scratch) Late() bool { return len(s.late) > 0 }

// At gives the fields that say something of the upstream host their values for
// the one that in tells of. fields are what Apply gave.
func (s *Scratch) At(fields []http1.Field, in *format.Entry) {
	for _, l := range s.late {
		at := len(s.text)
		s.text = l.value.AppendHeader(s.text, in)
		fields[l.field].Value = s.since(at)
	}
}

// first is the number of the first field of the step's name, all others of
// which are dropped; the number of fields when there is none.
func (p *step) first(fields []http1.Field) (n int, dropped bool) {
	for i := range fields {
		if same(&fields[i], p.name) {
			return i, drop(fields[i+1:], p.name)
		}
	}
	return len(fields), false
}

func same(f *http1.Field, name []byte) bool {
	return len(f.Name) == len(name) && bytes.EqualFold(f.Name, name)
}

// drop marks the fields of that name by taking their names away.
func drop(fields []http1.Field, name []byte) (any bool) {
	for i := range fields {
		if f := &fields[i]; !f.Hop && same(f, name) {
			f.Name, any = nil, true
		}
	}
	return any
}

// compact takes the dropped fields out.
func (s *Scratch) compact(fields []http1.Field) []http1.Field {
	n := 0
	for i := range fields {
		if len(fields[i].Name) == 0 {
			continue
		}
		fields[n] = fields[i]
		for j := range s.late {
			if s.late[j].field == i {
				s.late[j].field = n
			}
		}
		n++
	}
	return fields[:n]
}
