package route

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Mirror has copies of a route's requests go to another cluster.
type Mirror struct {
	Cluster *upstream.Cluster
	Service string // name of what answers there
	Body    int64  // bytes of a request's body; larger ones are not mirrored
	Suffix  string // of the host's name

	Status  bool     // compare these, and so on
	Headers []string // in lower case
	Payload bool

	Active atomic.Int64 // copies under way
	Most   int64        // of these

	percent int // in parts of a config.Million
	fits    []Condition
}

func newMirrors(c *config.Route, clusters Clusters) (all []*Mirror, err error) {
	for i := range c.Mirror {
		f := &c.Mirror[i]
		m := &Mirror{Body: int64(f.MaxBody), Suffix: f.HostSuffix, Status: f.Compare.Status, Payload: f.Compare.Body, Most: int64(f.MaxActive)}
		m.Cluster, m.Service = clusters(f.Cluster)
		if m.percent, err = config.ParsePercent(f.Percent); err != nil {
			return nil, err
		}
		for j := range f.Headers {
			h, err := NewCondition(&f.Headers[j], true)
			if err != nil {
				return nil, err
			}
			m.fits = append(m.fits, h)
		}
		for _, name := range f.Compare.Headers {
			m.Headers = append(m.Headers, strings.ToLower(name))
		}
		all = append(all, m)
	}
	return all, nil
}

// Takes draws whether a request is copied. It is asked once for each.
func (m *Mirror) Takes(h *http1.Head) bool {
	for i := range m.fits {
		if !m.fits[i].Header(h) {
			return false
		}
	}
	return m.percent > 0 && rand.IntN(config.Million) < m.percent
}

// Compares reports whether anything of the answers is compared.
func (m *Mirror) Compares() bool { return m.Status || m.Payload || len(m.Headers) > 0 }
