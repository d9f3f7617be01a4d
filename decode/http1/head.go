package http1

import (
	"bytes"

	"github.com/pitot-io/pitot/decode"
)

// Field is one header field. Name and Value point into the bytes given to the
// parser; a folded value (Lenient only) is a copy on one line.
type Field struct {
	Name, Value []byte
	ID          FieldID // of the names that the parser knows
	Hop         bool    // for this connection only (RFC 9110, 7.6.1): a proxy drops it; what Connection names is marked in Strict only
}

// Framing says how a body's end is found (RFC 9112, 6.3).
type Framing uint8

const (
	NoBody Framing = iota
	Length
	Chunked
	UntilClose
)

// Form of a request's target (RFC 9112, 3.2).
type Form uint8

const (
	Origin    Form = iota // "/path?query"
	Absolute              // "http://host/path?query"
	Authority             // "host:port", of CONNECT
	Asterisk              // "*", of OPTIONS
)

// Head is a message's start line and fields. It is made to be reused: after
// the first few messages parsing allocates nothing. All slices point into the
// bytes given to the parser and are good for as long as these are, until the
// next call; only the text that FillRequest and FillResponse lend lives in Head.
type Head struct {
	Method, Target []byte
	Form           Form
	Scheme         []byte // of an absolute target, else empty
	Path           []byte // may be empty in absolute form, and is for CONNECT
	Query          []byte // without "?"
	HasQuery       bool   // there was a "?"
	Host           []byte // of an absolute or authority target, else of the Host field; may have a port
	Minor          int    // version 1.Minor

	Status int
	Reason []byte

	Fields        []Field
	Framing       Framing
	Length        int64  // of the body when Framing is Length
	ContentLength int64  // as the field says, -1 when there is none that can be read
	Close         bool   // the connection ends after this message (and its answer)
	KeepAlive     bool   // "keep-alive" was said
	Upgrade       []byte // value of Upgrade where Connection names it, HTTP/1.1 only
	Expect100     bool

	UserAgent, RequestID   []byte
	Traceparent, UberTrace []byte
	Tracestate             []byte
	B3, B3Trace, B3Span    []byte

	// Ambiguous names both readings of a message that two programs might
	// take differently, and the one taken (Lenient only).
	Ambiguous string
	Odd       Oddity

	mode    Mode
	limits  decode.Limits
	method  []byte // of the request that is answered
	request bool
	known   known

	partial bool // an earlier call on the same bytes ran out of them
	started bool // the start line is whole and good
	seen    int  // how far the end of the head (or of the start line) has been looked for

	fold   []byte // folded values, unfolded
	foldAt int    // where the value of the last folded field begins in it
	folded int    // number of the last folded field, from 1

	text []byte // what FillRequest and FillResponse lend
}

// Oddity says what a lenient reading forgave.
type Oddity uint16

const (
	EmptyLines Oddity = 1 << iota // before the start line
	BareLF
	Folded
	SpaceBeforeColon
	BadLine // a line without colon, or a name that is none
	BadByte // NUL, bare CR or another control character
	TooMany // fields over Limits.Headers, left out
	OddStartLine
	NoVersion // in the request line
)

// ParseRequest reads a request's head at the start of b. n is the head's
// length, leading empty lines included; n == 0 without an error means that
// more is needed: call again with the same bytes and more. Only bytes not seen
// before are then looked at, until the head is whole. An error is an *Error.
func (h *Head) ParseRequest(b []byte, m Mode, lim decode.Limits) (n int, err error) {
	h.request, h.method = true, nil
	return h.parse(b, m, lim)
}

// ParseResponse is ParseRequest for the answer to a request of method
// requestMethod (empty when unknown), which decides whether there is a body.
func (h *Head) ParseResponse(b []byte, m Mode, lim decode.Limits, requestMethod []byte) (n int, err error) {
	h.request, h.method = false, requestMethod
	return h.parse(b, m, lim)
}

// Reset forgets a head that was not whole, for when its bytes will not go on.
func (h *Head) Reset() { h.partial, h.started, h.seen = false, false, 0 }

