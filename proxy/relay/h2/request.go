package h2

import (
	"bytes"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
)

// request is a stream that a client opened.
type request struct {
	stream
	srv     *serverConn
	head    http1.Head
	refused error   // what is wrong with its head
	digits  [3]byte // of the answer's status
	muted   bool    // and the client has been told so: what is answered goes nowhere

	worker *worker     // that carries it on, or did so last
	goOn   func() bool // how; nil at first
}

// parse fills in the head of a request's section; reason says what is malformed
// about it (RFC 9113, 8.3.1), status how what is not malformed but cannot be
// carried on is answered.
func (r *request) parse(x *wire.Section, end bool) (reason string, status int) {
	if reason := malformed(x, false); reason != "" {
		return reason, 0
	}
	h := &r.head
	h.Begin(nil, r.srv.heads)
	var path, protocol []byte
	r.text = grown(r.text, x.Size)
	for i := range x.Fields {
		f := &x.Fields[i]
		var slot *[]byte
		switch f.Role {
		case wire.RoleMethod:
			slot = &h.Method
		case wire.RoleScheme:
			slot = &h.Scheme
		case wire.RoleAuthority:
			slot = &h.Host
		case wire.RolePath:
			slot = &path
		case wire.RoleProtocol:
			slot = &protocol
		case wire.RoleStatus:
			return "a request with :status", 0
		default:
			continue
		}
		if *slot != nil {
			return "a pseudo-field twice", 0
		}
		*slot = r.keep(f.Value)
	}
	if reason := r.target(path, protocol); reason != "" {
		return reason, 0
	}
	if reason := r.host(x); reason != "" {
		return reason, 0
	}
	r.fields = r.take(x, r.fields[:0])
	for i := range r.fields {
		f := &r.fields[i]
		h.Add(f.Name, f.Value, f.ID)
	}
	if len(h.Host) == 0 {
		return "", 400
	}
	return r.framing(end), 0
}

// target checks and takes what the pseudo-fields say of it (RFC 9113, 8.3.1 and
// 8.5; RFC 8441, 4).
func (r *request) target(path, protocol []byte) string {
	h := &r.head
	connect := string(h.Method) == "CONNECT"
	switch {
	case h.Method == nil:
		return "a request without :method"
	case !http1.Token(h.Method), is(h.Method, "head") && string(h.Method) != "HEAD", is(h.Method, "connect") && !connect:
		return "a method that is none, or that is taken differently in small letters"
	case connect && protocol == nil:
		if h.Scheme != nil || path != nil || !http1.ValidAuthority(h.Host) {
			return "CONNECT with :scheme or :path, or without :authority"
		}
		h.Form, h.Target = http1.Authority, h.Host
		return ""
	case protocol != nil && !connect:
		return ":protocol without CONNECT"
	case h.Scheme == nil || path == nil:
		return "a request without :scheme or :path"
	case string(h.Scheme) != "http" && string(h.Scheme) != "https":
		return "a scheme other than http and https"
	case protocol != nil && !http1.Token(protocol):
		return "a :protocol that is none"
	}
	if protocol != nil {
		h.Upgrade = protocol
	}
	switch {
	case string(path) == "*" && string(h.Method) == "OPTIONS":
		h.Form, h.Target, h.Path = http1.Asterisk, path, path
	case len(path) == 0 || path[0] != '/' || !pathChars(path):
		return "a :path that is none"
	default:
		h.SplitTarget(path)
	}
	return ""
}

