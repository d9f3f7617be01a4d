package http1

import (
	"bytes"

	"github.com/pitot-io/pitot/decode/semantics"
)

// target reads a request's target (RFC 9112, 3.2) and finds the host.
func (h *Head) target(k *known) error {
	h.Host = k.host
	t := h.Target
	switch {
	case string(h.Method) == "CONNECT" && !(h.mode == Lenient && len(t) > 0 && t[0] == '/'):
		h.Form, h.Host = Authority, t
	case len(t) > 0 && t[0] == '/':
		h.pathQuery(t)
	case len(t) == 1 && t[0] == '*':
		h.Form, h.Path = Asterisk, t
	default:
		h.absolute(t)
	}
	if h.mode == Strict {
		return h.checkTarget(k)
	}
	if k.hosts > 1 {
		h.ambiguous("several Host fields: taken by the first")
	}
	return nil
}

func (h *Head) pathQuery(t []byte) {
	if q := bytes.IndexByte(t, '?'); q >= 0 {
		h.HasQuery, h.Query, t = true, t[q+1:], t[:q]
	}
	h.Path = t
}

// absolute reads scheme://[userinfo@]authority/path; what is none of that
// is left a path in origin form.
func (h *Head) absolute(t []byte) {
	s := bytes.Index(t, []byte("://"))
	if s <= 0 || !isToken(t[:s]) {
		h.pathQuery(t)
		return
	}
	h.Form, h.Scheme = Absolute, t[:s]
	t = t[s+3:]
	end := bytes.IndexAny(t, "/?#")
	if end < 0 {
		end = len(t)
	}
	h.Host = t[:end]
	if at := bytes.LastIndexByte(h.Host, '@'); at >= 0 {
		h.Host = h.Host[at+1:]
	}
	h.pathQuery(t[end:])
}

// checkTarget refuses targets and hosts that two programs may take differently.
func (h *Head) checkTarget(k *known) error {
	switch {
	case k.hosts > 1:
		return bad("http1.duplicate_host_header")
	case k.hosts == 0 && h.Minor == 1:
		return bad("missing_host_header") // RFC 9112, 3.2
	case k.hosts == 1 && (len(k.host) > 0 || h.Form == Origin) && !validAuthority(k.host):
		return bad("http1.invalid_host_header")
	case is(h.Method, "head") && string(h.Method) != "HEAD", is(h.Method, "connect") && string(h.Method) != "CONNECT":
		return bad("http1.ambiguous_method") // a server that ignores case frames its answer otherwise
	case bytes.IndexByte(h.Target, '#') >= 0:
		return bad("http1.path_with_fragment")
	}
	return h.checkForm(k)
}

func (h *Head) checkForm(k *known) error {
	switch h.Form {
	case Origin:
		if len(h.Target) == 0 || h.Target[0] != '/' {
			return bad("http1.invalid_target")
		}
	case Asterisk:
		if string(h.Method) != "OPTIONS" {
			return bad("http1.invalid_target")
		}
	case Authority:
		host, port := semantics.SplitPort(h.Host)
		if !validAuthority(h.Host) || port == 0 || len(host) == 0 {
			return bad("http1.invalid_target")
		}
	case Absolute:
		switch {
		case !is(h.Scheme, "http") && !is(h.Scheme, "https"):
			return bad("http1.invalid_scheme")
		case !validAuthority(h.Host) || bytes.IndexByte(h.Target, '@') >= 0 && userinfo(h.Target):
			return bad("http1.invalid_authority")
		case k.hosts == 1 && !bytes.EqualFold(k.host, h.Host):
			return bad("http1.host_and_target_differ")
		}
	}
	return nil
}

// userinfo reports whether an absolute target has one, which RFC 9110, 4.2.4
// deprecates and phishing loves.
func userinfo(t []byte) bool {
	t = t[bytes.Index(t, []byte("://"))+3:]
	if end := bytes.IndexAny(t, "/?#"); end >= 0 {
		t = t[:end]
	}
	return bytes.IndexByte(t, '@') >= 0
}

// validAuthority takes host[:port] in the characters of RFC 3986, 3.2.2.
func validAuthority(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	host, rest := b, []byte(nil)
	if b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return false
		}
		host, rest = b[1:end], b[end+1:]
	} else if c := bytes.IndexByte(b, ':'); c >= 0 {
		host, rest = b[:c], b[c:]
	}
	if len(rest) > 0 && (rest[0] != ':' || len(rest) > 6 || !digits(rest[1:])) {
		return false
	}
	for _, c := range host {
		if !hostByte[c] && !(b[0] == '[' && c == ':') {
			return false
		}
	}
	return len(host) > 0
}

// hostByte holds the characters of a host's name or IPv4 address.
var hostByte = hostTable()

func hostTable() (t [256]bool) {
	for c := range t {
		t[c] = digit(byte(c)) || lower(byte(c))-'a' < 26
	}
	for _, c := range "-._~%!$&'()*+;=" {
		t[c] = true
	}
	return t
}

func digits(b []byte) bool {
	for _, c := range b {
		if !digit(c) {
			return false
		}
	}
	return true
}
