package proxy

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/ratelimit"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/proxy/upstream/discovery"
)

// A new configuration is prepared beside the one in use: clusters are made,
// routes compiled, sockets bound, certificates read. Only when all of that has
// worked it takes over, in steps that cannot fail. What it does not change goes
// on as it is: a cluster keeps its connections, a listener its socket. Requests
// on connections that are open go by the new routes; other settings of a
// listener are for connections that come from then on.

// cluster is an upstream.Cluster with what it was made of.
type cluster struct {
	*upstream.Cluster
	config  *config.Cluster
	node    config.Node    // where the proxy is, if that matters
	tls     *secure.Client // nil without
	retired time.Time
	watched
}

// grace is how long a cluster that was replaced is kept for exchanges that
// have found their route and not yet a connection.
const grace = 10 * time.Second

// over reports whether nobody uses a cluster that was retired.
func (c *cluster) over() bool { return c.Open() == 0 && time.Since(c.retired) > grace }

func (c *cluster) close() {
	c.end()
	c.running.Wait()
	if c.poller != nil {
		c.poller.Close()
	}
	c.Close()
	if c.tls != nil {
		c.tls.Close()
	}
}

// next is a configuration that can be taken over.
type next struct {
	config   *config.Config
	clusters map[string]*cluster
	made     []*cluster // of them, those that are new
	places   []place
	limiter  *ratelimit.Service // nil where there is none, or it stays as it is
}

// place is what a listener becomes.
type place struct {
	*listener          // with its socket
	fresh     bool     // it was bound for this
	change    *renewal // nil where nothing changes
}

// Reload takes a new validated configuration over, under the traffic. On an
// error nothing has changed. What only a start can change is left as it is and
// said: the admin port.
func (s *Server) Reload(cfg *config.Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	return s.reload(cfg)
}

// reload is Reload for who has the lock.
func (s *Server) reload(cfg *config.Config) error {
	if s.draining.Load() {
		return errors.New("the proxy is ending")
	}
	if cfg.Admin != s.settings().Admin {
		s.deps.Log.Warn("the admin port is what it was until a restart", "address", s.settings().Admin.Address)
	}
	n, err := s.prepare(cfg)
	if err != nil {
		return err
	}
	s.warmNext(n)
	s.adopt(n)
	return nil
}

// prepare makes what a configuration needs and is not there yet.
func (s *Server) prepare(cfg *config.Config) (n *next, err error) {
	n = &next{config: cfg, clusters: map[string]*cluster{}}
	defer func() {
		if err != nil {
			n.undo()
			s.limits.Keep(s.settings())
		}
	}()
	for i := range cfg.Clusters {
		if err := s.prepareCluster(n, &cfg.Clusters[i]); err != nil {
			return n, err
		}
	}
	if err := s.prepareLimiter(n); err != nil {
		return n, err
	}
	askFirst(n.made)
	for i := range cfg.Listeners {
		if err := s.prepareListener(n, i, &cfg.Listeners[i]); err != nil {
			return n, err
		}
	}
	return n, nil
}

// undo frees what was made for a configuration that cannot be used.
func (n *next) undo() {
	if n.limiter != nil {
		n.limiter.Close()
	}
	for _, c := range n.made {
		c.close()
	}
	for _, p := range n.places {
		if p.change != nil {
			p.change.close()
		}
		if p.fresh {
			_ = p.socket.Close() // nobody has connected to it
		}
	}
}

func (s *Server) prepareCluster(n *next, c *config.Cluster) error {
	if old := s.clusters[c.Name]; old != nil && reflect.DeepEqual(old.config, c) && old.node == whereabouts(c, &n.config.Node) {
		n.clusters[c.Name] = old
		return nil
	}
	made, err := s.newCluster(c, &n.config.Node)
	if err != nil {
		return err
	}
	n.clusters[c.Name], n.made = made, append(n.made, made)
	return nil
}

