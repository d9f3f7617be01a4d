package route

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/pathtemplate"
)

// match is what a route takes, but for hosts.
type match struct {
	path    func(path []byte) bool // nil for any
	grpc    bool                   // calls of gRPC only
	methods []string
	headers []Condition
	query   []Condition
}

func newMatch(c *config.Match) (m match, err error) {
	m = match{methods: c.Methods, grpc: c.GRPC != ""}
	if m.path, err = newPath(c); err != nil {
		return m, err
	}
	for i := range c.Headers {
		f, err := NewCondition(&c.Headers[i], true)
		if err != nil {
			return m, err
		}
		m.headers = append(m.headers, f)
	}
	for i := range c.Query {
		f, err := NewCondition(&c.Query[i], false)
		if err != nil {
			return m, err
		}
		m.query = append(m.query, f)
	}
	return m, nil
}

// newPath says which paths a match takes.
func newPath(c *config.Match) (func([]byte) bool, error) {
	switch {
	case c.Path != "":
		return func(p []byte) bool { return string(p) == c.Path }, nil
	case c.Prefix != "":
		return func(p []byte) bool { return under(p, c.Prefix) }, nil
	case c.Template != "":
		t, err := pathtemplate.Parse(c.Template)
		return t.Match, err
	case c.Regex != "":
		re, err := whole(c.Regex)
		if err != nil {
			return nil, err
		}
		return re.Match, nil
	case c.GRPC != "" && c.GRPC != "*":
		if service, method, _ := strings.Cut(c.GRPC, "/"); method == "*" || method == "" {
			return func(p []byte) bool { return under(p, "/"+service) && len(p) > len(service)+2 }, nil
		}
		return func(p []byte) bool { return len(p) > 0 && p[0] == '/' && string(p[1:]) == c.GRPC }, nil
	}
	return nil, nil
}

// under reports whether path is prefix or below it.
func under(path []byte, prefix string) bool {
	n := len(prefix)
	if len(path) < n || string(path[:n]) != prefix {
		return false
	}
	return len(path) == n || path[n] == '/' || prefix[n-1] == '/'
}

// whole is a regular expression that must fit all of a text.
func whole(s string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(`\A(?:` + s + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", s, err)
	}
	return re, nil
}

// takes reports whether the request is one of the match's.
func (m *match) takes(h *http1.Head) bool {
	switch {
	case m.path != nil && !m.path(pathOf(h)):
		return false
	case len(m.methods) > 0 && !m.method(h.Method):
		return false
	case m.grpc && !GRPC(h):
		return false
	}
	for i := range m.headers {
		if !m.headers[i].Header(h) {
			return false
		}
	}
	for i := range m.query {
		if !m.query[i].Parameter(h.Query) {
			return false
		}
	}
	return true
}

// root is the path of an absolute target that has none (RFC 9112, 3.2.1).
var root = []byte("/")

func pathOf(h *http1.Head) []byte {
	if len(h.Path) == 0 && h.Form == http1.Absolute {
		return root
	}
	return h.Path
}

func (m *match) method(method []byte) bool {
	return slices.ContainsFunc(m.methods, func(s string) bool { return string(method) == s })
}

// GRPC reports whether a request is a call of gRPC or gRPC-Web, by its content
// type.
func GRPC(h *http1.Head) bool {
	rest, ok := bytes.CutPrefix(h.Get("content-type"), []byte("application/grpc"))
	if !ok {
		return false
	}
	rest = bytes.TrimPrefix(rest, []byte("-web-text"))
	rest = bytes.TrimPrefix(rest, []byte("-web"))
	return len(rest) == 0 || rest[0] == '+' || rest[0] == ';' || rest[0] == ' '
}
