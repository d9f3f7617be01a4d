package http1

import "bytes"

// maxConnectionNames is how many fields one Connection may name (Envoy's rule).
const maxConnectionNames = 10

// known counts and keeps the fields that decide about framing and routing.
type known struct {
	host, length, coding, upgrade, expect []byte
	hosts, lengths, codings               int
	names                                 int  // that Connection names
	upgrading                             bool // one of them is "upgrade"
	close                                 bool
}

// check reads meaning out of the fields: routing, connection, framing.
func (h *Head) check() error {
	k := &h.known
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID != Other {
			if err := h.note(k, f); err != nil {
				return err
			}
		}
	}
	h.Close = k.close || h.Minor == 0 && !h.KeepAlive
	if k.upgrading && h.Minor == 1 {
		h.Upgrade = k.upgrade
	}
	if k.names > 0 && h.mode == Strict {
		h.markHops()
	}
	if h.Odd&(Folded|SpaceBeforeColon|BadLine|BadByte|NoVersion) != 0 {
		h.oddFraming(k)
	}
	if h.request {
		h.Expect100 = h.Minor == 1 && is(k.expect, "100-continue")
		if err := h.target(k); err != nil {
			return err
		}
		return h.frameRequest(k)
	}
	return h.frameResponse(k)
}

// oddFraming names the readings of fields that not everybody reads.
func (h *Head) oddFraming(k *known) {
	switch framed := k.lengths+k.codings > 0; {
	case h.Odd&NoVersion != 0 && len(h.Fields) > 0:
		h.ambiguous("fields after a request line without version: HTTP/0.9 with something behind it, or HTTP/1: read as HTTP/1.0")
	case h.Odd&(SpaceBeforeColon|BadLine) != 0:
		h.ambiguous("field line that breaks the syntax: ignored, refused or read: read where it has a name")
	case h.Odd&BadByte != 0 && framed:
		h.ambiguous("control character in the head: refused, or read as any other: read")
	case h.Odd&Folded != 0 && framed:
		h.ambiguous("folded field in a framed message: read as one line, or as two: read as one line")
	}
}

// note keeps what one known field says.
func (h *Head) note(k *known, f *Field) error {
	switch f.ID {
	case HostField:
		k.hosts++
		first(&k.host, f.Value)
	case ContentLength:
		k.lengths++
		first(&k.length, f.Value)
	case TransferEncoding:
		f.Hop = true
		k.codings++
		k.coding = f.Value
	case Connection:
		f.Hop = true
		return h.connection(k, f.Value)
	case KeepAliveField, ProxyConnection, HTTP2Settings:
		f.Hop = true
	case UpgradeField:
		f.Hop = true
		first(&k.upgrade, f.Value)
	case TE:
		f.Hop = !is(f.Value, "trailers") // the one that a proxy may pass on
	case Expect:
		first(&k.expect, f.Value)
	case UserAgentField:
		first(&h.UserAgent, f.Value)
	case XRequestID:
		first(&h.RequestID, f.Value)
	case Traceparent:
		first(&h.Traceparent, f.Value)
	case Tracestate:
		first(&h.Tracestate, f.Value)
	case B3:
		first(&h.B3, f.Value)
	case B3TraceID:
		first(&h.B3Trace, f.Value)
	case B3SpanID:
		first(&h.B3Span, f.Value)
	case UberTraceID:
		first(&h.UberTrace, f.Value)
	}
	return nil
}

func first(slot *[]byte, value []byte) {
	if *slot == nil {
		*slot = value
	}
}

// connection reads the names in a Connection field (RFC 9110, 7.6.1).
func (h *Head) connection(k *known, list []byte) error {
	for len(list) > 0 {
		var name []byte
		name, list = element(list)
		switch {
		case len(name) == 0:
			continue
		case is(name, "close"):
			k.close = true
		case is(name, "keep-alive"):
			h.KeepAlive = true
		case is(name, "upgrade"):
			k.upgrading = true
		case h.mode == Strict && !mayBeNamed(name):
			return bad("http1.connection_header_names_protected_field")
		default:
			k.names++
		}
	}
	if h.mode == Strict && k.names > maxConnectionNames {
		return bad("http1.connection_header_too_many_names")
	}
	return nil
}

