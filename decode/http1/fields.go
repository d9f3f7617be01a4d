package http1

import (
	"bytes"
	"encoding/binary"
)

// FieldID names a field that the parser or a proxy has a use for.
type FieldID uint8

const (
	Other FieldID = iota
	Connection
	ContentLength
	TransferEncoding
	HostField
	Expect
	UpgradeField
	KeepAliveField
	ProxyConnection
	ProxyAuthorization
	TE
	Trailer
	UserAgentField
	XRequestID
	XForwardedFor
	XForwardedProto
	XForwardedHost
	Via
	Traceparent
	Tracestate
	B3
	B3TraceID
	B3SpanID
	UberTraceID
	HTTP2Settings
)

// maxKnown is the length of the longest known name, proxy-authorization.
const maxKnown = 19

// names are the known fields by the length of their names.
var names = nameTable()

// name is a known field's, as its first and last eight bytes.
type name struct {
	text        string
	first, last uint64
	id          FieldID
}

func nameTable() (t [maxKnown + 1][]name) {
	for id, text := range map[FieldID]string{
		Connection: "connection", ContentLength: "content-length", TransferEncoding: "transfer-encoding", HostField: "host",
		Expect: "expect", UpgradeField: "upgrade", KeepAliveField: "keep-alive", ProxyConnection: "proxy-connection",
		ProxyAuthorization: "proxy-authorization", TE: "te", Trailer: "trailer", UserAgentField: "user-agent",
		XRequestID: "x-request-id", XForwardedFor: "x-forwarded-for", XForwardedProto: "x-forwarded-proto",
		XForwardedHost: "x-forwarded-host", Via: "via", Traceparent: "traceparent", Tracestate: "tracestate",
		B3: "b3", B3TraceID: "x-b3-traceid", B3SpanID: "x-b3-spanid", UberTraceID: "uber-trace-id", HTTP2Settings: "http2-settings",
	} {
		first, last := ends([]byte(text))
		t[len(text)] = append(t[len(text)], name{text, first, last, id})
	}
	return t
}

// ends are the first and the last eight bytes of a name, or all of a shorter
// one, with bit 0x20 set. That makes letters lower-case and confuses no two
// characters that may stand in known names.
func ends(n []byte) (first, last uint64) {
	const lowers = 0x2020202020202020
	if k := len(n); k >= 8 {
		return binary.LittleEndian.Uint64(n) | lowers, binary.LittleEndian.Uint64(n[k-8:]) | lowers
	}
	for i, c := range n {
		first |= uint64(c|0x20) << (8 * i)
	}
	return first, 0
}

// fieldID finds a name, which must be a token, among those known.
func fieldID(n []byte) FieldID {
	if len(n) >= len(names) {
		return Other
	}
	known := names[len(n)]
	if len(known) == 0 {
		return Other
	}
	first, last := ends(n)
	for i := range known {
		k := &known[i]
		if k.first == first && k.last == last && (len(n) <= 16 || equalFold(n, k.text)) {
			return k.id
		}
	}
	return Other
}

// fields reads the field lines from i on, and the empty line after them. 0
// means that b ends before it. The loop is the parser's hottest: it handles a
// line in the usual form itself and leaves any other to field.
func (h *Head) fields(b []byte, i int) (int, error) {
	room := min(cap(h.Fields), h.limits.Headers)
	for {
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			return i + 2, nil
		}
		start := i
		for i < len(b) && token[b[i]] {
			i++
		}
		if v := i + 2; v < len(b) && i > start && b[i] == ':' && b[i+1] == ' ' && !blank(b[v]) && len(h.Fields) < room {
			e := textEnd(b, v)
			if e+1 < len(b) && b[e] == '\r' && b[e+1] == '\n' && !blank(b[e-1]) {
				h.put(b[start:i:i], b[v:e:e])
				i = e + 2
				continue
			}
		}
		next, err := h.field(b, start, i)
		if err != nil || next <= 0 {
			return -next, err // negative: the empty line ended in LF alone
		}
		i = next
	}
}

// field reads the line at start whose name may end at colon, and is where the
// next line begins; negative when this one is the empty line.
func (h *Head) field(b []byte, start, colon int) (int, error) {
	if colon == len(b) {
		return 0, nil
	}
	if b[colon] != ':' || colon == start {
		return h.oddField(b, start, colon)
	}
	v := colon + 1
	for v < len(b) && blank(b[v]) {
		v++
	}
	e := textEnd(b, v)
	if e+1 >= len(b) && (e == len(b) || b[e] == '\r') {
		return 0, nil
	}
	if b[e] != '\r' || b[e+1] != '\n' {
		return h.oddField(b, start, e)
	}
	return e + 2, h.add(b[start:colon], trimRight(b[v:e]))
}

func (h *Head) add(name, value []byte) error {
	if len(h.Fields) >= h.limits.Headers {
		if h.mode == Lenient {
			h.Odd |= TooMany
			return nil
		}
		return &Error{431, "http1.too_many_headers"}
	}
	if n := len(h.Fields); n == cap(h.Fields) {
		h.Fields = append(h.Fields, Field{})[:n]
	}
	h.put(name, value)
	return nil
}

// put adds a field, for which there must be room. It is kept in place, since
// copying a Field costs more than finding its name.
func (h *Head) put(name, value []byte) {
	n := len(h.Fields)
	h.Fields = h.Fields[:n+1]
	f := &h.Fields[n]
	f.Name, f.Value, f.ID, f.Hop = name, value, fieldID(name), false
}

// oddField is field for a line that is not name, colon, value and CRLF; at is
// where it went wrong.
func (h *Head) oddField(b []byte, start, at int) (int, error) {
	if at == start && b[at] == '\r' && at+1 == len(b) {
		return 0, nil
	}
	if h.mode == Strict {
		return 0, h.badField(b, start, at)
	}
	line, next, _ := h.oddLine(b, start)
	switch {
	case next == 0:
		return 0, nil
	case len(line) == 0:
		return -next, nil
	case blank(line[0]) && len(h.Fields) > 0:
		h.unfold(trim(line))
		return next, nil
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		h.Odd |= BadLine
		return next, nil
	}
	name := trim(line[:colon])
	if len(name) != colon {
		h.Odd |= SpaceBeforeColon
	}
	if !isToken(name) {
		h.Odd |= BadLine
		return next, nil
	}
	return next, h.add(name, trim(line[colon+1:]))
}

func (h *Head) badField(b []byte, start, at int) error {
	c := b[at]
	switch {
	case blank(c) && at == start:
		return bad("http1.codec_error.obs_fold")
	case blank(c):
		return bad("http1.codec_error.space_before_colon")
	case c == ':':
		return bad("http1.codec_error.empty_name")
	case c == '\n' || c == '\r' || bytes.IndexByte(b[start:at], ':') > 0:
		return badByte(c)
	}
	return bad("http1.codec_error.invalid_name")
}

// unfold appends a continuation line to the last field's value (RFC 9112,
// 5.2: one space stands for the line break).
func (h *Head) unfold(more []byte) {
	h.Odd |= Folded
	f := &h.Fields[len(h.Fields)-1]
	if h.folded != len(h.Fields) { // its first continuation
		h.folded, h.foldAt = len(h.Fields), len(h.fold)
		h.fold = append(h.fold, f.Value...)
	}
	h.fold = append(append(h.fold, ' '), more...)
	f.Value = trim(h.fold[h.foldAt:len(h.fold):len(h.fold)])
}

// IDOf finds a field's name, which must be a token, among those that the
// parser knows.
func IDOf(name []byte) FieldID { return fieldID(name) }
