package demo

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
)

// trace is the W3C trace context a service works in: the trace's id and the caller's flags.
type trace struct {
	id    string // 32 hex digits
	flags string
}

// traceOf continues the trace of a request, or begins one (W3C Trace Context, 3.2).
func traceOf(r *http.Request) trace {
	parts := strings.Split(r.Header.Get("Traceparent"), "-")
	if len(parts) >= 4 && len(parts[1]) == 32 && len(parts[3]) == 2 && strings.Trim(parts[1], "0") != "" {
		return trace{parts[1], parts[3]}
	}
	return trace{randomHex(16), "01"}
}

// parent is a traceparent for one call: the trace, and a span id of its own.
func (t trace) parent() string { return "00-" + t.id + "-" + randomHex(8) + "-" + t.flags }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program rather than return an error
	return hex.EncodeToString(b)
}
