package probe

import (
	"net/http"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Check answers for one listener.
type Check struct {
	state    *State
	clusters func(name string) *upstream.Cluster
	services map[string]bool // clusters that are told by name
	least    []least
}

// least is how much of a cluster must be healthy, in percent.
type least struct {
	cluster string
	percent int
}

// NewCheck makes the check of a listener, which must have been validated.
// clusters finds one as it is now, nil for none.
func NewCheck(l *config.Listener, s *State, clusters func(name string) *upstream.Cluster) *Check {
	c := &Check{state: s, clusters: clusters, services: map[string]bool{}}
	for _, name := range l.Clusters() {
		c.services[name] = true
	}
	for _, p := range l.HealthCheck.Clusters {
		percent, _ := config.ParseShare(p.Value) // validated
		c.services[p.Name] = true
		c.least = append(c.least, least{p.Name, percent})
	}
	return c
}

// Own is what the check answers at its listener.
func (c *Check) Own(h *config.HealthCheck) route.Own {
	o := route.Own{Name: "health_check", Path: h.Path, Answer: c.Answer}
	if h.GRPC {
		o.Service, o.Calls = service, c
	}
	return o
}

// What a check says.
const (
	well      = "ok"
	draining  = "draining"  // the proxy ends
	failed    = "failed"    // the operator wants so
	unhealthy = "unhealthy" // too little of a cluster is healthy
)

// Answer is that of HTTP: 200, or 503 with a word why. The details are Envoy's.
func (c *Check) Answer() route.Reply {
	r := route.Reply{Status: http.StatusOK, ContentType: "text/plain", Detail: "health_check_ok"}
	say, _ := c.overall()
	if say != well {
		r.Status, r.Detail = http.StatusServiceUnavailable, "health_check_failed"
	}
	r.Body = say + "\n"
	return r
}

// overall is how the proxy is, and what is closed when its state changes.
func (c *Check) overall() (say string, changed <-chan struct{}) {
	ends, fails, changed := c.state.now()
	switch {
	case ends:
		return draining, changed
	case fails:
		return failed, changed
	}
	for _, l := range c.least {
		if !c.enough(l.cluster, l.percent) {
			return unhealthy, changed
		}
	}
	return well, changed
}

// enough reports whether so much of a cluster is healthy.
func (c *Check) enough(name string, percent int) bool {
	cluster := c.clusters(name)
	if cluster == nil { // it is no more: the next configuration has another check
		return false
	}
	healthy, all := cluster.Healthy()
	return healthy > 0 && healthy*100 >= all*percent
}

// of is how the cluster of that name is; known is false for one that is not told
// of.
func (c *Check) of(name string) (ok, known bool) {
	if !c.services[name] {
		return false, false
	}
	for _, l := range c.least {
		if l.cluster == name {
			return c.enough(name, l.percent), true
		}
	}
	return c.enough(name, 0), true
}