// pathChars reports whether a path can stand in a request line: no blank, no
// control character, no fragment.
func pathChars(path []byte) bool {
	for _, c := range path {
		if c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// host looks for a Host field and compares it with :authority.
func (r *request) host(x *wire.Section) string {
	h := &r.head
	hosts := 0
	for i := range x.Fields {
		f := &x.Fields[i]
		if f.Role != wire.RoleHost {
			continue
		}
		if hosts++; hosts > 1 {
			return "several Host fields"
		}
		if len(h.Host) > 0 {
			if !bytes.EqualFold(h.Host, view(f.Value)) {
				return "Host and :authority differ"
			}
			continue
		}
		h.Host = r.keep(f.Value)
	}
	if len(h.Host) > 0 && !http1.ValidAuthority(h.Host) {
		return "an authority that is none"
	}
	return ""
}

// framing finds how long the body is said to be (RFC 9113, 8.1.1).
func (r *request) framing(end bool) string {
	h := &r.head
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != http1.ContentLength {
			continue
		}
		n, ok := http1.ParseLength(f.Value)
		if !ok || r.need >= 0 && r.need != n {
			return "a content-length that is none, or several that differ"
		}
		if r.need >= 0 {
			f.Hop = true // said twice
		}
		r.need = n
	}
	h.ContentLength = r.need
	switch {
	case end && r.need > 0:
		return "no body, though content-length announces one"
	case end:
		h.Framing = http1.NoBody
	case r.need >= 0:
		h.Framing, h.Length = http1.Length, r.need
	default:
		h.Framing = http1.Chunked
	}
	return ""
}

// Request implements relay.Client.
func (r *request) Request() *http1.Head { return &r.head }

// Conn implements relay.Client.
func (r *request) Conn() *relay.Info { return r.srv.info }

// Interim implements relay.Client.
func (r *request) Interim(h *http1.Head) error {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if err := r.ready(); err != nil {
		return err
	}
	r.answer(h.Status, h.Fields, false)
	return nil
}

// Answer implements relay.Client.
func (r *request) Answer(h *http1.Head, end bool) error {
	parting := r.srv.srv.engine.Parting()
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.muted {
		return nil
	}
	if err := r.ready(); err != nil {
		return err
	}
	status := h.Status
	if status == 101 { // RFC 8441, 5
		status = 200
	}
	r.answer(status, h.Fields, end)
	if parting {
		r.srv.part()
	}
	return nil
}

// Write implements relay.Client.
func (r *request) Write(p []byte) error {
	if r.muted {
		return nil
	}
	return r.stream.Write(p)
}

// Finish implements relay.Client.
func (r *request) Finish(trailers []http1.Field) error {
	if r.muted {
		return nil
	}
	return r.stream.Finish(trailers)
}

// Flush implements relay.Client.
func (r *request) Flush() error {
	if r.muted {
		return nil
	}
	return r.stream.Flush()
}

// answer appends a head. Locked.
func (r *request) answer(status int, fields []http1.Field, end bool) {
	x := r.c.begin(16 + sizeOf(fields))
	r.digits = [3]byte{byte('0' + status/100%10), byte('0' + status/10%10), byte('0' + status%10)}
	x.pseudo(wire.RoleStatus, r.digits[:])
	x.fields(fields)
	x.done(&r.stream, end)
}

// code is what a reason is in HTTP/2 (RFC 9113, 7).
func code(why relay.Reason) wire.Code {
	switch why {
	case relay.Cancelled:
		return wire.Cancel
	case relay.Malformed:
		return wire.ProtocolError
	case relay.Refused:
		return wire.RefusedStream
	case relay.TooMuch:
		return wire.EnhanceYourCalm
	case relay.NotNeeded:
		return wire.NoError
	case relay.HTTP11Asked:
		return wire.HTTP11Required
	}
	return wire.InternalError
}

// Abort implements relay.Client.
func (r *request) Abort(why relay.Reason) {
	r.c.mu.Lock()
	if !r.closed() {
		r.reset(code(why), relay.ErrInterrupted)
	}
	r.c.mu.Unlock()
	r.c.flush()
}

// Interrupt implements relay.Client.
func (r *request) Interrupt(all bool) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.noNext = true
	r.noWrite = r.noWrite || all
	r.r.Signal()
	r.w.Signal()
}

// OnGone implements relay.Client.
func (r *request) OnGone(f func()) {
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	r.gone = f
	if f != nil {
		r.callGone()
		return
	}
	for r.inGone {
		r.w.Wait()
	}
}
