// Package callsite reads the comment of a MongoDB command: the line of code
// that a query comes from, and what else drivers, frameworks and people write
// there. docs/protocols.md names the formats.
//
// A comment is hostile input: it is read by hand-written scanners in time
// linear in its length, but for a bounded search for key='value' lists, and
// nothing is ever an error. What is not understood is free text.
package callsite

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/bson"
	"github.com/pitot-io/pitot/internal/event"
)

// Limits of a comment. Over one of them its head is kept as text.
const (
	MaxInput = 4096 // bytes of the value
	maxDepth = 8    // nesting of documents
	maxKeys  = 64   // keys of documents, in all
	maxExtra = 8    // keys that have no field of their own
	maxStack = 8    // frames
	maxField = 512  // bytes of a field
	maxValue = 128  // bytes of the value of a key without a field of its own
	maxShort = 128  // bytes of free text, and of one that may stand for a place
)

// Text says how much of a comment's free text is kept: it may be personal data.
type Text uint8

const (
	Short Text = iota // at most 128 bytes
	Off               // none; a place that is only text is not kept either
	Full              // at most 4096 bytes
)

// ParseText reads the name of a Text: short, off or full.
func ParseText(s string) (t Text, ok bool) {
	switch s {
	case "short", "":
		return Short, true
	case "off":
		return Off, true
	case "full":
		return Full, true
	}
	return Short, false
}

// Options of Parse. The zero value has the defaults.
type Options struct{ Text Text }

// Scratch is what Parse writes to beside the CallSite. It may be used again as
// soon as the CallSite of the call before is not needed any more.
type Scratch struct {
	buf   []byte
	extra [maxExtra]event.KeyValue
	p     parser // here, so that a call does not allocate it
	all   fields // of an array's elements so far
}

// Extra is the room for CallSite.Extra, for who copies a CallSite into an
// object that has a Scratch.
func (s *Scratch) Extra() *[maxExtra]event.KeyValue { return &s.extra }

// Parse reads a comment into out, which it overwrites. size is the number of
// bytes that the value had; e.Value may be its beginning only. The strings of
// out point into e.Value and into s.
func Parse(e bson.Element, size int, o Options, s *Scratch, out *event.CallSite) {
	p := s.begin(o, out)
	if size > MaxInput || size > len(e.Value) {
		p.over = true
	}
	p.element(e)
	p.finish(e, out)
}

func (s *Scratch) begin(o Options, out *event.CallSite) *parser {
	*out = event.CallSite{}
	s.buf = s.buf[:0]
	p := &s.p
	p.s, p.mode, p.keys, p.over, p.head = s, o.Text, 0, false, nil
	p.f.reset()
	return p
}

// ParseString is Parse of a string.
func ParseString(text []byte, o Options, s *Scratch, out *event.CallSite) {
	p := s.begin(o, out)
	p.over = len(text) > MaxInput
	if p.over {
		p.head = text[:MaxInput]
	} else {
		p.string(text)
	}
	p.finish(bson.Element{}, out)
}

// parser reads one comment.
type parser struct {
	s    *Scratch
	f    fields
	mode Text
	keys int    // seen so far
	over bool   // a limit was passed
	head []byte // of what passed it
}

// element reads a comment of any type.
func (p *parser) element(e bson.Element) {
	switch {
	case e.Type == bson.Null, e.Type == bson.Undefined:
	case e.Type == bson.String, e.Type == bson.Symbol:
		p.stringElement(e)
	case p.over:
	case e.Type == bson.Document:
		p.document(e.Value, nil, 0)
	case e.Type == bson.Array:
		p.array(e.Value)
	default:
		p.other(e)
	}
}

// stringElement reads a string; of one that is too long, what is there.
func (p *parser) stringElement(e bson.Element) {
	if p.over {
		p.head = e.Value[min(4, len(e.Value)):]
		return
	}
	if s, ok := e.Text(); ok {
		p.string(s)
	}
}

// other reads a value that is neither text nor a document: it is text, never a
// place.
func (p *parser) other(e bson.Element) {
	from := len(p.s.buf)
	p.s.buf = bson.AppendJSON(p.s.buf, e, MaxInput)
	p.f.text.set(0, p.s.buf[from:])
	p.f.noPlace = true
}

// array reads an array: a stack when all strings in it are frames, else each
// element is a comment of its own, and the first value of a field counts.
func (p *parser) array(doc []byte) {
	if p.stack(doc) {
		return
	}
	all := &p.s.all
	*all = p.f
	for it := bson.Elements(doc); ; {
		e, ok := it.Next()
		if !ok {
			break
		}
		if p.keys++; p.keys > maxKeys {
			p.over = true
			break
		}
		p.f.reset()
		if e.Type != bson.Array {
			p.element(e)
		}
		all.merge(&p.f)
	}
	p.f = *all
}

