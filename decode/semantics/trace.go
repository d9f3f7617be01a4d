package semantics

import (
	"github.com/pitot-io/pitot/internal/event"
)

// Trace is what a request's fields say of its trace context, as sent.
type Trace struct {
	Parent              []byte // traceparent
	B3, B3Trace, B3Span []byte // b3, x-b3-traceid, x-b3-spanid
	Uber                []byte // uber-trace-id
}

// Fill takes the first trace context that can be read: W3C's traceparent, else
// b3 in one field or several, else uber-trace-id. The span that it names is the
// parent of x. w3c reports whether tracestate, which belongs to the first,
// means anything.
func (t *Trace) Fill(x *event.Exchange) (w3c bool) {
	switch {
	case traceparent(t.Parent, x):
		return true
	case t.B3 != nil && b3(t.B3, x):
	case t.B3Trace != nil && ids(t.B3Trace, t.B3Span, x):
	case t.Uber != nil:
		uber(t.Uber, x)
	}
	return false
}

// traceparent reads version-trace-parent-flags (W3C Trace Context, 3.2).
func traceparent(b []byte, x *event.Exchange) bool {
	if len(b) < 55 || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return false
	}
	version, ok := hexByte(b[0], b[1])
	if !ok || version == 0xff || version == 0 && len(b) != 55 || len(b) > 55 && b[55] != '-' {
		return false
	}
	if _, ok := hexByte(b[53], b[54]); !ok {
		return false
	}
	return ids(b[3:35], b[36:52], x)
}

// b3 reads trace-span[-sampled[-parent]]; "0", "1" or "d" alone has no ids.
func b3(b []byte, x *event.Exchange) bool {
	trace, rest := cut(b, '-')
	span, _ := cut(rest, '-')
	return len(span) == 16 && (len(trace) == 16 || len(trace) == 32) && ids(trace, span, x)
}

// uber reads trace:span:parent:flags, whose colons may be percent-encoded.
func uber(b []byte, x *event.Exchange) bool {
	trace, rest := cutColon(b)
	span, _ := cutColon(rest)
	return ids(trace, span, x)
}

func cut(b []byte, sep byte) (before, after []byte) {
	for i, c := range b {
		if c == sep {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

func cutColon(b []byte) (before, after []byte) {
	for i, c := range b {
		if c == ':' {
			return b[:i], b[i+1:]
		}
		if c == '%' && i+2 < len(b) && b[i+1] == '3' && b[i+2]|0x20 == 'a' {
			return b[:i], b[i+3:]
		}
	}
	return b, nil
}

// ids sets trace and parent when both are hexadecimal and not zero. Shorter
// ones are filled up with zeros on the left.
func ids(trace, span []byte, x *event.Exchange) bool {
	var t event.TraceID
	var s event.SpanID
	if !unhex(t[:], trace) || !unhex(s[:], span) || t.IsZero() || s.IsZero() {
		return false
	}
	x.TraceID, x.ParentID = t, s
	return true
}

func unhex(dst, src []byte) bool {
	if len(src) == 0 || len(src) > 2*len(dst) {
		return false
	}
	all, to := byte(0), len(dst)
	for i := len(src) - 1; i >= 0; i -= 2 { // from the right, two digits at a time
		lo, hi := hexDigits[src[i]], byte(0)
		if i > 0 {
			hi = hexDigits[src[i-1]]
		}
		to--
		dst[to], all = hi<<4|lo, all|lo|hi
	}
	return all < 16
}

func hexByte(hi, lo byte) (byte, bool) {
	a, ok1 := hexDigit(hi)
	b, ok2 := hexDigit(lo)
	return a<<4 | b, ok1 && ok2
}
