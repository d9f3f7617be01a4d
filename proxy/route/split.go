package route

import (
	"bytes"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Share is a part of a route's requests, which goes to a cluster of its own.
type Share struct {
	Cluster *upstream.Cluster
	Service string // name of what answers there

	Request  Edits // in the place of the route's, which they contain
	Response Edits

	name string // of the cluster
	upTo uint64 // sum of the weights up to and with this one
}

// split divides a route's requests among clusters.
type split struct {
	shares []Share
	header string // field that names the cluster; empty for none
	by     string // field whose value decides; empty for chance
	none   Share  // for a request whose field names no cluster
}

func newSplit(c *config.Route, l *config.Listener, clusters Clusters) (*split, error) {
	if len(c.Clusters) == 0 {
		return nil, nil
	}
	s := &split{header: lower(c.ClusterHeader), by: lower(c.SplitBy)}
	sum := uint64(0)
	for i := range c.Clusters {
		w := &c.Clusters[i]
		sum += uint64(w.Weight)
		p := Share{name: w.Cluster, upTo: sum}
		p.Cluster, p.Service = clusters(w.Cluster)
		var err error
		if p.Request, err = newEdits(w.RequestHeaders, c.RequestHeaders, l.RequestHeaders); err != nil {
			return nil, err
		}
		if p.Response, err = newEdits(w.ResponseHeaders, c.ResponseHeaders, l.ResponseHeaders); err != nil {
			return nil, err
		}
		s.shares = append(s.shares, p)
	}
	return s, nil
}

func lower(name string) string { return string(bytes.ToLower([]byte(name))) }

// Share is where a request goes of a route that divides them; nil for other
// routes. It is drawn anew with each call: a request has one. Its Cluster is nil
// where the request names none that there is.
func (r *Route) Share(h *http1.Head) *Share {
	if r.split == nil {
		return nil
	}
	return r.split.of(h)
}

func (s *split) of(h *http1.Head) *Share {
	if s.header != "" {
		if name := h.Get(s.header); len(name) > 0 {
			return s.named(name)
		}
	}
	sum := s.shares[len(s.shares)-1].upTo
	if sum == 0 { // only the field decides, and it is not there
		return &s.none
	}
	at := s.draw(h) % sum
	for i := range s.shares {
		if p := &s.shares[i]; at < p.upTo {
			return p
		}
	}
	return &s.none
}

func (s *split) named(name []byte) *Share {
	for i := range s.shares {
		if p := &s.shares[i]; p.name == string(name) {
			return p
		}
	}
	return &s.none
}

// draw is a number that is the same for requests with the same value of the
// field that decides, and chance where there is no value.
func (s *split) draw(h *http1.Head) uint64 {
	if s.by != "" {
		if v := h.Get(s.by); len(v) > 0 {
			return xxhash.Sum64(v)
		}
	}
	return rand.Uint64()
}
