package http2

import "github.com/pitot-io/pitot/decode"

// unknown stands for text that HPACK cannot tell, since it was sent before the
// connection was joined, or in a gap.
const unknown = "?"

// field is one field of a section. An entry of the table that nobody knows has
// unknown for its name; then its value may be known or not.
type field struct{ name, value string }

// fields are a whole section. Their text lives in text, or is static, until the
// next section is read.
type fields struct {
	list    []field
	text    []byte
	size    int  // as SETTINGS_MAX_HEADER_LIST_SIZE counts it (RFC 9113, 10.5.1)
	unknown int  // fields whose name or value cannot be told
	cut     bool // there were more: over a limit, in a gap, or unreadable
}

func (f *fields) reset() {
	*f = fields{list: f.list[:0], text: f.text[:0]}
}

// Field implements decode.Fields.
func (f *fields) Field(name string) (string, bool) {
	for i := range f.list {
		if x := &f.list[i]; x.name == name {
			return x.value, true
		}
	}
	return "", false
}

// unsure reports whether a field that is not there may have been sent.
func (f *fields) unsure() bool { return f.unknown > 0 || f.cut }

// keep copies b into the section's text.
func (f *fields) keep(b []byte) string {
	at := len(f.text)
	f.text = append(f.text, b...)
	return decode.View(f.text[at:len(f.text):len(f.text)])
}

// add takes x into the section while limits allow.
func (f *fields) add(x field, l decode.Limits) {
	f.size += len(x.name) + len(x.value) + entryOverhead
	if f.size > l.HeaderList || len(f.list) >= l.Headers {
		f.cut = true
		return
	}
	if x.name == unknown {
		f.unknown++
	}
	f.list = append(f.list, x)
}
