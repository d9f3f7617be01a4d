package h2

import (
	"unsafe"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/http2/wire"
)

// pairs are the fields that both the parser of HTTP/1 and HPACK know.
var pairs = [...]struct {
	id   http1.FieldID
	role wire.Role
}{
	{http1.Connection, wire.RoleConnection}, {http1.ContentLength, wire.RoleContentLength},
	{http1.TransferEncoding, wire.RoleTransferEncoding}, {http1.HostField, wire.RoleHost}, {http1.Expect, wire.RoleExpect},
	{http1.UpgradeField, wire.RoleUpgrade}, {http1.KeepAliveField, wire.RoleKeepAlive}, {http1.ProxyConnection, wire.RoleProxyConnection},
	{http1.ProxyAuthorization, wire.RoleProxyAuthorization}, {http1.TE, wire.RoleTE}, {http1.Trailer, wire.RoleTrailer},
	{http1.UserAgentField, wire.RoleUserAgent}, {http1.XRequestID, wire.RoleRequestID}, {http1.XForwardedFor, wire.RoleXForwardedFor},
	{http1.XForwardedProto, wire.RoleXForwardedProto}, {http1.XForwardedHost, wire.RoleXForwardedHost}, {http1.Via, wire.RoleVia},
	{http1.Traceparent, wire.RoleTraceparent}, {http1.Tracestate, wire.RoleTracestate}, {http1.B3, wire.RoleB3},
	{http1.B3TraceID, wire.RoleB3TraceID}, {http1.B3SpanID, wire.RoleB3SpanID}, {http1.UberTraceID, wire.RoleUberTraceID},
	{http1.HTTP2Settings, wire.RoleHTTP2Settings},
}

var ids, roles = translate()

func translate() (i [wire.Roles]http1.FieldID, r [256]wire.Role) {
	for _, p := range pairs {
		i[p.role], r[p.id] = p.id, p.role
	}
	return i, r
}

func roleOf(id http1.FieldID) wire.Role { return roles[id] }

// take copies a section's text into the stream, and appends the fields that are
// no pseudo-fields to into. Split Cookie fields are joined (RFC 9113, 8.2.3).
func (s *stream) take(x *wire.Section, into []http1.Field) []http1.Field {
	s.text = grown(s.text, x.Size)
	cookies, first := 0, len(into)
	for i := range x.Fields {
		f := &x.Fields[i]
		if f.Role.Pseudo() || f.Role == wire.RoleHost {
			continue
		}
		value := f.Value
		if f.Role == wire.RoleCookie {
			if cookies++; cookies > 1 {
				continue
			}
			value = ""
		}
		into = append(into, http1.Field{Name: s.name(f), Value: s.keep(value), ID: ids[f.Role], Hop: f.Role == wire.RoleHTTP2Settings})
	}
	if cookies > 0 {
		s.joinCookies(x, into[first:])
	}
	return into
}

// joinCookies makes one value of all pieces.
func (s *stream) joinCookies(x *wire.Section, fields []http1.Field) {
	at := len(s.text)
	for i := range x.Fields {
		if f := &x.Fields[i]; f.Role == wire.RoleCookie {
			if len(s.text) > at {
				s.text = append(s.text, "; "...)
			}
			s.text = append(s.text, f.Value...)
		}
	}
	for i := range fields {
		if is(fields[i].Name, "cookie") {
			fields[i].Value = s.text[at:len(s.text):len(s.text)]
			return
		}
	}
}

// name is a field's name, which is static where it has a role.
func (s *stream) name(f *wire.Field) []byte {
	if n := f.Role.Name(); n != "" {
		return view(n)
	}
	return s.keep(f.Name)
}

func (s *stream) keep(text string) []byte {
	at := len(s.text)
	s.text = append(s.text, text...)
	return s.text[at:len(s.text):len(s.text)]
}

// grown is b with room for n more bytes.
func grown(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	return append(make([]byte, 0, 2*cap(b)+n), b...)
}

// view is s as bytes, without a copy; nobody writes to them.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// malformed says what is wrong with the fields of a section other than its
// pseudo-fields, which come first (RFC 9113, 8.2 and 8.3), "" where nothing is.
func malformed(x *wire.Section, trailers bool) string {
	regular := false
	for i := range x.Fields {
		f := &x.Fields[i]
		if f.Malformed {
			return "a field's name or value has characters that it must not have"
		}
		if f.Role.Pseudo() {
			switch {
			case trailers:
				return "a pseudo-field in trailers"
			case regular:
				return "a pseudo-field after a field"
			}
			continue
		}
		regular = true
		switch {
		case f.Name[0] == ':':
			return "a pseudo-field that nobody knows"
		case f.Role.OfConnection() && f.Role != wire.RoleHTTP2Settings:
			return "a field of an HTTP/1.1 connection"
		case f.Role == wire.RoleTE && !is(view(f.Value), "trailers"):
			return "te that says more than trailers"
		case !http1.Content(view(f.Value)):
			return "a field's value has control characters"
		}
	}
	return ""
}
