package proxy

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/admin"
	"github.com/pitot-io/pitot/proxy/inherit"
	"github.com/pitot-io/pitot/proxy/overload"
	"github.com/pitot-io/pitot/proxy/probe"
	"github.com/pitot-io/pitot/proxy/ratelimit"
	"github.com/pitot-io/pitot/proxy/secure"
	"github.com/pitot-io/pitot/proxy/shed"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// Deps are what a Server needs and does not make. Hub must be there.
type Deps struct {
	Hub       *tap.Hub
	Protocols []decode.Protocol
	Layers    []decode.Layer           // that ride on HTTP: gRPC
	IDs       tap.IDs                  // random ones by default
	Sinks     func() []admin.SinkStats // may be nil
	Sockets   *inherit.Sockets         // that listeners may take; may be nil
	Listening func()                   // called once connections are accepted; may be nil
	Log       *slog.Logger             // none by default
	Level     *slog.LevelVar           // of Log, where the admin port may change it
	Stdout    io.Writer                // for access logs; the process's by default
}

// Server is a running proxy: listeners, clusters and the operator's port.
type Server struct {
	deps     Deps
	admin    *admin.Server
	failures Counter // of decoders
	number   atomic.Int64
	buffers  *buffers
	draining atomic.Bool
	state    *probe.State
	handed   atomic.Bool     // to a successor
	sourced  atomic.Bool     // there are clusters that ask whose a connection is
	files    *secure.Watcher // of certificates
	logs     *logs
	limits   *ratelimit.Set
	shed     *shed.Set
	overload *overload.Manager
	open     atomic.Int64                     // connections of clients
	most     atomic.Int64                     // that there may be; 0 for no limit
	limiter  atomic.Pointer[upstream.Cluster] // of the rate limit service

	accepting sync.WaitGroup // goroutines of listeners
	reloading sync.Mutex     // one new configuration at a time

	mu        sync.Mutex // guards what follows, which Reload changes
	config    *config.Config
	listeners []*listener
	clusters  map[string]*cluster
	retired   []*cluster      // that may still have connections
	life      context.Context // while the server runs
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
	if d.Stdout == nil {
		d.Stdout = os.Stdout
	}
	s := &Server{config: &config.Config{}, deps: d, logs: newLogs(), state: probe.New(), clusters: map[string]*cluster{}, buffers: newBuffers()}
	s.number.Store(-1) // so that the first connection is number 0
	s.files = secure.NewWatcher(secure.WatcherOptions{Log: d.Log, Tell: d.Hub.Publisher(0).Notice})
	s.overload = overload.New(d.Hub.Publisher(0).Notice)
	s.shed = shed.NewSet(d.Hub.Publisher(0).Notice)
	s.limits = ratelimit.NewSet(d.Hub.Publisher(0).Notice)
	n, err := s.prepare(cfg)
	if err != nil {
		s.logs.close()
		return nil, err
	}
	s.adopt(n)
	if err := s.openAdmin(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Addr is the address that the listener of that name is bound to.
func (s *Server) Addr(name string) net.Addr {
	for _, l := range s.now() {
		if l.name == name {
			return l.socket.Addr()
		}
	}
	return nil
}

// Sockets are those that a successor can go on with.
func (s *Server) Sockets() (all []inherit.Named) {
	for _, l := range s.now() {
		all = append(all, inherit.Named{Name: l.name, Listen: l.socket})
	}
	if s.admin != nil {
		all = append(all, inherit.Named{Name: adminName, Listen: s.admin.Listener()})
	}
	return all
}

// HandedOn says that a successor goes on with the sockets: files of Unix
// sockets stay when these are closed here, and no check fails for the end.
func (s *Server) HandedOn() {
	s.handed.Store(true)
	for _, l := range s.now() {
		if u, ok := l.socket.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false)
		}
	}
}

// now is the listeners as they are now.
func (s *Server) now() []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.listeners)
}

// cluster is the one of that name as it is now; nil for none.
func (s *Server) cluster(name string) *upstream.Cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clusters[name]; c != nil {
		return c.Cluster
	}
	return nil
}

// settings is the configuration in use.
func (s *Server) settings() *config.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config
}

// all is every cluster that may have connections.
func (s *Server) all() []*cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(slices.Collect(maps.Values(s.clusters)), s.retired...)
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
	s.logs.close()
}

// closeTraffic breaks off what is left of all connections.
func (s *Server) closeTraffic() {
	for _, l := range s.now() {
		l.close()
	}
	s.useLimiter(nil)
	for _, c := range s.all() {
		c.close()
	}
	s.shed.Close()
}

// Run serves until ctx is done, then drains: no connection is accepted any
// more, and those that are open get the drain timeout to end what is under
// way. It returns when every goroutine has ended.
func (s *Server) Run(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var serving sync.WaitGroup
	s.logs.begin()
	s.warm(ctx, life)
	s.begin(life)
	if s.deps.Listening != nil {
		s.deps.Listening()
	}
	serving.Go(func() { s.files.Run(life) })
	serving.Go(func() { s.overload.Run(life, s.pressure) })
	serving.Go(func() { s.limits.Run(life) })
	if s.admin != nil {
		serving.Go(func() { s.admin.Run(life) })
		s.deps.Log.Info("admin", "address", "http://"+s.admin.Addr().String())
	}
	<-ctx.Done()
	s.leave()
	s.draining.Store(true)
	s.reloading.Lock() // one that is under way ends first; no other begins
	defer s.reloading.Unlock()
	for _, l := range s.now() {
		_ = l.socket.Close() // ends its accept
	}
	s.accepting.Wait()
	s.drain()
	end()
	s.closeTraffic()
	for _, l := range s.now() {
		l.wg.Wait()
	}
	serving.Wait()
	s.logs.close() // nobody is left to tell anything
	return nil
}

// leave lets checks fail for a while before connections are accepted no more, so
// that whoever balances may turn away. A successor has checks of its own.
func (s *Server) leave() {
	if s.handed.Load() {
		return
	}
	s.state.Drain()
	if d := s.settings().Drain.Delay; d > 0 {
		s.deps.Log.Info("health checks fail; connections are accepted a little longer", "for", d)
		time.Sleep(d)
	}
}

// begin accepts on all listeners.
func (s *Server) begin(life context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = life
	s.watch(life)
	for _, l := range s.listeners {
		s.accept(l)
	}
}

// accept has a listener accept. The caller has the lock.
func (s *Server) accept(l *listener) {
	life := s.life
	s.accepting.Go(func() { l.accept(life) })
	s.deps.Log.Info("listening", "listener", l.name, "address", l.socket.Addr().String(), "protocol", l.config.Protocol)
}

// drainTick is how often a drain looks for connections that can go.
const drainTick = 25 * time.Millisecond

// youngFor is how long a connection that was accepted just before a drain has
// for its first request to come.
const youngFor = 200 * time.Millisecond

// drain waits until all connections are gone, or for the drain timeout.
func (s *Server) drain() {
	tick := time.NewTicker(drainTick)
	defer tick.Stop()
	limit := s.settings().Drain.Timeout
	late := time.NewTimer(limit)
	defer late.Stop()
	for began := time.Now(); ; {
		n := 0
		for _, l := range s.now() {
			if time.Since(began) < min(youngFor, limit/2) {
				l.drainOld()
			} else {
				l.drain()
			}
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
