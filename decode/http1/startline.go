package http1

import (
	"bytes"

	"github.com/pitot-io/pitot/decode/semantics"
)

// line is the line that starts at i, and where the next begins (0: b ends
// before it does).
func (h *Head) line(b []byte, i int) (line []byte, next int, err error) {
	e := textEnd(b, i)
	if e+1 < len(b) && b[e] == '\r' && b[e+1] == '\n' {
		return b[i:e], e + 2, nil
	}
	if e == len(b) || e+1 == len(b) && b[e] == '\r' {
		return nil, 0, nil
	}
	if h.mode == Strict {
		return nil, 0, badByte(b[e])
	}
	return h.oddLine(b, i)
}

func badByte(c byte) error {
	switch c {
	case '\n':
		return bad("http1.codec_error.bare_lf")
	case '\r':
		return bad("http1.codec_error.bare_cr")
	}
	return bad("http1.codec_error.invalid_character")
}

// oddLine is line for one that ends in LF alone or has control characters.
func (h *Head) oddLine(b []byte, i int) (line []byte, next int, err error) {
	k := bytes.IndexByte(b[i:], '\n')
	if k < 0 {
		return nil, 0, nil
	}
	line, next = b[i:i+k], i+k+1
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	} else {
		h.Odd |= BareLF
	}
	if textEnd(line, 0) < len(line) {
		h.Odd |= BadByte
	}
	return line, next, nil
}

// requestLine reads method, target and version (RFC 9112, 3).
func (h *Head) requestLine(b []byte, i int) (int, error) {
	line, next, err := h.line(b, i)
	if next == 0 || err != nil {
		return 0, err
	}
	m := bytes.IndexByte(line, ' ')
	v := len(line) - len(" HTTP/1.1")
	if m <= 0 || v <= m+1 || !isToken(line[:m]) || line[v] != ' ' || !h.version(line[v+1:]) || bytes.IndexByte(line[m+1:v], ' ') >= 0 {
		if h.mode == Strict {
			return 0, badRequestLine(line)
		}
		return next, h.oddRequestLine(line)
	}
	h.Method, h.Target = line[:m], line[m+1:v]
	return next, nil
}

// version reads "HTTP/1.0" or "HTTP/1.1".
func (h *Head) version(b []byte) bool {
	if len(b) != 8 || string(b[:7]) != "HTTP/1." || b[7] != '0' && b[7] != '1' {
		return false
	}
	h.Minor = int(b[7] - '0')
	return true
}

func badRequestLine(line []byte) error {
	k := bytes.LastIndexByte(line, ' ')
	if v := line[k+1:]; k > 0 && len(v) == 8 && string(v[:5]) == "HTTP/" && digit(v[5]) && v[6] == '.' && digit(v[7]) &&
		string(v) != "HTTP/1.0" && string(v) != "HTTP/1.1" {
		return &Error{505, "http1.version_not_supported"}
	}
	return bad("http1.codec_error.request_line")
}

func digit(c byte) bool { return c-'0' < 10 }

// oddRequestLine takes whatever has a method first and a version last, or at
// least a method and a path: servers answer these too.
func (h *Head) oddRequestLine(line []byte) error {
	h.Odd |= OddStartLine
	line = trim(line)
	m := bytes.IndexAny(line, " \t")
	v := bytes.LastIndexAny(line, " \t")
	switch {
	case m < 0 && semantics.Method(line) != "" && string(line) != "CONNECT": // fields may follow
		h.Method, h.Odd, h.Minor = line, h.Odd|NoVersion, 0
		return nil
	case m <= 0 || !isToken(line[:m]):
		return bad("http1.codec_error.request_line")
	case h.oddVersion(line[v+1:]):
		h.Target = trim(line[m:v])
		if bytes.IndexAny(h.Target, " \t") >= 0 {
			h.ambiguous("target with blanks: taken to the first one, refused, or whole: taken whole")
		}
	case plausibleTarget(trim(line[m:])):
		h.Target, _ = cut(trim(line[m:]), ' ')
		h.Minor = 0
		h.Odd |= NoVersion
	default:
		return bad("http1.codec_error.request_line")
	}
	h.Method = line[:m]
	return nil
}

// oddVersion reads "HTTP/" and two numbers, in any case; what is not 1.0 is
// taken for 1.1.
func (h *Head) oddVersion(b []byte) bool {
	if len(b) < 8 || !equalFold(b[:5], "http/") || !digit(b[5]) || b[6] != '.' || !digit(b[7]) {
		return false
	}
	h.Minor = 1
	if b[5] == '1' && b[7] == '0' && len(b) == 8 {
		h.Minor = 0
	}
	return true
}

// statusLine reads version, status and reason (RFC 9112, 4). The space before
// an empty reason is often left out and may be.
func (h *Head) statusLine(b []byte, i int) (int, error) {
	line, next, err := h.line(b, i)
	if next == 0 || err != nil {
		return 0, err
	}
	if len(line) < 12 || !h.version(line[:8]) || line[8] != ' ' || !h.status(line[9:12]) || len(line) > 12 && line[12] != ' ' {
		if h.mode == Strict {
			return 0, bad("http1.codec_error.status_line")
		}
		return next, h.oddStatusLine(line)
	}
	if len(line) > 13 {
		h.Reason = line[13:]
	}
	return next, nil
}

func (h *Head) status(b []byte) bool {
	if !digit(b[0]) || !digit(b[1]) || !digit(b[2]) || b[0] == '0' {
		return false
	}
	h.Status = int(b[0]-'0')*100 + int(b[1]-'0')*10 + int(b[2]-'0')
	return true
}

// oddStatusLine takes a version in any case and three digits after any blanks.
func (h *Head) oddStatusLine(line []byte) error {
	h.Odd |= OddStartLine
	line = trim(line)
	k := bytes.IndexAny(line, " \t")
	if k < 0 || !h.oddVersion(line[:k]) {
		return bad("http1.codec_error.status_line")
	}
	line = trim(line[k:])
	if len(line) < 3 || !h.status(line[:3]) {
		return bad("http1.codec_error.status_line")
	}
	h.Reason = trim(line[3:])
	return nil
}
