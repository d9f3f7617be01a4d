package route

import (
	"fmt"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Table is a listener's routes. It does not change once it is made, and may be
// used from many goroutines.
type Table struct {
	own   []entry // asked before all others
	hosts hosts
	rest  *Route // for what no route takes; may be nil

	// Response edits answers to requests that no route takes.
	Response Edits
}

// entry is a route with what it takes.
type entry struct {
	match match
	route *Route
}

// Clusters finds clusters by name, and the name of the service that answers in
// one.
type Clusters func(name string) (c *upstream.Cluster, service string)

// Guards makes what is asked about the requests of a route.
type Guards func(*config.Route) ([]Guard, error)

// New compiles a listener's routes, which must have been checked. What none of
// them takes goes to the listener's cluster, where it has one.
func New(l *config.Listener, clusters Clusters, guards Guards) (*Table, error) {
	t := new(Table)
	var all []entry
	for i := range l.Routes {
		r, err := compile(&l.Routes[i], l)
		if err != nil {
			return nil, fmt.Errorf("listener %q: route %q: %w", l.Name, l.Routes[i].Name, err)
		}
		if r.Cluster, r.Service = clusters(l.Routes[i].Cluster); len(l.Routes[i].Clusters) > 0 {
			r.Service = "" // each has its own
		}
		if r.Mirrors, err = newMirrors(&l.Routes[i], clusters); err != nil {
			return nil, fmt.Errorf("listener %q: route %q: %w", l.Name, r.Name, err)
		}
		if r.split, err = newSplit(&l.Routes[i], l, clusters); err != nil {
			return nil, fmt.Errorf("listener %q: route %q: %w", l.Name, r.Name, err)
		}
		if r.Guards, err = guards(&l.Routes[i]); err != nil {
			return nil, fmt.Errorf("listener %q: route %q: %w", l.Name, r.Name, err)
		}
		m, err := newMatch(&l.Routes[i].Match)
		if err != nil {
			return nil, fmt.Errorf("listener %q: route %q: %w", l.Name, r.Name, err)
		}
		all = append(all, entry{m, r})
	}
	t.hosts = newHosts(all, l.Routes)
	rest := config.Route{Timeout: l.Timeouts.Route, IdleTimeout: l.Timeouts.Stream, MaxBody: l.Limits.Body, Upgrades: l.Upgrades, Connect: l.Connect, Retry: l.Retry, Hash: l.Hash, Sticky: l.Sticky, Subset: l.Subset}
	r, err := compile(&rest, l)
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", l.Name, err)
	}
	if r.Guards, err = guards(&rest); err != nil {
		return nil, fmt.Errorf("listener %q: %w", l.Name, err)
	}
	t.Response = r.Response
	if l.Cluster != "" {
		t.rest = r
		r.Cluster, r.Service = clusters(l.Cluster)
	}
	return t, nil
}

// Find is the first route that takes the request; nil where none does.
func (t *Table) Find(h *http1.Head) *Route {
	for i := range t.own {
		if t.own[i].match.takes(h) {
			return t.own[i].route
		}
	}
	host, _ := semantics.SplitPort(h.Host)
	list := t.hosts.find(host)
	for i := range list {
		if e := list[i]; e.match.takes(h) {
			return e.route
		}
	}
	return t.rest
}
