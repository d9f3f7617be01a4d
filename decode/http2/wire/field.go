package wire

import (
	"slices"
	"unsafe"
)

// Unknown stands for text that HPACK cannot tell, since it was sent before the
// connection was joined, or in a gap.
const Unknown = "?"

// entryOverhead is of an entry's or a field's size (RFC 7541, 4.1; RFC 9113,
// 10.5.1).
const entryOverhead = 32

// Field is one field. An entry of the table that a Late decoder does not know
// has Unknown for its name; then its value may be known or not.
type Field struct {
	Name, Value string
	Role        Role
	Sensitive   bool // never to be put into a table (RFC 7541, 6.2.3)
	Malformed   bool // name or value breaks RFC 9113, 8.2.1; Strict decoders only
}

// Section is the fields that one block holds. It is made to be used again and
// again. Its text is lent: it is good until the next call of the Decoder that
// filled it, or of the Section.
type Section struct {
	Fields  []Field
	Size    int  // bytes, as SETTINGS_MAX_HEADER_LIST_SIZE counts them (RFC 9113, 10.5.1)
	Unknown int  // fields whose name or value cannot be told
	Cut     bool // there were more fields: over a limit, in a gap, or unreadable

	text []byte        // of literals
	at   [Roles]uint16 // the first field of each role in Fields, counted from 1
}

// mostFields is what a Section holds at most.
const mostFields = 1<<16 - 1

// Reset empties the section.
func (s *Section) Reset() {
	s.Fields, s.text = s.Fields[:0], s.text[:0]
	s.Size, s.Unknown, s.Cut = 0, 0, false
	s.at = [Roles]uint16{}
}

// Of is the value of the first field of a role other than RoleOther.
func (s *Section) Of(r Role) (value string, ok bool) {
	if i := s.at[r]; i > 0 {
		return s.Fields[i-1].Value, true
	}
	return "", false
}

// Field is the value of the first field of a name in lower case.
func (s *Section) Field(name string) (value string, ok bool) {
	if r := RoleOf(name); r != RoleOther {
		return s.Of(r)
	}
	for i := range s.Fields {
		if x := &s.Fields[i]; x.Role == RoleOther && x.Name == name {
			return x.Value, true
		}
	}
	return "", false
}

// Unsure reports whether a field that is not there may have been sent.
func (s *Section) Unsure() bool { return s.Unknown > 0 || s.Cut }

// Keep makes s a copy of from, with text of its own: that is good until s is
// used again. What is over limit bytes of text is left out, and s.Cut.
func (s *Section) Keep(from *Section, limit int) {
	s.Reset()
	s.Unknown, s.Cut = from.Unknown, from.Cut
	for i := range from.Fields {
		x := from.Fields[i]
		if len(s.text)+len(x.Name)+len(x.Value) > limit {
			s.Cut = true
			return
		}
		x.Name, x.Value = s.keep(x.Name), s.keep(x.Value)
		s.put(&x)
	}
}

func (s *Section) keep(text string) string {
	at := len(s.text)
	s.text = append(s.text, text...)
	return view(s.text[at:len(s.text):len(s.text)])
}

func (s *Section) put(x *Field) {
	s.Size += x.size()
	n := len(s.Fields)
	if n == cap(s.Fields) {
		s.Fields = slices.Grow(s.Fields, minRing)
	}
	s.Fields = s.Fields[:n+1]
	f := &s.Fields[n] // member by member: append would copy x twice, and wait for that
	f.Name, f.Value = x.Name, x.Value
	f.Role, f.Sensitive, f.Malformed = x.Role, x.Sensitive, x.Malformed
	if at := &s.at[x.Role]; *at == 0 {
		*at = uint16(n + 1)
	}
}

func (x *Field) size() int { return len(x.Name) + len(x.Value) + entryOverhead }

// view is b as a string, without a copy: good as long as nobody writes to b.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
