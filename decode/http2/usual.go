package http2

import (
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

// usual are the requests that come again and again on a connection, but for
// their ids: what was made of one serves the next.
type usual [8]struct {
	memo *memo
	seen uint32 // hash of the request that came here last
}

// memo is what one request was made into. It does not change, so exchanges
// borrow its text.
type memo struct {
	key
	p        event.HTTP // of it: the method, what follows from the key
	name     string
	redacted bool
}

// key is what of a request a memo hangs on.
type key struct{ method, scheme, authority, path, agent string }

// longestKey is how many bytes of text a memo may be about.
const longestKey = 512

func (k *key) size() int {
	return len(k.method) + len(k.scheme) + len(k.authority) + len(k.path) + len(k.agent)
}

// place is where in usual the request belongs.
func (k *key) place() int {
	n := len(k.path)
	if n == 0 {
		return 0
	}
	return (n + len(k.method) + int(k.path[n-1])*3 + int(k.path[n/2])) & (len(usual{}) - 1)
}

func (k *key) hash() uint32 {
	h := uint32(2166136261) // FNV-1a
	for i := range len(k.path) {
		h = (h ^ uint32(k.path[i])) * 16777619
	}
	return h
}

// fill makes the exchange's request of a known one; false where it is not.
func (u *usual) fill(s *stream, k *key) bool {
	m := u[k.place()].memo
	if m == nil || m.key != *k {
		return false
	}
	p := &s.p
	p.Method, p.Scheme, p.Host, p.Port = m.p.Method, m.p.Scheme, m.p.Host, m.p.Port
	p.Path, p.Query, p.Template, p.UserAgent = m.p.Path, m.p.Query, m.p.Template, m.p.UserAgent
	s.x.Name = m.name
	if m.redacted {
		s.x.Decode |= event.Redacted
	}
	return true
}

// learn takes a request over, of which s has been filled, when it comes for the
// second time.
func (u *usual) learn(s *stream, k *key) {
	slot := &u[k.place()]
	if k.size() > longestKey {
		return
	}
	if h := k.hash(); slot.seen != h {
		slot.seen = h
		return
	}
	p, c := &s.p, strings.Clone
	slot.memo = &memo{
		key: key{c(k.method), c(k.scheme), c(k.authority), c(k.path), c(k.agent)},
		p: event.HTTP{Method: c(p.Method), Scheme: c(p.Scheme), Host: c(p.Host), Port: p.Port, Path: c(p.Path), Query: c(p.Query),
			Template: c(p.Template), UserAgent: c(p.UserAgent)},
		name: c(s.x.Name), redacted: s.x.Decode&event.Redacted != 0,
	}
}