// mayBeNamed refuses names whose removal would change what the message means
// or hide where it came from.
func mayBeNamed(name []byte) bool {
	if !isToken(name) {
		return false
	}
	switch fieldID(name) {
	case HostField, ContentLength, TransferEncoding, XForwardedFor, XForwardedProto, XForwardedHost:
		return false
	}
	return len(name) < len("x-forwarded-") || !equalFold(name[:len("x-forwarded-")], "x-forwarded-")
}

// markHops marks the fields that Connection names.
func (h *Head) markHops() {
	for i := range h.Fields {
		if h.Fields[i].ID != Connection {
			continue
		}
		for list := h.Fields[i].Value; len(list) > 0; {
			var name []byte
			name, list = element(list)
			h.markHop(name)
		}
	}
}

func (h *Head) markHop(name []byte) {
	for i := range h.Fields {
		if f := &h.Fields[i]; len(f.Name) == len(name) && bytes.EqualFold(f.Name, name) {
			f.Hop = true
		}
	}
}

// frameRequest finds how the body of a request ends (RFC 9112, 6.3).
func (h *Head) frameRequest(k *known) error {
	if k.codings == 0 {
		return h.byLength(k)
	}
	if h.mode == Lenient {
		return h.byCodingLenient(k)
	}
	switch {
	case k.lengths > 0:
		return bad("http1.content_length_and_chunked_not_allowed")
	case string(h.Method) == "CONNECT":
		return &Error{501, "http1.invalid_transfer_encoding"}
	case h.Minor == 0:
		return bad("http1.transfer_encoding_not_allowed_in_http10")
	}
	return h.byCoding(k)
}

// byCoding takes "chunked", once and alone, and nothing else.
func (h *Head) byCoding(k *known) error {
	if k.codings > 1 {
		return bad("http1.duplicate_transfer_encoding")
	}
	if is(k.coding, "chunked") {
		h.Framing = Chunked
		return nil
	}
	chunked, last := codings(k.coding)
	if chunked > 1 || chunked == 1 && !last {
		return bad("http1.chunked_not_final")
	}
	return &Error{501, "http1.invalid_transfer_encoding"}
}

// codings counts "chunked" in a list and tells whether it is its last element.
func codings(list []byte) (chunked int, last bool) {
	for len(list) > 0 {
		var c []byte
		c, list = element(list)
		if last = is(c, "chunked"); last {
			chunked++
		}
	}
	return chunked, last
}

// byCodingLenient reads what senders have been seen to mean.
func (h *Head) byCodingLenient(k *known) error {
	_, chunked := codings(k.coding)
	switch {
	case chunked:
		h.Framing = Chunked
		if k.lengths > 0 {
			h.ambiguous("body by content-length or by transfer-encoding: taken by transfer-encoding")
		} else if h.Minor == 0 {
			h.ambiguous("chunked body in HTTP/1.0 or body without framing: taken as chunked")
		}
		h.ContentLength, _ = h.parseLength(k.length)
		return nil
	case k.lengths == 0 && h.request:
		h.ambiguous("unknown transfer-encoding: request without body, or with one of unknown end: taken without")
		return nil
	case k.lengths == 0:
		h.Framing = UntilClose
		return nil
	}
	h.ambiguous("body by content-length or until close for an unknown transfer-encoding: taken by content-length")
	return h.byLength(k)
}

func (h *Head) ambiguous(readings string) {
	if h.Ambiguous == "" {
		h.Ambiguous = readings
	}
}

