package h1

import (
	"strconv"

	"github.com/pitot-io/pitot/decode/http1"
)

// appendRequest adds the request's head as the upstream gets it: without the
// fields of this connection (RFC 9110, 7.6.1), with those of a proxy.
func (e *exchange) appendRequest(b []byte) []byte {
	h := &e.req
	span := e.x.SpanID
	if e.conn.srv.o.AttemptSpans {
		span = e.a.X.SpanID
	}
	e.pass.At(h, &e.x, span)
	b = append(b, h.Method...)
	b = append(b, ' ')
	b = e.appendTarget(b)
	b = append(b, " HTTP/1.1\r\n"...)
	if h.Form == http1.Absolute || len(h.Host) == 0 {
		b = e.appendHost(b)
	}
	for i := range e.pass.Fields {
		b = appendField(b, &e.pass.Fields[i])
	}
	if h.Framing == http1.Chunked {
		b = append(b, "transfer-encoding: chunked\r\n"...)
	}
	if len(e.upgrade) > 0 {
		b = append(b, "connection: upgrade\r\nupgrade: "...)
		b = append(b, e.upgrade...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func appendField(b []byte, f *http1.Field) []byte {
	b = append(b, f.Name...)
	b = append(b, ": "...)
	b = append(b, f.Value...)
	return append(b, "\r\n"...)
}

// appendTarget adds the target in the form that a server of its own gets
// (RFC 9112, 3.2.1 and 3.2.4).
func (e *exchange) appendTarget(b []byte) []byte {
	h := &e.req
	if h.Form != http1.Absolute {
		return append(b, h.Target...)
	}
	switch {
	case len(h.Path) > 0:
		b = append(b, h.Path...)
	case string(h.Method) == "OPTIONS" && !h.HasQuery:
		return append(b, '*')
	default:
		b = append(b, '/')
	}
	if h.HasQuery {
		b = append(b, '?')
		b = append(b, h.Query...)
	}
	return b
}

// appendHost adds the host of the target, or that of the endpoint for a client
// of HTTP/1.0 that names none.
func (e *exchange) appendHost(b []byte) []byte {
	b = append(b, "host: "...)
	switch {
	case len(e.req.Host) > 0:
		b = append(b, e.req.Host...)
	case e.host.Unix() != "": // a path is no host
		b = append(b, "localhost"...)
	default:
		b = append(b, e.x.Endpoint...)
	}
	return append(b, "\r\n"...)
}

// appendAnswer adds an answer's head as the client gets it.
func (e *exchange) appendAnswer(b []byte, tunnel bool) []byte {
	h := &e.resp
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(h.Status), 10)
	b = append(b, ' ')
	b = append(b, h.Reason...)
	b = append(b, "\r\n"...)
	for i := range h.Fields {
		if f := &h.Fields[i]; !f.Hop {
			b = appendField(b, f)
		}
	}
	switch {
	case h.Status == 101:
		b = append(b, "connection: upgrade\r\nupgrade: "...)
		b = append(b, h.Get("upgrade")...)
		b = append(b, "\r\n"...)
	case tunnel, h.Interim():
	case !e.keep:
		b = append(b, "connection: close\r\n"...)
	case e.req.Minor == 0:
		b = append(b, "connection: keep-alive\r\n"...)
	}
	if h.Framing == http1.Chunked && !e.plain {
		b = append(b, "transfer-encoding: chunked\r\n"...)
	}
	return append(b, "\r\n"...)
}
