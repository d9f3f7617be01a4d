package config

import "fmt"

// Mirror has copies of a route's requests go to another cluster, whose answers
// nobody gets.
type Mirror struct {
	Cluster    string        `yaml:"cluster"`
	Percent    string        `yaml:"percent,omitempty"` // of the requests; all by default
	Headers    []FieldMatch  `yaml:"headers,omitempty"` // only requests that fit
	MaxBody    Size          `yaml:"max_body"`          // bytes of a request's body; larger ones are not mirrored
	HostSuffix string        `yaml:"host_suffix"`       // added to the host's name; none is possible
	Compare    MirrorCompare `yaml:"compare,omitempty"` // with the answer that the client gets
	MaxActive  int           `yaml:"max_active"`        // copies under way at once
}

// MirrorCompare says what of two answers must be the same.
type MirrorCompare struct {
	Status  bool     `yaml:"status,omitempty"`
	Headers []string `yaml:"headers,omitempty"` // fields, or trailers where there is no such field
	Body    bool     `yaml:"body,omitempty"`
}

// None reports whether nothing is compared.
func (c *MirrorCompare) None() bool { return !c.Status && len(c.Headers) == 0 && !c.Body }

// The defaults of a Mirror.
const (
	defaultMirrorBody   = 1 << 20
	defaultMirrorActive = 64
	defaultShadow       = "-shadow"
)

func (m *Mirror) setDefaults() {
	m.MaxBody, m.MaxActive, m.HostSuffix = defaultMirrorBody, defaultMirrorActive, defaultShadow
}

// maxMirrorBody bounds what is kept of a request, in bytes.
const maxMirrorBody = 64 << 20

func (c *Config) checkMirrors(r *Route, key string, wrong report) {
	if len(r.Mirror) > 0 && !r.Forwards() {
		wrong(key, "mirrors a request that goes to no cluster")
	}
	for i := range r.Mirror {
		m, at := &r.Mirror[i], fmt.Sprintf("%s[%d]", key, i)
		if m.Cluster == "" {
			wrong(at+".cluster", "must name a cluster%s", c.clusterNames())
		}
		c.checkReference(m.Cluster, at+".cluster", wrong)
		checkPercent(m.Percent, at+".percent", wrong)
		for j := range m.Headers {
			m.Headers[j].check(fmt.Sprintf("%s.headers[%d]", at, j), true, wrong)
		}
		for j, name := range m.Compare.Headers {
			if !token(name) {
				wrong(fmt.Sprintf("%s.compare.headers[%d]", at, j), "%q is no name of a field", name)
			}
		}
		if m.MaxBody > maxMirrorBody {
			wrong(at+".max_body", "%s is not valid; must be up to %s", m.MaxBody, Size(maxMirrorBody))
		}
		if m.MaxActive < 1 {
			wrong(at+".max_active", "must be 1 or more")
		}
		if m.HostSuffix != "" && !token(m.HostSuffix) {
			wrong(at+".host_suffix", "%q is not valid; must be as -shadow", m.HostSuffix)
		}
	}
}

// Mirrors reports whether copies of any of the listener's requests go elsewhere.
func (l *Listener) Mirrors() bool {
	for i := range l.Routes {
		if len(l.Routes[i].Mirror) > 0 {
			return true
		}
	}
	return false
}