// byLength reads Content-Length; a request without one has no body, an answer
// without one lasts until the connection ends.
func (h *Head) byLength(k *known) error {
	if k.lengths == 0 {
		if !h.request {
			h.Framing = UntilClose
		}
		return nil
	}
	if k.lengths > 1 && h.mode == Strict {
		return bad("http1.duplicate_content_length")
	}
	n, ok := h.parseLength(k.length)
	if ok && h.mode == Lenient {
		h.oddLength(k.length, n)
	}
	switch {
	case ok && string(h.Method) == "CONNECT" && h.mode == Strict && n > 0:
		return bad("http1.connect_with_body")
	case ok:
		h.setLength(n)
		if k.lengths > 1 {
			h.compareLengths(n)
		}
		return nil
	case h.mode == Strict:
		return bad("http1.invalid_content_length")
	}
	h.ambiguous("content-length that is no number: body of unknown length or none: taken as without the field")
	if !h.request {
		h.Framing = UntilClose
	}
	return nil
}

// oddLength names the readings of a content-length that not everybody takes for
// the number n.
func (h *Head) oddLength(b []byte, n int64) {
	for list := b; len(list) > 0; {
		var e []byte
		e, list = element(list)
		if other, ok := h.parseLength(e); !ok || other != n {
			h.ambiguous("list of lengths that differ in content-length: taken by the first")
		}
	}
	if b[0] == '+' {
		h.ambiguous("content-length with a sign: read as the number, or refused: read")
	}
}

func (h *Head) setLength(n int64) {
	h.Length, h.ContentLength = n, n
	if n > 0 || !h.request {
		h.Framing = Length
	}
}

func (h *Head) compareLengths(n int64) {
	for i := range h.Fields {
		if h.Fields[i].ID != ContentLength {
			continue
		}
		if other, ok := h.parseLength(h.Fields[i].Value); !ok || other != n {
			h.ambiguous("several content-length that differ: taken by the first")
		}
	}
}

// parseLength reads 1*DIGIT (RFC 9110, 8.6), at most 18 of them. A lenient
// reading takes a list of equal numbers, and leading "+".
func (h *Head) parseLength(b []byte) (int64, bool) {
	if h.mode == Lenient {
		b, _ = element(b)
		if len(b) > 1 && b[0] == '+' {
			b = b[1:]
		}
	}
	if len(b) == 0 || len(b) > 18 {
		return -1, false
	}
	var n int64
	for _, c := range b {
		if !digit(c) {
			return -1, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// frameResponse finds how the body of an answer ends (RFC 9112, 6.3).
func (h *Head) frameResponse(k *known) error {
	if h.mode == Strict {
		if err := h.checkResponse(k); err != nil {
			return err
		}
	}
	switch {
	case h.Status < 200 || h.Status == 204 || h.Status == 304, string(h.method) == "HEAD",
		h.Status < 300 && string(h.method) == "CONNECT":
		if n, ok := h.parseLength(k.length); ok {
			h.ContentLength = n
		}
		if h.mode == Lenient && h.Status == 204 && (h.ContentLength > 0 || k.codings > 0) {
			h.ambiguous("answer 204 that announces a body: without body, or with one: read as without")
		}
		return nil // no body, whatever the fields say
	case k.codings == 0:
		return h.byLength(k)
	case h.mode == Lenient:
		return h.byCodingLenient(k)
	}
	return h.byCoding(k)
}

func (h *Head) checkResponse(k *known) error {
	if k.lengths > 0 && (h.Status < 200 || h.Status == 204) {
		h.dropLength()
	}
	switch {
	case k.codings == 0:
		return nil
	case k.lengths > 0:
		return bad("http1.content_length_and_chunked_not_allowed")
	case h.Minor == 0:
		return bad("http1.transfer_encoding_not_allowed_in_http10")
	case h.Status < 200 || h.Status == 204:
		return bad("http1.transfer_encoding_not_allowed") // RFC 9112, 6.1
	}
	return nil
}

// dropLength marks content-length where there is no body and must be no length
// (RFC 9110, 8.6), so that nobody waits for one.
func (h *Head) dropLength() {
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == ContentLength {
			f.Hop = true
		}
	}
}
