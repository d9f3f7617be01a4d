package proxy

import (
	"reflect"
	"slices"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/mongo"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// renewal is what a new configuration changes about a listener.
type renewal struct {
	config   *config.Listener
	table    *route.Table
	handler  Handler        // nil where the one in use goes on
	secure   *secure.Server // of connections that handler gets; nil without TLS
	whence   *whence        // of these
	commands []mongo.Guard  // about commands of MongoDB
}

func (r *renewal) close() {
	if r.handler != nil {
		r.handler.Close()
	}
	if r.secure != nil {
		r.secure.Close()
	}
}

// renewal compares a listener with its new configuration, and makes what is
// new about it; nil when nothing is.
func (s *Server) renewal(n *next, l *listener, c *config.Listener) (r *renewal, err error) {
	shared := l.serving != nil && s.sameForAll(n.config)
	if shared && reflect.DeepEqual(l.config, c) && !n.changes(c) {
		return nil, nil
	}
	setup := s.setup(n, l, c)
	r = &renewal{config: c}
	if r.table, err = setup.table(); err != nil {
		return r, err
	}
	setup.compiled = r.table
	if r.commands, err = setup.commandGuards(); err != nil {
		return r, err
	}
	setup.commands = r.commands
	if shared && c.Protocol == config.HTTP && onlyRoutes(l.config, c) && !n.changesKind(s, l.config, c) {
		return r, nil
	}
	if setup.accessLog, err = s.accessLog(c); err != nil {
		return r, err
	}
	if r.handler, err = newHandler(setup); err != nil {
		return r, err
	}
	r.whence = newWhence(c, s.own, s.buffers, l.stats)
	if c.TLS != nil {
		r.secure, err = secure.NewServer(c.Name, c.TLS, c.ForwardCert, alpnOf(c), s.files)
	}
	return r, err
}

// sameForAll reports whether what all handlers are made of is as it was.
func (s *Server) sameForAll(c *config.Config) bool {
	return reflect.DeepEqual(s.config.Services, c.Services) && reflect.DeepEqual(s.config.Tracing, c.Tracing)
}

// onlyRoutes reports whether two configurations of an HTTP listener differ in
// nothing but where requests go.
func onlyRoutes(a, b *config.Listener) bool {
	x, y := *a, *b
	x.Routes, y.Routes, x.Cluster, y.Cluster = nil, nil, "", ""
	x.Faults, y.Faults = nil, nil
	x.Admission, y.Admission, x.Concurrency, y.Concurrency = nil, nil, nil, nil
	x.RateLimits, y.RateLimits = nil, nil
	return reflect.DeepEqual(x, y)
}

// changes reports whether a cluster that the listener names is a new one.
func (n *next) changes(c *config.Listener) bool {
	all := c.Clusters()
	return slices.ContainsFunc(n.made, func(m *cluster) bool { return slices.Contains(all, m.config.Name) })
}

// changesKind reports whether the listener needs another server for what is
// spoken with the clusters that it names.
func (n *next) changesKind(s *Server, was, c *config.Listener) bool {
	return engaged(was, s.clusters) != engaged(c, n.clusters)
}

// engaged reports whether an HTTP listener needs the engine of proxy/relay.
func engaged(c *config.Listener, clusters map[string]*cluster) bool {
	known := map[string]*upstream.Cluster{}
	for name, c := range clusters {
		known[name] = c.Cluster
	}
	return !(&Setup{Listener: c, Clusters: known}).plain()
}

func (s *Server) setup(n *next, l *listener, c *config.Listener) Setup {
	clusters := map[string]*upstream.Cluster{}
	for name, c := range n.clusters {
		clusters[name] = c.Cluster
	}
	return Setup{
		Listener: c, Clusters: clusters, routes: &l.routes, gate: l.gate, Hub: s.deps.Hub, Names: &n.config.Services, IDs: s.deps.IDs,
		Protocols: s.deps.Protocols, Layers: s.deps.Layers, Stats: l.stats, Failures: &s.failures,
		Attempts: n.config.Tracing.AttemptSpans, Log: s.deps.Log, buffers: s.buffers,
		state: s.state, latest: s.cluster,
		limits: s.limits, shed: s.shed, overload: s.overload,
	}
}
