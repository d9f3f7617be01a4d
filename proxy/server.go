package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/admin"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// Deps are what a Server needs and does not make. Hub must be there.
type Deps struct {
	Hub       *tap.Hub
	Protocols []decode.Protocol
	IDs       tap.IDs                  // random ones by default
	Sinks     func() []admin.SinkStats // may be nil
	Log       *slog.Logger             // none by default
}

// Server is a running proxy: listeners, clusters and the operator's port.
type Server struct {
	config    *config.Config
	deps      Deps
	listeners []*listener
	clusters  map[string]*upstream.Cluster
	secured   []*secure.Client
	files     *secure.Watcher // of certificates
	admin     *admin.Server
	failures  Counter // of decoders
	number    atomic.Int64
	buffers   *buffers
	draining  atomic.Bool
}

// New makes a server of a validated configuration and binds its sockets. Run
// serves them; a server that never runs must be closed.
func New(cfg *config.Config, d Deps) (*Server, error) {
	if d.IDs == nil {
		d.IDs = tap.RandomIDs{}
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: cfg, deps: d, clusters: map[string]*upstream.Cluster{}, buffers: newBuffers()}
	s.files = secure.NewWatcher(secure.WatcherOptions{Log: d.Log, Tell: d.Hub.Publisher(0).Notice})
	s.number.Store(-1) // so that the first connection is number 0
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open() error {
	for i := range s.config.Clusters {
		if err := s.addCluster(&s.config.Clusters[i]); err != nil {
			return err
		}
	}
	for i := range s.config.Listeners {
		if err := s.addListener(i, &s.config.Listeners[i]); err != nil {
			return err
		}
	}
	return s.openAdmin()
}

func (s *Server) addCluster(c *config.Cluster) error {
	policy, err := upstream.NewPolicy(c.Policy)
	if err != nil {
		return fmt.Errorf("cluster %q: %w", c.Name, err)
	}
	idle := c.MaxIdle
	if idle == 0 {
		idle = -1 // none, where upstream takes 0 for its default
	}
	o := upstream.Options{
		Name: c.Name, Endpoints: c.Endpoints, Policy: policy, ConnectTimeout: c.ConnectTimeout,
		MaxIdle: idle, IdleTimeout: c.IdleTimeout, MaxUses: c.MaxRequests,
	}
	if c.TLS != nil {
		t, err := secure.NewClient(c.Name, c.TLS, s.files)
		if err != nil {
			return err
		}
		s.secured = append(s.secured, t)
		o.TLS = t
	}
	s.clusters[c.Name] = upstream.New(o)
	return nil
}

func (s *Server) addListener(i int, c *config.Listener) error {
	l := &listener{config: c, stats: new(ListenerStats), log: s.deps.Log, open: map[socket.Conn]struct{}{}}
	l.next = func() int64 { return s.number.Add(1) }
	l.tell = func(id int64, n *event.Notice) { s.deps.Hub.Publisher(id).Notice(n) }
	handler, err := newHandler(Setup{
		Listener: c, Clusters: s.clusters, Hub: s.deps.Hub, Names: &s.config.Services, IDs: s.deps.IDs,
		Protocols: s.deps.Protocols, Stats: l.stats, Failures: &s.failures, Attempts: s.config.Tracing.AttemptSpans,
		Log: s.deps.Log, buffers: s.buffers,
	})
	if err != nil {
		return err
	}
	l.handler = handler
	s.listeners = append(s.listeners, l)
	if c.TLS != nil {
		if l.secure, err = secure.NewServer(c.Name, c.TLS, c.ForwardCert, alpnOf(c.Protocol), s.files); err != nil {
			return err
		}
	}
	l.socket, err = bindListener(i, c)
	return err
}

// Addr is the address that the listener of that name is bound to.
func (s *Server) Addr(name string) net.Addr {
	for _, l := range s.listeners {
		if l.config.Name == name {
			return l.socket.Addr()
		}
	}
	return nil
}

// AdminAddr is the address of the operator's port, nil when there is none.
func (s *Server) AdminAddr() net.Addr {
	if s.admin == nil {
		return nil
	}
	return s.admin.Addr()
}

// Close frees what New has bound. It is for a server that does not run.
func (s *Server) Close() {
	if s.admin != nil {
		s.admin.Close()
	}
	s.closeTraffic()
}

// closeTraffic breaks off what is left of all connections.
func (s *Server) closeTraffic() {
	for _, l := range s.listeners {
		l.handler.Close()
		if l.secure != nil {
			l.secure.Close()
		}
		if l.socket != nil {
			_ = l.socket.Close() // a second time, after a drain
		}
		l.cut()
	}
	for _, c := range s.clusters {
		c.Close()
	}
	for _, t := range s.secured {
		t.Close()
	}
}

// Run serves until ctx is done, then drains: no connection is accepted any
// more, and those that are open get the drain timeout to end what is under
// way. It returns when every goroutine has ended.
func (s *Server) Run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var accepting, serving sync.WaitGroup
	for _, l := range s.listeners {
		accepting.Go(func() { l.accept(life) })
		s.deps.Log.Info("listening", "listener", l.config.Name, "address", l.socket.Addr().String(), "protocol", l.config.Protocol)
	}
	serving.Go(func() { s.files.Run(life) })
	if s.admin != nil {
		serving.Go(func() { s.admin.Run(life) })
		s.deps.Log.Info("admin", "address", "http://"+s.admin.Addr().String())
	}
	<-ctx.Done()
	s.draining.Store(true)
	for _, l := range s.listeners {
		_ = l.socket.Close() // ends its accept
	}
	accepting.Wait()
	s.drain()
	end()
	s.closeTraffic()
	for _, l := range s.listeners {
		l.wg.Wait()
	}
	serving.Wait()
	return nil
}

// drainTick is how often a drain looks for connections that can go.
const drainTick = 25 * time.Millisecond

// drain waits until all connections are gone, or for the drain timeout.
func (s *Server) drain() {
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	late := time.NewTimer(s.config.Drain.Timeout)
	defer late.Stop()
	for {
		n := 0
		for _, l := range s.listeners {
			l.handler.Drain()
			n += l.connections()
		}
		if n == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late.C:
			s.deps.Log.Warn("drain timeout: connections are cut off", "connections", n)
			return
		}
	}
}
