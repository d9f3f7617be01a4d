package pcapfile

import (
	"iter"
	"strings"
)

// Comment is a text that somebody left in a pcapng file (opt_comment of
// draft-ietf-opsawg-pcapng, section 3.5).
type Comment struct {
	On   string // what it is about, one of the On...
	Text string // UTF-8
}

// What comments are about.
const (
	OnSection    = "section"
	OnInterface  = "interface"
	OnPacket     = "packet"
	OnStatistics = "statistics"
)

// maxOptions is how many bytes the options of a block that is looked into may
// take.
const maxOptions = 64 << 10

// maxText is how many bytes of an interface's name, description or filter are
// kept.
const maxText = 1 << 10

// options are those of a block, whose list b is. A list that is cut ends
// earlier: nothing else hangs on it.
func (f *ngFormat) options(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			code, n := f.u16(b), int(f.u16(b[2:]))
			padded := 4 + (n+3)&^3
			if code == optionEnd || padded > len(b) || !yield(code, b[4:4+n]) {
				return
			}
			b = b[padded:]
		}
	}
}

// option takes over what an interface says of itself.
func (i *Interface) option(code uint16, v []byte) {
	v = v[:min(len(v), maxText)]
	switch {
	case code == optionComment && i.Comment == "":
		i.Comment = strings.ToValidUTF8(string(v), "")
	case code == optionName:
		i.Name = strings.ToValidUTF8(string(v), "")
	case code == optionDescription:
		i.Text = strings.ToValidUTF8(string(v), "")
	case code == optionFilter && len(v) > 1 && v[0] == 0: // as text; else it is code
		i.Filter = strings.ToValidUTF8(string(v[1:]), "")
	}
}

// comment keeps the comments of a list of options, as far as the limits go.
func (f *ngFormat) comment(r *Reader, on string, options []byte) {
	for code, v := range f.options(options) {
		if code != optionComment || len(v) == 0 {
			continue
		}
		if f.counted++; f.counted <= r.limits.Comments {
			text := strings.ToValidUTF8(string(v[:min(len(v), r.limits.Comment)]), "")
			f.comments = append(f.comments, Comment{on, text})
		}
	}
}
