package proxy

import (
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/status"
	"github.com/pitot-io/pitot/proxy/admin"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// adminName is that of the operator's port among sockets.
const adminName = "admin"

// openAdmin binds the operator's port, if there is to be one.
func (s *Server) openAdmin() error {
	cfg := s.settings()
	address := cfg.Admin.Address
	if address == config.None {
		return nil
	}
	socket := s.deps.Sockets.Take(adminName, address)
	if socket == nil {
		var err error
		if socket, err = bind("admin", address, "admin.address (--admin)"); err != nil {
			return err
		}
	}
	s.admin = admin.New(socket, admin.Options{
		Hub: s.deps.Hub, Listeners: s.listenerViews, Clusters: s.allClusters, Sinks: s.deps.Sinks, Logs: s.logs.views, Certificates: s.files.Certificates, Standing: s.files.Standing,
		DecodeFailures: s.failures.Load, Config: func() ([]byte, error) { return s.settings().YAML() }, Draining: s.state.Draining, Fail: s.state.Fail,
		Token: cfg.Admin.Token, Log: s.deps.Log, Level: s.deps.Level,
		Limits: s.limitViews, Faults: s.changeFaults,
	})
	return nil
}

func (s *Server) listenerViews() (all []admin.Listener) {
	for _, l := range s.now() {
		stats := l.stats.All()
		if t := l.session(); t != nil {
			stats = append(stats, t.Stats().All()...)
		}
		all = append(all, admin.Listener{Name: l.name, Address: l.socket.Addr().String(), Stats: stats})
	}
	return all
}

// Status tells of the clusters as they are now.
func (s *Server) Status() status.Clusters { return admin.Status(s.allClusters(), time.Now()) }

// allClusters are the clusters in the order of the configuration.
func (s *Server) allClusters() (all []*upstream.Cluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.config.Clusters {
		all = append(all, s.clusters[s.config.Clusters[i].Name].Cluster)
	}
	if own := s.config.RateLimitService.Own(); own != nil {
		all = append(all, s.clusters[own.Name].Cluster)
	}
	return all
}