func (s *Server) newCluster(c *config.Cluster, n *config.Node) (*cluster, error) {
	idle := c.MaxIdle
	if idle == 0 {
		idle = -1 // none, where upstream takes 0 for its default
	}
	o := upstream.Options{
		Name: c.Name, Endpoints: discovery.Endpoints(c.Endpoints), Before: s.before(c), ConnectTimeout: c.ConnectTimeout,
		MaxIdle: idle, IdleTimeout: c.IdleTimeout, MaxUses: c.MaxRequests, Greet: greeting(c.ProxyProtocol), Protocol: c.Protocol, Settings: &c.HTTP2,
		Tell: s.deps.Hub.Publisher(0).Notice,
	}
	if err := balance(&o, c, n); err != nil {
		return nil, fmt.Errorf("cluster %q: %w", c.Name, err)
	}
	steer(&o, c)
	if b := c.RetryBudget; b != nil {
		o.Budget = &upstream.Budget{Percent: b.Percent, Min: b.MinRetries}
	}
	if c.Original() {
		o.Endpoints, o.Original, o.Own = nil, true, s.own
	}
	limit(&o, c)
	newcomers(&o, c)
	made := &cluster{config: c, node: whereabouts(c, n)}
	if c.TLS != nil {
		var err error
		if made.tls, err = secure.NewClient(c.Name, c.TLS, s.files); err != nil {
			return nil, err
		}
		o.TLS = made.tls
	}
	if c.Discovery != nil {
		return made, s.discovered(made, o)
	}
	made.Cluster = upstream.New(o)
	made.watch()
	return made, nil
}

// prepareListener finds the socket of listener number i, or binds one, and
// makes what serves on it.
func (s *Server) prepareListener(n *next, i int, c *config.Listener) (err error) {
	p := place{listener: s.bound(c)}
	if p.listener == nil {
		p.listener, p.fresh = s.newListener(c, n.config.Redact.Comments), true
		if p.socket, err = s.bind(i, c); err != nil {
			return err
		}
	}
	if c.Transparent == config.TProxy {
		if err := transparent(c.Name, p.socket); err != nil {
			return err
		}
	}
	n.places = append(n.places, p)
	n.places[len(n.places)-1].change, err = s.renewal(n, p.listener, c)
	return err
}

// bind takes the socket that was inherited for a listener, or makes one.
func (s *Server) bind(i int, c *config.Listener) (net.Listener, error) {
	if l := s.deps.Sockets.Take(c.Name, c.Address); l != nil {
		return l, nil
	}
	return bindListener(i, c)
}

// bound is the listener in use that has the socket of c.
func (s *Server) bound(c *config.Listener) *listener {
	for _, l := range s.listeners {
		if l.name == c.Name && l.address == c.Address {
			return l
		}
	}
	return nil
}

// adopt puts a configuration into use.
func (s *Server) adopt(n *next) {
	n.follow()
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.listeners
	s.listeners = nil
	for _, p := range n.places {
		if p.change != nil {
			p.listener.renew(p.change)
		}
		s.listeners = append(s.listeners, p.listener)
		if p.fresh && s.life != nil {
			s.accept(p.listener)
		}
	}
	for _, l := range left {
		if !n.keeps(l) {
			s.dismiss(l)
		}
	}
	s.adoptLimiter(n) // before clusters retire: who connects anew goes to the new one
	s.retire(n)
	s.logs.keep(n.config)
	s.shed.Keep(n.config)
	s.overload.Use(n.config.Overload.Actions)
	s.most.Store(int64(n.config.Overload.MaxConnections))
	s.config = n.config
	s.sourced.Store(slices.ContainsFunc(slices.Collect(maps.Values(n.clusters)), func(c *cluster) bool { return c.config.Original() || c.PerClient() }))
}

func (n *next) keeps(l *listener) bool {
	for _, p := range n.places {
		if p.listener == l {
			return true
		}
	}
	return false
}

// retire puts the new clusters in the place of the old.
func (s *Server) retire(n *next) {
	kept := s.retired[:0]
	for _, c := range s.retired {
		if c.over() {
			c.close()
		} else {
			kept = append(kept, c)
		}
	}
	s.retired = kept
	for name, c := range s.clusters {
		if n.clusters[name] != c {
			c.end()
			c.Retire()
			c.retired = time.Now()
			s.retired = append(s.retired, c)
		}
	}
	s.clusters = n.clusters
	if s.life != nil {
		s.watch(s.life)
	}
}

// dismiss ends a listener that is no more: it accepts nobody, and who is there
// gets the drain timeout.
func (s *Server) dismiss(l *listener) {
	_ = l.socket.Close() // ends its accept
	s.deps.Log.Info("listens no more", "listener", l.name)
	life, limit := s.life, s.config.Drain.Timeout
	s.accepting.Go(func() {
		l.drainFor(life, limit)
		l.close()
		l.wg.Wait()
	})
}

// drainFor waits until l's connections are gone, for so long at most.
func (l *listener) drainFor(life interface{ Done() <-chan struct{} }, limit time.Duration) {
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	late := time.NewTimer(limit)
	defer late.Stop()
	for l.drain(); l.connections() > 0; l.drain() {
		select {
		case <-tick.C:
		case <-late.C:
			return
		case <-life.Done():
			return
		}
	}
}
