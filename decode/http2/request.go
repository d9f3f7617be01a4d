package http2

import (
	"bytes"
	"unsafe"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/event"
)

// isRequest reports whether a section that a client sent begins a request; one
// of which that cannot be told, when nothing at all of it can.
func isRequest(f *wire.Section) bool {
	for i := range f.Fields {
		switch x := &f.Fields[i]; {
		case x.Role.Pseudo() && x.Role != wire.RoleStatus:
			return true
		case x.Role != wire.RoleOther || x.Name != unknown:
			return false // RFC 9113, 8.3: pseudo-fields come first
		}
	}
	return f.Unsure()
}

// asked is what a request's section says, in the section's text.
type asked struct {
	key
	host, protocol, id, state string
	trace                     semantics.Trace
}

func (a *asked) read(f *wire.Section) {
	for i := range f.Fields {
		x := &f.Fields[i]
		switch x.Role {
		case wire.RoleMethod:
			first(&a.method, x.Value)
		case wire.RoleScheme:
			first(&a.scheme, x.Value)
		case wire.RoleAuthority:
			first(&a.authority, x.Value)
		case wire.RolePath:
			first(&a.path, x.Value)
		case wire.RoleProtocol:
			first(&a.protocol, x.Value)
		case wire.RoleHost:
			first(&a.host, x.Value)
		case wire.RoleUserAgent:
			first(&a.agent, x.Value)
		case wire.RoleRequestID:
			first(&a.id, x.Value)
		case wire.RoleTraceparent:
			firstBytes(&a.trace.Parent, x.Value)
		case wire.RoleTracestate:
			first(&a.state, x.Value)
		case wire.RoleB3:
			firstBytes(&a.trace.B3, x.Value)
		case wire.RoleB3TraceID:
			firstBytes(&a.trace.B3Trace, x.Value)
		case wire.RoleB3SpanID:
			firstBytes(&a.trace.B3Span, x.Value)
		case wire.RoleUberTraceID:
			firstBytes(&a.trace.Uber, x.Value)
		}
	}
}

func first(s *string, v string) {
	if *s == "" {
		*s = v
	}
}

func firstBytes(b *[]byte, v string) {
	if *b == nil {
		*b = view(v)
	}
}

// view is s as bytes, without a copy; nobody writes to them.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// request fills in what the section of a request that came in direction d says:
// the client's, or the server's of a promise.
func (t *conn) request(s *stream, d event.Dir, at int64) {
	h := &t.half[d]
	b, f := &h.block, &h.fields
	s.requested, s.early = true, false
	s.x.Start, s.x.RequestSeq = b.at, b.seq
	s.grew(event.ToServer, b.bytes, at)
	var a asked
	a.read(f)
	if f.Unsure() {
		s.x.Decode |= event.HPACKUnsure
		a.guess()
	}
	if f.Cut {
		s.x.Decode |= event.BodyCut
	}
	t.fill(s, &a)
	if s.keep != nil {
		s.keep.head(event.ToServer, f, t.c.Keep)
	}
	t.openLayer(s, f, b.offset)
}

// guess puts "?" for what every request has and this one may have had among the
// fields that cannot be told.
func (a *asked) guess() {
	for _, s := range [...]*string{&a.method, &a.scheme, &a.path, &a.agent} {
		first(s, unknown)
	}
	if a.host == "" {
		first(&a.authority, unknown)
	}
}

// fill makes the exchange's request of a, as decode/http1 does of a head.
func (t *conn) fill(s *stream, a *asked) {
	first(&a.authority, a.host)
	if !t.usual.fill(s, &a.key) {
		t.make(s, &a.key)
		t.usual.learn(s, &a.key)
	}
	s.p.RequestID = t.copy(&s.text, a.id)
	s.tunnel.protocol = t.copy(&s.text, a.protocol)
	if a.trace.Fill(&s.x) {
		s.x.TraceState = t.copy(&s.text, a.state)
	}
}

// make fills in what hangs on the key.
func (t *conn) make(s *stream, a *key) {
	p := &s.p
	p.Method = semantics.Method(view(a.method))
	if p.Method == "" {
		p.Method = t.copy(&s.text, a.method)
	}
	switch a.scheme {
	case "http", "https", unknown:
		p.Scheme = standardScheme(a.scheme)
	case "":
		p.Scheme = t.scheme()
	default:
		p.Scheme = t.copy(&s.text, a.scheme)
	}
	host := view(a.authority)
	if i := bytes.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	host, p.Port = semantics.SplitPort(host)
	p.Host = t.copy(&s.text, decode.View(host))
	t.target(s, a.path)
	p.UserAgent = t.copy(&s.text, a.agent)
	t.name(s)
}

// standardScheme is a text that does not live in a section.
func standardScheme(s string) string {
	switch s {
	case "http":
		return "http"
	case "https":
		return "https"
	}
	return unknown
}

// scheme is the connection's, where the request does not say.
func (t *conn) scheme() string {
	if t.c.Secure {
		return "https"
	}
	return "http"
}

// target takes a path and a query apart.
func (t *conn) target(s *stream, path string) {
	p := view(path)
	if q := bytes.IndexByte(p, '?'); q >= 0 && path != unknown {
		at, hidden := len(s.text), false
		if s.text, hidden = semantics.AppendQuery(s.text, p[q+1:]); hidden {
			s.x.Decode |= event.Redacted
		}
		s.p.Query = decode.View(s.text[at:min(len(s.text), at+t.c.Limits.Text)])
		path = path[:q]
	}
	s.p.Path = t.copy(&s.text, path)
}

// name makes the operation's name and the template of the path.
func (t *conn) name(s *stream) {
	at, template := len(s.text), 0
	s.text = semantics.AppendMethod(s.text, view(s.p.Method))
	switch s.p.Path {
	case "", "*": // CONNECT, OPTIONS
		s.x.Name = decode.View(s.text[at:])
		return
	case unknown:
		s.text = append(s.text, " ?"...)
		s.x.Name = decode.View(s.text[at:])
		return
	}
	s.text, template = semantics.AppendTemplated(s.text, s.p.Path)
	s.x.Name, s.p.Template = decode.View(s.text[at:]), decode.View(s.text[template:])
}

// copy is v, at most Limits.Text of it, in text.
func (t *conn) copy(text *[]byte, v string) string {
	switch v {
	case "":
		return ""
	case unknown:
		return unknown
	}
	at := len(*text)
	*text = append(*text, v[:min(len(v), t.c.Limits.Text)]...)
	return decode.View((*text)[at:])
}

// openLayer asks who takes the exchange, and keeps the request's fields where it
// is to be asked again when the answer's are known.
func (t *conn) openLayer(s *stream, f *wire.Section, offset int64) {
	if len(t.layers) == 0 {
		return
	}
	t.shows(offset, s.id)
	for _, l := range t.layers {
		if s.call = l.Open(&t.layer, f, nil); s.call != nil {
			return
		}
	}
	if f.Unsure() { // what tells the layer may be among what is not known
		if s.request == nil {
			s.request = new(wire.Section)
		}
		s.request.Keep(f, t.c.Limits.Text)
		s.retained = true
	}
}
