package proxy

import (
	"reflect"

	"github.com/pitot-io/pitot/proxy/admin"
	"github.com/pitot-io/pitot/proxy/ratelimit"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// prepareLimiter makes the client of a new configuration's rate limit service,
// where that is another than before, and the cluster that it may bring along.
func (s *Server) prepareLimiter(n *next) (err error) {
	c := n.config.RateLimitService
	if own := c.Own(); own != nil {
		if err := s.prepareCluster(n, own); err != nil {
			return err
		}
	}
	if c == nil || reflect.DeepEqual(c, s.settings().RateLimitService) {
		return nil
	}
	n.limiter, err = ratelimit.NewService(c, s.limiter.Load, s.deps.Hub.Publisher(0).Notice)
	return err
}

// adoptLimiter puts the rate limits of a new configuration into use.
func (s *Server) adoptLimiter(n *next) {
	s.limits.Keep(n.config)
	s.limiter.Store(n.limiterCluster())
	if n.limiter != nil || n.config.RateLimitService == nil {
		s.useLimiter(n.limiter)
	}
}

// limiterCluster is the cluster of the rate limit service; nil without.
func (n *next) limiterCluster() *upstream.Cluster {
	c := n.config.RateLimitService
	if c == nil {
		return nil
	}
	if own := c.Own(); own != nil {
		return n.clusters[own.Name].Cluster
	}
	return n.clusters[c.Cluster].Cluster
}

// useLimiter ends the use of the rate limit service before.
func (s *Server) useLimiter(v *ratelimit.Service) {
	if before := s.limits.Use(v); before != nil {
		before.Close()
	}
}

// limitViews are the numbers of the rate limits, for the operator.
func (s *Server) limitViews() (all []admin.Group) {
	s.limits.Stats(func(name string, stats []upstream.Stat) {
		all = append(all, admin.Group{Kind: "rate_limit", Name: name, Stats: stats})
	})
	if stats := s.limits.ServiceStats(); stats != nil {
		all = append(all, admin.Group{Kind: "rate_limit_service", Stats: stats})
	}
	all = append(all, admin.Group{Kind: "overload", Stats: s.overload.Stats()})
	s.shed.Each(func(kind, name string, stats []upstream.Stat) {
		all = append(all, admin.Group{Kind: kind, Name: name, Stats: stats})
	})
	return all
}
