package http1

import "bytes"

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

// fieldID finds a name among those known, by its length first.
func fieldID(n []byte) FieldID {
	switch len(n) {
	case 2:
		return pick(n, "te", TE, "b3", B3)
	case 3:
		return pick(n, "via", Via, "via", Via)
	case 4:
		return pick(n, "host", HostField, "host", HostField)
	case 6:
		return pick(n, "expect", Expect, "expect", Expect)
	case 7:
		return pick(n, "upgrade", UpgradeField, "trailer", Trailer)
	case 10:
		switch n[0] | 0x20 {
		case 'c':
			return pick(n, "connection", Connection, "connection", Connection)
		case 'u':
			return pick(n, "user-agent", UserAgentField, "user-agent", UserAgentField)
		}
		return pick(n, "keep-alive", KeepAliveField, "tracestate", Tracestate)
	case 11:
		return pick(n, "traceparent", Traceparent, "x-b3-spanid", B3SpanID)
	case 12:
		return pick(n, "x-request-id", XRequestID, "x-b3-traceid", B3TraceID)
	case 13:
		return pick(n, "uber-trace-id", UberTraceID, "uber-trace-id", UberTraceID)
	case 14:
		return pick(n, "content-length", ContentLength, "http2-settings", HTTP2Settings)
	case 15:
		return pick(n, "x-forwarded-for", XForwardedFor, "x-forwarded-for", XForwardedFor)
	case 16:
		switch n[0] | 0x20 {
		case 'p':
			return pick(n, "proxy-connection", ProxyConnection, "proxy-connection", ProxyConnection)
		}
		return pick(n, "x-forwarded-host", XForwardedHost, "x-forwarded-host", XForwardedHost)
	case 17:
		return pick(n, "transfer-encoding", TransferEncoding, "x-forwarded-proto", XForwardedProto)
	case 19:
		return pick(n, "proxy-authorization", ProxyAuthorization, "proxy-authorization", ProxyAuthorization)
	}
	return Other
}

func pick(n []byte, a string, ida FieldID, b string, idb FieldID) FieldID {
	c := n[0] | 0x20
	if c == a[0] && n[len(n)-1]|0x20 == a[len(a)-1] && equalFold(n, a) {
		return ida
	}
	if c == b[0] && equalFold(n, b) {
		return idb
	}
	return Other
}

// fields reads the field lines from i on, and the empty line after them. 0
// means that b ends before it.
func (h *Head) fields(b []byte, i int) (int, error) {
	for {
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			return i + 2, nil
		}
		start := i
		for i < len(b) && token[b[i]] {
			i++
		}
		if i == len(b) {
			return 0, nil
		}
		next, err := h.field(b, start, i)
		switch {
		case next == 0 || err != nil:
			return 0, err
		case next < 0: // lenient: the empty line ended in LF alone
			return -next, nil
		}
		i = next
	}
}

// field reads the line at start whose name may end at colon, and is where the
// next line begins; negative when this one is the empty line.
func (h *Head) field(b []byte, start, colon int) (int, error) {
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
	h.Fields = append(h.Fields, Field{Name: name, Value: value, ID: fieldID(name)})
	return nil
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
