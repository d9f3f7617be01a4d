package route

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/format"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// aim is what a route's requests say of the host that is wanted for them.
type aim struct {
	hash   []hashOf
	sticky *sticky
	subset []upstream.Pair // by key
}

func newAim(c *config.Route) (a aim, err error) {
	for i := range c.Hash {
		h, err := newHashOf(&c.Hash[i])
		if err != nil {
			return a, err
		}
		a.hash = append(a.hash, h)
	}
	a.sticky = newSticky(c.Sticky)
	for _, p := range c.Subset {
		a.subset = append(a.subset, upstream.Pair{Key: p.Name, Value: p.Value})
	}
	slices.SortFunc(a.subset, func(a, b upstream.Pair) int { return strings.Compare(a.Key, b.Key) })
	return a, nil
}

// Aims reports whether the route's requests say which host is wanted for them.
func (r *Route) Aims() bool { return len(r.aim.hash)+len(r.aim.subset) > 0 || r.aim.sticky != nil }

// Asker is who sends a request.
type Asker struct {
	Client netip.Addr     // by what proxies before this one tell, where they are believed
	Peer   netip.AddrPort // of the connection; invalid for a Unix socket
}

// Aim notes in w which host is wanted for a request that goes to c. What it adds
// to answer, the answer is to have; its text is s's.
func (r *Route) Aim(h *http1.Head, by Asker, c *upstream.Cluster, w *upstream.Want, s *Scratch, answer []http1.Field) []http1.Field {
	w.Subset = r.aim.subset
	if r.aim.sticky != nil {
		r.aim.sticky.want(h, w, s)
	}
	if c == nil || !c.Hashes() {
		return answer
	}
	for i := range r.aim.hash {
		p := &r.aim.hash[i]
		next, ok := p.of(h, by)
		if !ok && p.cookie != nil && p.cookie.made {
			next, answer = p.cookie.make(by, s, answer)
			ok = true
		}
		if ok {
			w.Hash, w.Hashed = bits.RotateLeft64(w.Hash, 1)^next, true
		}
		if p.terminal && w.Hashed {
			break
		}
	}
	return answer
}

// hashOf is one thing that a hash is made of.
type hashOf struct {
	of       func(h *http1.Head, by Asker) (uint64, bool)
	cookie   *cookie
	terminal bool
}

func newHashOf(c *config.HashPolicy) (p hashOf, err error) {
	p = hashOf{terminal: c.Terminal}
	switch {
	case c.Cookie != nil:
		p.cookie = newCookie(c.Cookie)
		p.of = func(h *http1.Head, _ Asker) (uint64, bool) {
			v := p.cookie.value(h)
			return xxhash.Sum64(v), len(v) > 0
		}
	case c.Source:
		p.of = func(_ *http1.Head, by Asker) (uint64, bool) { return upstream.HashOfAddr(by.Client) }
	case c.Query != "":
		name := []byte(c.Query)
		p.of = func(h *http1.Head, _ Asker) (uint64, bool) {
			v, ok := format.Parameter(h.Query, name)
			return xxhash.Sum64(v), ok
		}
	default:
		name := []byte(strings.ToLower(c.Header))
		if string(name) == "host" { // HTTP/2 has no such field
			name = []byte(":authority")
		}
		var change *rewrite
		if c.Regex.Pattern != "" {
			change = &rewrite{with: c.Regex.Substitution}
			change.pattern, err = regexp.Compile(c.Regex.Pattern)
		}
		p.of = func(h *http1.Head, _ Asker) (uint64, bool) { return hashOfField(h, name, change) }
	}
	return p, err
}

// hashOfField is made of all values of a field, in any order, changed before where
// change is not nil, which allocates.
func hashOfField(h *http1.Head, name []byte, change *rewrite) (hash uint64, ok bool) {
	if name[0] == ':' {
		v := pseudo(h, name)
		if ok = len(v) > 0; change != nil {
			v = change.substitute(nil, v)
		}
		return xxhash.Sum64(v), ok
	}
	var buf [8][]byte
	values := buf[:0]
	for i := range h.Fields {
		if f := &h.Fields[i]; same(f, name) {
			values = append(values, f.Value)
		}
	}
	if change != nil {
		for i, v := range values {
			values[i] = change.substitute(nil, v)
		}
	}
	if len(values) == 1 {
		return xxhash.Sum64(values[0]), true
	}
	slices.SortFunc(values, bytes.Compare)
	var d xxhash.Digest
	for _, v := range values {
		d.ResetWithSeed(hash)
		_, _ = d.Write(v) // never fails
		hash = d.Sum64()
	}
	return hash, len(values) > 0
}

// make gives a client a cookie: the same for all requests on its connection.
func (c *cookie) make(by Asker, s *Scratch, answer []http1.Field) (hash uint64, _ []http1.Field) {
	id := rand.Uint64()
	if by.Peer.IsValid() {
		var buf [64]byte
		id = xxhash.Sum64(by.Peer.AppendTo(buf[:0]))
	}
	var value [16]byte
	for i := range value {
		value[i] = "0123456789abcdef"[id>>(60-4*i)&15]
	}
	return xxhash.Sum64(value[:]), c.set(value[:], s, answer)
}