// stack reads an array of frames.
func (p *parser) stack(doc []byte) bool {
	frames := 0
	for it := bson.Elements(doc); ; {
		e, ok := it.Next()
		if !ok {
			break
		}
		if e.Type != bson.String {
			continue
		}
		if s, _ := e.Text(); !p.isFrame(s) {
			return false
		}
		frames++
	}
	if frames == 0 {
		return false
	}
	p.joinStack(doc)
	return true
}

func (p *parser) isFrame(s []byte) bool {
	_, ok := frame(trim(s))
	return ok
}

func (p *parser) joinStack(doc []byte) {
	from, n := len(p.s.buf), 0
	for it := bson.Elements(doc); n < maxStack; {
		e, ok := it.Next()
		if !ok {
			break
		}
		s, ok := e.Text()
		if !ok {
			continue
		}
		s = trim(s)
		if n == 0 {
			fr, _ := frame(s)
			p.f.place(fr)
		} else {
			p.s.buf = append(p.s.buf, '\n')
		}
		p.s.buf = append(p.s.buf, s...)
		n++
	}
	p.f.stack = p.s.buf[from:]
}

// finish makes the call site out of the fields.
func (p *parser) finish(e bson.Element, out *event.CallSite) {
	if p.over {
		out.Truncated = true
		p.f.reset()
		p.f.noPlace = true
		if p.head == nil && e.IsDocument() {
			from := len(p.s.buf)
			p.s.buf = bson.AppendJSON(p.s.buf, e, maxShort)
			p.head = p.s.buf[from:]
		}
		p.f.text.set(0, trim(p.valid(p.head)))
	}
	f := &p.f
	out.Function, out.File, out.Line, out.Column = f.function.view(maxField), f.file.view(maxField), f.line, f.column
	out.Application, out.Environment = f.app.view(maxField), f.env.view(maxField)
	out.Controller, out.Action, out.Route = f.controller.view(maxField), f.action.view(maxField), f.route.view(maxField)
	out.Stack = decode.View(f.stack)
	out.TraceID, out.SpanID, out.TraceState = f.trace, f.span, f.traceState.view(maxField)
	if f.trace.IsZero() {
		out.TraceState = ""
	}
	out.Text = p.text(f.text.b)
	out.Name = p.name(out)
	out.Extra = p.s.extra[:copy(p.s.extra[:], f.extra[:f.nExtra])]
}

// text bounds free text as the options want it.
func (p *parser) text(b []byte) string {
	switch p.mode {
	case Off:
		return ""
	case Full:
		return cutText(b, MaxInput)
	}
	return cutText(b, maxShort)
}

// name is the place, in the best form that there is.
func (p *parser) name(c *event.CallSite) string {
	switch {
	case c.Function != "":
		return c.Function
	case c.Controller != "" && c.Action != "":
		return p.join(c.Controller, "#", c.Action)
	case c.Route != "":
		return c.Route
	case c.File != "" && c.Line > 0:
		from := len(p.s.buf)
		p.join(c.File, ":", "")
		p.s.buf = strconv.AppendInt(p.s.buf, int64(c.Line), 10)
		return decode.View(p.s.buf[from:])
	case p.mode != Off && !p.f.noPlace && mayBePlace(p.f.text.b):
		return c.Text
	}
	return ""
}

func (p *parser) join(a, b, c string) string {
	from := len(p.s.buf)
	p.s.buf = append(append(append(p.s.buf, a...), b...), c...)
	return decode.View(p.s.buf[from:])
}

// valid is b, or a copy in which what is not UTF-8 is replaced.
func (p *parser) valid(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	from := len(p.s.buf)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		p.s.buf = utf8.AppendRune(p.s.buf, r)
		b = b[n:]
	}
	return p.s.buf[from:]
}

// cutText is b in at most n bytes, without half a character at its end.
func cutText(b []byte, n int) string {
	if len(b) > n {
		for n > 0 && !utf8.RuneStart(b[n]) {
			n--
		}
		b = b[:n]
	}
	return decode.View(b)
}

// Traceparent reads a W3C traceparent of version 00. Ids of zeros only are
// none.
func Traceparent(b []byte) (t event.TraceID, s event.SpanID, ok bool) {
	if len(b) != 55 || string(b[:3]) != "00-" || b[35] != '-' || b[52] != '-' {
		return t, s, false
	}
	var flags [1]byte
	ok = unhex(t[:], b[3:35]) && unhex(s[:], b[36:52]) && unhex(flags[:], b[53:]) && !t.IsZero() && !s.IsZero()
	if !ok {
		return event.TraceID{}, event.SpanID{}, false
	}
	return t, s, true
}

// unhex reads lower-case hex that fills dst.
func unhex(dst, b []byte) bool {
	if len(b) != 2*len(dst) {
		return false
	}
	for i := range dst {
		hi, lo := strings.IndexByte(lowerHex, b[2*i]), strings.IndexByte(lowerHex, b[2*i+1])
		if hi < 0 || lo < 0 {
			return false
		}
		dst[i] = byte(hi<<4 | lo)
	}
	return true
}

const lowerHex = "0123456789abcdef"
