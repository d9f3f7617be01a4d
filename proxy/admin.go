package proxy

import (
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/admin"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// openAdmin binds the operator's port, if there is to be one.
func (s *Server) openAdmin() error {
	address := s.config.Admin.Address
	if address == config.None {
		return nil
	}
	socket, err := bind("admin", address, "admin.address (--admin)")
	if err != nil {
		return err
	}
	s.admin = admin.New(socket, admin.Options{
		Hub: s.deps.Hub, Listeners: s.listenerViews, Clusters: s.allClusters, Sinks: s.deps.Sinks, Certificates: s.files.Certificates,
		DecodeFailures: s.failures.Load, Config: s.config.YAML, Draining: s.draining.Load,
		Token: s.config.Admin.Token, Log: s.deps.Log,
	})
	return nil
}

func (s *Server) listenerViews() (all []admin.Listener) {
	for _, l := range s.listeners {
		stats := l.stats.All()
		if l.secure != nil {
			stats = append(stats, l.secure.Stats().All()...)
		}
		all = append(all, admin.Listener{Name: l.config.Name, Address: l.socket.Addr().String(), Stats: stats})
	}
	return all
}

// allClusters are the clusters in the order of the configuration.
func (s *Server) allClusters() (all []*upstream.Cluster) {
	for i := range s.config.Clusters {
		all = append(all, s.clusters[s.config.Clusters[i].Name])
	}
	return all
}
