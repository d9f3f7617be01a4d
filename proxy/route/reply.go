package route

import (
	"bytes"
	"strconv"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/config"
)

// Reply is an answer that a route gives by itself.
type Reply struct {
	Status      int
	Location    []byte // of a redirect
	ContentType string // empty without a body
	Body        string
	Detail      string // what spans and logs say of it (Envoy's response code details)
}

// Detail is the detail of answers that the configuration gives.
const Detail = "direct_response"

// reply is a redirect, a direct response, or what is found out each time.
type reply struct {
	live     func() Reply
	redirect *config.Redirect
	prefix   *prefixRewrite
	fixed    Reply
}

func newReply(c *config.Route) *reply {
	d := &c.DirectResponse
	switch {
	case c.Redirect != (config.Redirect{}):
		r := &reply{redirect: &c.Redirect, fixed: Reply{Status: c.Redirect.Code, Detail: Detail}}
		if c.Redirect.Prefix != "" {
			r.prefix = &prefixRewrite{c.Match.Prefix, c.Redirect.Prefix}
		}
		return r
	case *d != (config.DirectResponse{}):
		r := &reply{fixed: Reply{Status: d.Status, Body: d.Body, Detail: Detail}}
		if d.Body != "" {
			r.fixed.ContentType = d.ContentType
		}
		return r
	}
	return nil
}

// Answers reports whether the route answers by itself.
func (r *Route) Answers() bool { return r.reply != nil }

// Reply is the route's own answer, for one that Answers. scheme is the client's,
// http or https. The text is s's.
func (r *Route) Reply(h *http1.Head, scheme string, s *Scratch) Reply {
	if r.reply.live != nil {
		return r.reply.live()
	}
	a := r.reply.fixed
	if r.reply.redirect != nil {
		at := len(s.text)
		s.text = r.reply.location(s.text, h, scheme)
		a.Location = s.since(at)
	}
	return a
}

// location adds where the client is sent to.
func (r *reply) location(b []byte, h *http1.Head, scheme string) []byte {
	d := r.redirect
	host, port := semantics.SplitPort(h.Host)
	if d.Scheme != "" && d.Scheme != scheme {
		scheme, port = d.Scheme, 0 // another scheme lives on another port
	}
	absolute := d.Host != "" || len(host) > 0
	if absolute {
		b = append(append(b, scheme...), "://"...)
	}
	switch {
	case d.Host != "":
		b, port = append(b, d.Host...), 0
	case bytes.IndexByte(host, ':') >= 0:
		b = append(append(append(b, '['), host...), ']')
	default:
		b = append(b, host...)
	}
	if d.Port != 0 {
		port = uint16(d.Port)
	}
	if port != 0 && absolute {
		b = strconv.AppendInt(append(b, ':'), int64(port), 10)
	}
	return r.target(b, h, absolute)
}

// target adds path and query. A path alone does not begin with two slashes,
// which would make it a host (RFC 3986, 4.2).
func (r *reply) target(b []byte, h *http1.Head, absolute bool) []byte {
	d, path := r.redirect, pathOf(h)
	switch {
	case d.Path != "":
		b = append(b, d.Path...)
	case r.prefix != nil:
		b = r.prefix.append(b, path)
	default:
		for !absolute && len(path) > 1 && path[0] == '/' && path[1] == '/' {
			path = path[1:]
		}
		b = append(b, path...)
	}
	if !h.HasQuery || d.StripQuery || d.Path != "" && bytes.IndexByte([]byte(d.Path), '?') >= 0 {
		return b
	}
	return append(append(b, '?'), h.Query...)
}
