package http1

import (
	"bytes"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/event"
)

// surelyHTTP is how many bytes of a request line with a method that everybody
// knows are enough, so that a long target does not hinder detection.
const surelyHTTP = 512

// Detect tells HTTP/1.x by its first line, and HTTP/0.9 where that is a method
// that everybody knows and an absolute path. HTTP/2's preface is not claimed.
func Detect(d event.Dir, b []byte) decode.Verdict {
	switch n := preamble(d, b); {
	case n == 0 && len(b) < maxPreamble:
		return decode.Maybe
	case n > 0:
		b = b[n:]
	}
	b = bytes.TrimLeft(b, "\r\n")
	if d == event.ToClient {
		return detectStatus(b)
	}
	return detectRequest(b)
}

func detectStatus(b []byte) decode.Verdict {
	const start = "http/1."
	for i := range min(len(b), len(start)) {
		if lower(b[i]) != start[i] {
			return decode.No
		}
	}
	switch {
	case len(b) < len(start)+2:
		return decode.Maybe
	case digit(b[7]) && blank(b[8]):
		return decode.Yes
	}
	return decode.No
}

// detectRequest wants method, target and HTTP/1.x on one line. A line that only
// resembles that waits for what the server makes of it.
func detectRequest(b []byte) decode.Verdict {
	line, _, whole := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	m := bytes.IndexAny(line, " \t")
	switch {
	case textEnd(line, 0) < len(line):
		return decode.No
	case !whole && len(b) < surelyHTTP:
		return decode.Maybe
	case !whole && (m < 0 || m > maxMethod || !isToken(line[:m])):
		return decode.No
	case !whole:
		if semantics.Method(line[:m]) != "" && plausibleTarget(line[m+1:]) {
			return decode.Yes
		}
		return decode.Maybe
	case m > 0 && m <= maxMethod && isToken(line[:m]) && endsInVersion(line), m > 0 && simple(line[:m], line[m+1:]):
		return decode.Yes
	case bytes.Contains(line, []byte("HTTP/1")), semantics.Method(line) != "", m > 0 && isToken(line[:m]) && plausibleTarget(line[m+1:]):
		return decode.Maybe
	}
	return decode.No
}

// Simple reports whether a client's first bytes are a request of HTTP/0.9,
// which Detect takes for HTTP though no version is named.
func Simple(b []byte) bool {
	line, _, whole := bytes.Cut(bytes.TrimLeft(b, "\r\n"), []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	m := bytes.IndexByte(line, ' ')
	return whole && m > 0 && simple(line[:m], line[m+1:])
}

// simple reports whether a line is a request of HTTP/0.9.
func simple(method, target []byte) bool {
	return semantics.Method(method) != "" && len(target) > 0 && target[0] == '/' && bytes.IndexAny(target, " \t") < 0
}

// maxMethod is the longest method that detection believes in.
const maxMethod = 32

// endsInVersion reports whether a request line ends in a blank and HTTP/1.x.
func endsInVersion(line []byte) bool {
	line = trimRight(bytes.TrimSuffix(line, []byte("\r")))
	v := len(line) - len("HTTP/1.1")
	return v > 1 && blank(line[v-1]) && equalFold(line[v:v+7], "http/1.") && digit(line[v+7])
}

// recognise finds where a message starts in a line of a stream whose place was
// lost, -1 when it does not: at the line's start or, since bodies need not end
// in a newline, within it.
func recognise(d event.Dir, line []byte) int {
	if d == event.ToClient {
		return recogniseStatus(line)
	}
	return recogniseRequest(line)
}

func recogniseStatus(line []byte) int {
	const size = len("HTTP/1.1 200")
	for from := 0; ; {
		k := bytes.Index(line[from:], []byte("HTTP/1."))
		if k < 0 {
			return -1
		}
		at := from + k
		s := line[at:]
		if len(s) >= size && (s[7] == '0' || s[7] == '1') && s[8] == ' ' && s[9]-'1' < 9 && digits(s[10:12]) &&
			(len(s) == size || s[12] == ' ' || s[12] == '\r' || s[12] == '\n') {
			return at
		}
		from = at + 7
	}
}

func recogniseRequest(line []byte) int {
	line = bytes.TrimRight(line, "\r\n")
	if !endsInVersion(line) {
		return -1
	}
	m := bytes.IndexByte(line, ' ')
	if m > 0 && m <= maxMethod && isToken(line[:m]) && (plausibleTarget(line[m+1:]) || semantics.Method(line[:m]) != "") {
		return 0
	}
	for _, name := range [...]string{"GET /", "POST /", "PUT /", "HEAD /", "DELETE /", "PATCH /", "OPTIONS /"} {
		if at := bytes.LastIndex(line, []byte(name)); at >= 0 {
			return at
		}
	}
	return -1
}

func plausibleTarget(b []byte) bool {
	t, _ := cut(b, ' ')
	return len(t) > 0 && (t[0] == '/' || bytes.Contains(t, []byte("://")))
}

func cut(b []byte, sep byte) (before, after []byte) {
	for i, c := range b {
		if c == sep {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}
