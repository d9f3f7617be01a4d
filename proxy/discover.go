package proxy

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/proxy/upstream/discovery"
)

// discovered makes a cluster whose endpoints others tell.
func (s *Server) discovered(made *cluster, o upstream.Options) error {
	d := made.config.Discovery
	source, err := discovery.New(d)
	if err != nil {
		return err
	}
	if l, ok := source.(discovery.Located); ok {
		o.Where = l.Where
	}
	o.IgnoreHealth = d.IgnoreHealth
	made.Cluster = upstream.New(o)
	made.watch()
	made.poller = discovery.NewPoller(source, discovery.OptionsOf(d, made.Cluster, s.deps.Log))
	return nil
}

// before is the cluster in whose place one comes, if they are for the same: what
// was discovered for another is not what is wanted now.
func (s *Server) before(c *config.Cluster) *upstream.Cluster {
	old := s.clusters[c.Name]
	if old == nil || c.Original() != old.config.Original() || !reflect.DeepEqual(old.config.Discovery, c.Discovery) {
		return nil
	}
	return old.Cluster
}

// askFirst asks who belongs to new clusters before they get any traffic. It waits
// for answers as long as the configuration says; whoever has none by then is
// asked on.
func askFirst(made []*cluster) {
	var all sync.WaitGroup
	for _, c := range made {
		if c.poller == nil || c.config.Discovery.Initial == 0 {
			continue
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), c.config.Discovery.Initial)
			defer cancel()
			c.poller.Step(ctx, time.Now())
		})
	}
	all.Wait()
}

// steer has loads decide weights where the configuration says so.
func steer(o *upstream.Options, c *config.Cluster) {
	if w := c.LoadWeights; w != nil {
		o.Steer = &upstream.Steering{Penalty: w.Penalty, Blackout: w.Blackout, Expiry: w.Expiry, Period: w.Period}
		if w.Penalty == 0 {
			o.Steer.Penalty = -1 // none, where upstream takes 0 for its default
		}
	}
}
