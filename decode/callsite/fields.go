package callsite

import (
	"bytes"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// value is a field's value with the rank of the key that it came from: the
// key named first in the specification wins, whatever the order in the comment.
type value struct {
	b    []byte
	rank int
}

const unset = 1 << 10

func (v *value) set(rank int, b []byte) {
	if rank < v.rank && len(b) > 0 {
		v.b, v.rank = b, rank
	}
}

// take sets v to w unless it has a value.
func (v *value) take(w value) {
	if v.rank == unset {
		*v = w
	}
}

func (v *value) view(n int) string { return cutText(v.b, n) }

// fields are what a comment says.
type fields struct {
	function, file, app, env  value
	controller, action, route value
	text, traceState          value
	line, column, lineRank    int
	stack                     []byte
	trace                     event.TraceID
	span                      event.SpanID
	traceRank                 int
	ferretTrace, ferretSpan   []byte
	extra                     [maxExtra]event.KeyValue
	nExtra                    int
	noPlace                   bool // the text is no place, whatever it looks like
}

// reset forgets everything, in place: a fields on the stack of a connection's
// goroutine would make that grow.
func (f *fields) reset() {
	*f = fields{}
	for _, v := range [...]*value{
		&f.function, &f.file, &f.app, &f.env, &f.controller, &f.action, &f.route, &f.text, &f.traceState,
	} {
		v.rank = unset
	}
	f.lineRank, f.traceRank = unset, unset
}

// merge fills what f lacks from g.
func (f *fields) merge(g *fields) {
	if f.text.rank == unset {
		f.noPlace = g.noPlace
	}
	if f.file.rank == unset && f.lineRank == unset { // a line belongs to its file
		f.file, f.line, f.column, f.lineRank = g.file, g.line, g.column, g.lineRank
	}
	f.function.take(g.function)
	f.app.take(g.app)
	f.env.take(g.env)
	f.controller.take(g.controller)
	f.action.take(g.action)
	f.route.take(g.route)
	f.text.take(g.text)
	if f.trace.IsZero() {
		f.trace, f.span, f.traceState = g.trace, g.span, g.traceState
	}
	if f.stack == nil {
		f.stack = g.stack
	}
	for _, kv := range g.extra[:g.nExtra] {
		f.addExtra(kv)
	}
}

func (f *fields) addExtra(kv event.KeyValue) {
	for _, have := range f.extra[:f.nExtra] {
		if have.Key == kv.Key {
			return
		}
	}
	if f.nExtra < maxExtra {
		f.extra[f.nExtra] = kv
		f.nExtra++
	}
}

// place takes over what a text in one of the known forms names.
func (f *fields) place(p place) {
	f.function.set(0, p.function)
	f.file.set(0, p.file)
	if p.line > 0 && f.lineRank == unset {
		f.line, f.column, f.lineRank = p.line, p.column, 0
	}
}

// put takes the value of a key, which is a path with dots.
func (f *fields) put(key, v []byte) {
	if len(v) == 0 {
		return
	}
	switch string(key) {
	case "code.function.name":
		f.function.set(0, v)
	case "code.function":
		f.function.set(1, v)
	case "callingFunction":
		f.function.set(2, v)
	case "calling_function":
		f.function.set(3, v)
	case "function":
		f.function.set(4, v)
	case "func":
		f.function.set(5, v)
	case "caller":
		f.function.set(6, v)
	case "method":
		f.function.set(7, v)
	case "code.file.path":
		f.file.set(0, v)
	case "code.filepath":
		f.file.set(1, v)
	case "filepath":
		f.file.set(2, v)
	case "file":
		f.file.set(3, v)
	case "code.line.number":
		f.setLine(0, v)
	case "code.lineno":
		f.setLine(1, v)
	case "lineno":
		f.setLine(2, v)
	case "line":
		f.setLine(3, v)
	default:
		f.putMore(key, v)
	}
}

func (f *fields) putMore(key, v []byte) {
	switch string(key) {
	case "controller":
		f.controller.set(0, v)
	case "action":
		f.action.set(0, v)
	case "route":
		f.route.set(0, v)
	case "application":
		f.app.set(0, v)
	case "app":
		f.app.set(1, v)
	case "service":
		f.app.set(2, v)
	case "ddps":
		f.app.set(3, v)
	case "dde":
		f.env.set(0, v)
	case "traceparent":
		f.setTrace(v)
	case "tracestate":
		f.traceState.set(0, v)
	case "ferretDB.traceID":
		f.ferretTrace = v
		f.setFerret()
	case "ferretDB.spanID":
		f.ferretSpan = v
		f.setFerret()
	case "text":
		f.text.set(0, v)
	case "comment":
		f.text.set(1, v)
	case "msg":
		f.text.set(2, v)
	default:
		f.addExtra(event.KeyValue{Key: decode.View(key), Value: cutText(v, maxValue)})
	}
}

func (f *fields) setLine(rank int, v []byte) {
	if n, ok := lineNumber(v); ok && rank < f.lineRank {
		f.line, f.lineRank = n, rank
	}
}

func (f *fields) setTrace(v []byte) {
	if t, s, ok := Traceparent(v); ok && f.traceRank > 0 {
		f.trace, f.span, f.traceRank = t, s, 0
	}
}

func (f *fields) setFerret() {
	var t event.TraceID
	var s event.SpanID
	if f.traceRank > 1 && unhex(t[:], f.ferretTrace) && unhex(s[:], f.ferretSpan) && !t.IsZero() && !s.IsZero() {
		f.trace, f.span, f.traceRank = t, s, 1
	}
}

// lineNumber reads a line's number, 1 to 10,000,000.
func lineNumber(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n >= 1 && n <= 10_000_000
}

// trim takes white space from both ends.
func trim(b []byte) []byte { return bytes.TrimSpace(b) }
