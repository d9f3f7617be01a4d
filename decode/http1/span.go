package http1

import (
	"strconv"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/event"
)

// FillRequest tells in x and p what a request's head says. The same function
// serves the proxy and the decoder, so that both tell the same. Times, sizes
// and addresses are the caller's. The text lives in h until h parses again and
// is filled from again; it does not point into the bytes that were parsed.
func FillRequest(x *event.Exchange, p *event.HTTP, h *Head) {
	h.text = h.text[:0]
	x.HTTP, x.Kind = p, event.Server
	x.Protocol, p.Version = protocol(h)
	p.Method = h.methodText()
	p.Scheme = "http"
	if is(h.Scheme, "https") {
		p.Scheme = "https"
	}
	host, port := semantics.SplitPort(h.Host)
	p.Host, p.Port = h.keep(host), port
	p.Path = h.pathText()
	p.Query = h.redacted(x)
	p.UserAgent = h.keep(h.UserAgent)
	p.RequestID = h.keep(h.RequestID)
	h.name(x, p)
	h.trace(x)
}

// FillResponse tells in x and p what an answer's head says. An interim answer
// (1xx but 101) is counted; the final one comes after it.
func FillResponse(x *event.Exchange, p *event.HTTP, h *Head) {
	if h.Interim() {
		p.Interim = min(p.Interim, 254) + 1
		return
	}
	h.text = h.text[:0]
	p.StatusCode = h.Status
	if h.Status >= 500 { // semantic conventions: for a server, 4xx is no error
		x.Status = event.Error
		x.ErrorType = h.statusText()
	}
	switch {
	case h.Status == 101:
		p.Upgrade = h.keepLower(h.upgrade())
	case h.Tunnel():
		p.Upgrade = "connect"
	}
}

// Interim reports whether a final answer is yet to come.
func (h *Head) Interim() bool { return h.Status < 200 && h.Status != 101 }

// Tunnel reports whether this answer makes the connection an opaque tunnel by
// CONNECT (RFC 9110, 9.3.6).
func (h *Head) Tunnel() bool {
	return !h.request && h.Status >= 200 && h.Status < 300 && string(h.method) == "CONNECT"
}

// upgrade is what Upgrade says even when Connection forgot to name it.
func (h *Head) upgrade() []byte {
	if len(h.Upgrade) > 0 {
		return h.Upgrade
	}
	return h.known.upgrade
}

func protocol(h *Head) (event.Protocol, string) {
	if h.Minor == 0 {
		return event.HTTP10, "1.0"
	}
	return event.HTTP11, "1.1"
}

// keep copies b, at most Limits.Text of it, into the text that h lends.
func (h *Head) keep(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	b = b[:min(len(b), h.limits.Text)]
	at := len(h.text)
	h.text = append(h.text, b...)
	return decode.View(h.text[at:])
}

func (h *Head) keepLower(b []byte) string {
	at := len(h.text)
	for _, c := range b[:min(len(b), h.limits.Text)] {
		h.text = append(h.text, lower(c))
	}
	return decode.View(h.text[at:])
}

func (h *Head) statusText() string {
	at := len(h.text)
	h.text = strconv.AppendInt(h.text, int64(h.Status), 10)
	return decode.View(h.text[at:])
}

func (h *Head) methodText() string {
	if m := semantics.Method(h.Method); m != "" {
		return m
	}
	return h.keep(h.Method)
}

func (h *Head) pathText() string {
	if len(h.Path) == 0 && h.Form == Absolute {
		return "/" // RFC 9112, 3.2.1
	}
	return h.keep(h.Path)
}

func (h *Head) redacted(x *event.Exchange) string {
	if len(h.Query) == 0 {
		return ""
	}
	at := len(h.text)
	var hidden bool
	h.text, hidden = semantics.AppendQuery(h.text, h.Query)
	if hidden {
		x.Decode |= event.Redacted
	}
	return decode.View(h.text[at:min(len(h.text), at+h.limits.Text)])
}

// name makes the operation's name, method and template of the path.
func (h *Head) name(x *event.Exchange, p *event.HTTP) {
	at, template := len(h.text), 0
	h.text = semantics.AppendMethod(h.text, h.Method)
	if h.Form == Authority || h.Form == Asterisk {
		x.Name = decode.View(h.text[at:])
		return
	}
	h.text, template = semantics.AppendTemplated(h.text, p.Path)
	x.Name, p.Template = decode.View(h.text[at:]), decode.View(h.text[template:])
}

// trace takes the trace context that a request carries. The span that it names
// is the parent of the exchange.
func (h *Head) trace(x *event.Exchange) {
	t := semantics.Trace{Parent: h.Traceparent, B3: h.B3, B3Trace: h.B3Trace, B3Span: h.B3Span, Uber: h.UberTrace}
	if t.Fill(x) {
		x.TraceState = h.keep(h.Tracestate)
	}
}
