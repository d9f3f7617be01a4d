package config

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// HashPolicy is one thing of a request that its hash is made of, for clusters of
// policy ring_hash and maglev.
type HashPolicy struct {
	Header string       `yaml:"header,omitempty"`
	Regex  RegexRewrite `yaml:"regex,omitempty"` // done to the header's values first
	Cookie *Cookie      `yaml:"cookie,omitempty"`
	Source bool         `yaml:"source_address,omitempty"`
	Query  string       `yaml:"query,omitempty"`

	Collection bool `yaml:"collection,omitempty"` // of commands of MongoDB
	Session    bool `yaml:"session,omitempty"`    // likewise

	Terminal bool `yaml:"terminal,omitempty"` // what follows is not looked at where there is a hash already
}

// Cookie is one that clients are given.
type Cookie struct {
	Name       string        `yaml:"name"`
	TTL        time.Duration `yaml:"ttl"` // 0 for as long as a browser is open
	Path       string        `yaml:"path"`
	Attributes Pairs         `yaml:"attributes,omitempty"` // as SameSite: Lax; a value may be empty, as of Secure
}

// Sticky has the requests of a client stay with one endpoint.
type Sticky struct {
	Cookie *Cookie `yaml:"cookie,omitempty"` // that holds the endpoint's address
	Header string  `yaml:"header,omitempty"` // field that does, of requests and answers
	Strict bool    `yaml:"strict,omitempty"` // nobody else is asked when it is gone
}

func (c *Cookie) setDefaults() { c.TTL, c.Path = unset, "/" }

// Made reports whether pitot is to make the cookie where a client has none.
func (c *Cookie) Made() bool { return c.TTL != unset }

// MarshalYAML leaves a ttl out that is not there.
func (c Cookie) MarshalYAML() (any, error) {
	type made Cookie // without this method
	if c.Made() {
		return made(c), nil
	}
	return struct {
		Name       string `yaml:"name"`
		Path       string `yaml:"path"`
		Attributes Pairs  `yaml:"attributes,omitempty"`
	}{c.Name, c.Path, c.Attributes}, nil
}

// settle fills in what a session has that says nothing of its length.
func (s *Sticky) settle() {
	if s != nil && s.Cookie != nil && !s.Cookie.Made() {
		s.Cookie.TTL = 0
	}
}

// settleAffinity takes over what the listener says.
func (r *Route) settleAffinity(l *Listener) {
	r.Sticky.settle()
	if r.answers() {
		return
	}
	if r.Hash == nil {
		r.Hash = l.Hash
	}
	if r.Sticky == nil {
		r.Sticky = l.Sticky
	}
	if r.Subset == nil {
		r.Subset = l.Subset
	}
}

// maxHashes bounds what a hash is made of.
const maxHashes = 16

// checkAffinity checks what requests say of the endpoint that is wanted for them;
// protocol is that of the listener.
func checkAffinity(protocol string, hash []HashPolicy, sticky *Sticky, subset Pairs, key string, wrong report) {
	if len(hash) > maxHashes {
		wrong(key+".hash", "has %d entries; must be at most %d", len(hash), maxHashes)
	}
	for i := range hash {
		hash[i].check(protocol, fmt.Sprintf("%s.hash[%d]", key, i), wrong)
	}
	if sticky != nil {
		sticky.check(key+".sticky", wrong)
	}
	seen := map[string]bool{}
	for _, p := range subset {
		if p.Name == "" || seen[p.Name] {
			wrong(key+".subset", "names %q twice, or nothing", p.Name)
		}
		seen[p.Name] = true
	}
}

func (h *HashPolicy) check(protocol, key string, wrong report) {
	n := 0
	for _, there := range []bool{h.Header != "", h.Cookie != nil, h.Source, h.Query != "", h.Collection, h.Session} {
		if there {
			n++
		}
	}
	switch {
	case protocol == MongoDB:
		if n != 1 || !h.Collection && !h.Session && !h.Source {
			wrong(key, "of MongoDB, must have one of collection: true, session: true and source_address: true")
		}
	case h.Collection || h.Session:
		wrong(key, "only a listener of protocol %s goes by collections and sessions", MongoDB)
	case n != 1:
		wrong(key, "must have one of header, cookie, source_address: true and query")
	case h.Header != "" && !token(strings.TrimPrefix(h.Header, ":")):
		wrong(key+".header", "%q is no name of a field", h.Header)
	case h.Cookie != nil:
		h.Cookie.check(key+".cookie", wrong)
	}
	if h.Regex != (RegexRewrite{}) && h.Header == "" {
		wrong(key+".regex", "goes with header, whose values it changes, and only with it")
	}
	h.Regex.check(key+".regex", wrong)
}

// single reports whether each command goes its own way.
func (h *HashPolicy) single() bool { return h.Collection || h.Session }

// checkSingle wants a cluster that goes by hashes where each command has one.
func (c *Config) checkSingle(l *Listener, key string, wrong report) {
	if l.Protocol != MongoDB || !slices.ContainsFunc(l.Hash, func(h HashPolicy) bool { return h.single() }) {
		return
	}
	i := slices.IndexFunc(c.Clusters, func(cl Cluster) bool { return cl.Name == l.Cluster })
	if i < 0 {
		return // told already
	}
	if cl := &c.Clusters[i]; cl.Policy != "ring_hash" && cl.Policy != "maglev" || cl.Original() {
		wrong(key+".hash", "cluster %q has policy %s, which goes by no hash; set its policy to ring_hash or maglev", cl.Name, cl.Policy)
	}
}

func (s *Sticky) check(key string, wrong report) {
	switch {
	case (s.Cookie == nil) == (s.Header == ""):
		wrong(key, "must have one of cookie and header")
	case s.Cookie != nil:
		s.Cookie.check(key+".cookie", wrong)
	case !token(s.Header) || slices.Contains(framing, http.CanonicalHeaderKey(s.Header)):
		wrong(key+".header", "%q is not valid; must be the name of a field of its own, as x-session-endpoint", s.Header)
	}
}

func (c *Cookie) check(key string, wrong report) {
	if !token(c.Name) {
		wrong(key+".name", "%q is not valid; must be as session", c.Name)
	}
	if c.Path == "" || c.Path[0] != '/' || strings.ContainsFunc(c.Path, notInCookie) {
		wrong(key+".path", "%q is not valid; must begin with / and have no semicolon", c.Path)
	}
	for _, a := range c.Attributes {
		if !token(a.Name) || strings.ContainsFunc(a.Value, notInCookie) {
			wrong(key+".attributes."+a.Name, "is not valid; must be as SameSite: Lax, or Secure: \"\"")
		}
	}
}

// notInCookie are characters that no attribute of a cookie has (RFC 6265, 4.1.1).
func notInCookie(r rune) bool { return r < ' ' || r >= 0x7f || r == ';' }
