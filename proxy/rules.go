package proxy

import (
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/probe"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// rules are what the listener does to every request.
func (s *Setup) rules() hop.Rules {
	l := s.Listener
	r := hop.Rules{
		Overload: s.overload,
		Route:    s.routes.Find, Response: s.compiled.Response, Normal: route.NewNormal(l.Path), Trust: !l.UseRemote, Hops: l.TrustedHops,
		Via: l.Via, MaxVia: l.MaxVia, ForwardedHost: l.ForwardedHost, MakeID: l.RequestID == config.Make,
	}
	if s.accessLog != nil { // else the interface would not be nil
		r.Log = s.accessLog
	}
	return r
}

// table makes the listener's routes.
func (s *Setup) table() (*route.Table, error) {
	t, err := route.New(s.Listener, func(cluster string) (*upstream.Cluster, string) {
		return s.Clusters[cluster], s.serviceOf(cluster)
	}, s.guards)
	if h := &s.Listener.HealthCheck; err == nil && !h.None() {
		err = t.Add(probe.NewCheck(s.Listener, s.state, s.latest).Own(h), s.Listener)
	}
	return t, err
}
