package route

import (
	"regexp"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
)

// rewrite changes path and host of a request on its way to a cluster.
type rewrite struct {
	prefix  *prefixRewrite
	pattern *regexp.Regexp
	with    string
	host    config.HostRewrite
}

// prefixRewrite puts one prefix in the place of another.
type prefixRewrite struct {
	from string // empty for all of the path
	to   string
}

func newRewrite(c *config.Route) (w rewrite, err error) {
	w.host = c.HostRewrite
	if c.PrefixRewrite != "" {
		w.prefix = &prefixRewrite{c.Match.Prefix, c.PrefixRewrite}
	}
	if c.RegexRewrite.Pattern != "" {
		w.pattern, err = regexp.Compile(c.RegexRewrite.Pattern)
		w.with = c.RegexRewrite.Substitution
	}
	return w, err
}

// append adds the new path. Where prefix and replacement meet stands exactly
// one slash: /orders/7 with /orders for / becomes /7.
func (p *prefixRewrite) append(b, path []byte) []byte {
	b = append(b, p.to...)
	if p.from == "" {
		return b
	}
	rest := path[min(len(p.from), len(path)):]
	slash := p.to[len(p.to)-1] == '/'
	switch {
	case len(rest) == 0:
	case slash && rest[0] == '/':
		rest = rest[1:]
	case !slash && rest[0] != '/':
		b = append(b, '/')
	}
	return append(b, rest...)
}

var originalPath = []byte("x-envoy-original-path")

// Rewrite changes h's path and host as the route wants, but for what depends
// on the endpoint (HostAt). The path that was asked for stands in
// x-envoy-original-path afterwards. The text is s's.
func (r *Route) Rewrite(h *http1.Head, s *Scratch) {
	w := &r.rewrite
	if path := pathOf(h); (w.prefix != nil || w.pattern != nil) && len(path) > 0 && path[0] == '/' {
		at := len(s.text)
		s.text = appendTarget(s.text, path, h)
		old := s.since(at)
		at = len(s.text)
		if w.prefix != nil {
			s.text = w.prefix.append(s.text, path)
		} else {
			s.text = w.substitute(s.text, path)
		}
		setPath(h, at, s)
		keepPath(h, old)
	}
	switch {
	case w.host.Literal != "":
		at := len(s.text)
		s.text = append(s.text, w.host.Literal...)
		setHost(h, s.since(at), s)
	case w.host.Header != "":
		if v := fieldOf(h, w.host.Header); authority(v) {
			setHost(h, v, s)
		}
	case w.host.Auto && len(h.Host) > 0:
		setHost(h, h.Host, s) // so that there is a field for HostAt
	case w.host.Auto:
		setHost(h, nowhere, s)
	}
}

// authority reports whether a client's value may stand as the host.
func authority(v []byte) bool {
	for _, c := range v {
		if c <= ' ' || c >= 0x7f || c == '/' || c == '?' || c == '#' || c == '@' || c == '\\' || c == ',' {
			return false
		}
	}
	return len(v) > 0
}

func fieldOf(h *http1.Head, name string) []byte {
	for i := range h.Fields {
		if f := &h.Fields[i]; !f.Hop && same(f, []byte(name)) {
			return f.Value
		}
	}
	return nil
}

// HostAt sets the host of h, and in fields, which go with it, to that of the
// endpoint, host:port, where the route wants that. It is called for every
// attempt.
func (r *Route) HostAt(h *http1.Head, fields []http1.Field, endpoint string, s *Scratch) {
	if !r.rewrite.host.Auto {
		return
	}
	at := len(s.text)
	s.text = append(s.text, endpoint...)
	h.Host = s.since(at)
	for i := range fields {
		if f := &fields[i]; f.ID == http1.HostField {
			f.Value = h.Host
		}
	}
}

var (
	hostName = []byte("host")
	nowhere  = []byte("localhost") // until HostAt
)

func setHost(h *http1.Head, host []byte, s *Scratch) {
	s.host, s.hosted = h.Host, true
	h.Host = host
	setField(h, hostName, http1.HostField, host)
}

// setPath makes s's text from at on h's path.
func setPath(h *http1.Head, at int, s *Scratch) {
	h.Path = s.since(at)
	if len(h.Path) == 0 || h.Path[0] != '/' { // a substitution may have taken it
		n := len(s.text)
		s.text = append(append(s.text, '/'), h.Path...)
		h.Path = s.since(n)
	}
	if h.Form == http1.Origin {
		n := len(s.text)
		s.text = appendTarget(s.text, h.Path, h)
		h.Target = s.since(n)
	}
}

// appendTarget adds path with h's query.
func appendTarget(b, path []byte, h *http1.Head) []byte {
	b = append(b, path...)
	if h.HasQuery {
		b = append(append(b, '?'), h.Query...)
	}
	return b
}

// keepPath notes the path that was asked for, in the place of whatever the
// client claims that it was.
func keepPath(h *http1.Head, old []byte) {
	for i := range h.Fields {
		if same(&h.Fields[i], originalPath) {
			h.Fields[i] = http1.Field{Name: originalPath, Value: old}
			return
		}
	}
	h.Fields = append(h.Fields, http1.Field{Name: originalPath, Value: old})
}

// Kept reports whether a field is the one that Rewrite has made, and not the
// client's own of that name.
func Kept(f *http1.Field) bool { return len(f.Name) > 0 && &f.Name[0] == &originalPath[0] }

// substitute adds path with every place that the pattern fits replaced. It
// allocates: package regexp tells where groups are in no other way.
func (w *rewrite) substitute(b, path []byte) []byte {
	from := 0
	for _, m := range w.pattern.FindAllSubmatchIndex(path, -1) {
		b = append(b, path[from:m[0]]...)
		b = w.expand(b, path, m)
		from = m[1]
	}
	return append(b, path[from:]...)
}

func (w *rewrite) expand(b, path []byte, m []int) []byte {
	for i := 0; i < len(w.with); i++ {
		c := w.with[i]
		if c != '\\' || i+1 == len(w.with) {
			b = append(b, c)
			continue
		}
		i++
		g := int(w.with[i]-'0') * 2
		switch {
		case w.with[i] == '\\':
			b = append(b, '\\')
		case g+1 < len(m) && m[g] >= 0:
			b = append(b, path[m[g]:m[g+1]]...)
		}
	}
	return b
}