func (h *Head) parse(b []byte, m Mode, lim decode.Limits) (int, error) {
	if h.partial && !h.worthwhile(b) && len(b) <= lim.Head {
		return 0, nil
	}
	h.clear()
	h.mode, h.limits = m, lim
	n, err := h.read(b)
	switch {
	case err != nil:
		return 0, h.fail(err)
	case n == 0 && len(b) > lim.Head, n > lim.Head:
		return 0, h.tooLong(b)
	case n == 0:
		h.partial, h.seen = true, len(b)
		return 0, nil
	}
	if err := h.check(); err != nil {
		return 0, h.fail(err)
	}
	if h.Odd&BareLF != 0 && h.known.lengths+h.known.codings > 0 && bytes.Contains(b[:n], []byte("\r\n")) {
		h.ambiguous("lines that end in LF alone among others in a framed message: ends of lines, or not: read as ends")
	}
	return n, nil
}

// read parses start line and fields; 0 means that b ends before they do.
func (h *Head) read(b []byte) (int, error) {
	i, err := h.emptyLines(b)
	if err != nil {
		return 0, err
	}
	if h.request {
		i, err = h.requestLine(b, i)
	} else {
		i, err = h.statusLine(b, i)
	}
	if i == 0 || err != nil {
		return 0, err
	}
	h.started = true
	return h.fields(b, i)
}

// maxEmptyLines is how many a strict reading skips before a request (RFC 9112,
// 2.2 wants at least one, for the sake of old clients).
const maxEmptyLines = 4

func (h *Head) emptyLines(b []byte) (i int, err error) {
	for n := 0; i < len(b) && (b[i] == '\r' || b[i] == '\n'); n++ {
		if h.mode == Strict && (!h.request || n >= maxEmptyLines || b[i] == '\n') {
			return 0, bad("http1.codec_error.empty_line")
		}
		if b[i] == '\r' {
			i++
			if i == len(b) {
				break
			}
			if b[i] != '\n' {
				if h.mode == Strict {
					return 0, bad("http1.codec_error.bare_cr")
				}
				continue
			}
		}
		i++
		h.Odd |= EmptyLines
	}
	return i, nil
}

// worthwhile reports whether b has more to tell than b[:h.seen] had: the end of
// the start line, which may be bad, or that of the head.
func (h *Head) worthwhile(b []byte) bool {
	from := h.seen
	h.seen = len(b)
	if !h.started {
		return bytes.IndexByte(b[from:], '\n') >= 0
	}
	for i := max(0, from-3); ; {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			return false
		}
		i += k + 1
		rest := b[i:]
		if len(rest) > 0 && rest[0] == '\n' || len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n' {
			return true
		}
	}
}

// tooLong tells a request line over the limit (414) from fields over it (431).
func (h *Head) tooLong(b []byte) error {
	h.partial = false
	switch {
	case !h.request:
		return &Error{502, "http1.headers_too_large"}
	case bytes.IndexByte(b[:min(len(b), h.limits.Head)], '\n') < 0:
		return &Error{414, "http1.uri_too_long"}
	}
	return &Error{431, "http1.headers_too_large"}
}

// fail makes the error of an answer one that its client is not to blame for.
func (h *Head) fail(err error) error {
	h.partial = false
	if e, ok := err.(*Error); ok && !h.request {
		return &Error{502, e.Detail}
	}
	return err
}

// clear forgets the last message and keeps the memory.
func (h *Head) clear() {
	fields, request, method, fold, text := h.Fields[:0], h.request, h.method, h.fold[:0], h.text
	*h = Head{} // in place: with fields in it, it would be made elsewhere and copied
	h.Fields, h.request, h.method, h.fold, h.text = fields, request, method, fold, text
	h.ContentLength = -1
}

// Simple reports whether a request is all that HTTP/0.9 has: a method and a path.
func (h *Head) Simple() bool { return h.Odd&NoVersion != 0 && len(h.Fields) == 0 && len(h.Target) > 0 }

// Get is the value of the first field of that name, which must be lower-case.
func (h *Head) Get(name string) []byte {
	for i := range h.Fields {
		if f := &h.Fields[i]; len(f.Name) == len(name) && equalFold(f.Name, name) {
			return f.Value
		}
	}
	return nil
}
