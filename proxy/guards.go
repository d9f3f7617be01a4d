package proxy

import (
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/fault"
	"github.com/pitot-io/pitot/proxy/route"
)

// guards are asked about every request of a route, in this order, before it
// goes to a host. r is the route's configuration, or that of what goes to the
// listener's cluster.
func (s *Setup) guards(r *config.Route) (all []route.Guard, err error) {
	if limits, err := s.limits.Guard(r.RateLimits, s.Listener.LimitsFor(r)); err != nil {
		return nil, err
	} else if limits != nil {
		all = append(all, limits)
	}
	admission, concurrency := s.Listener.ShedOf(r)
	all = append(all, s.shed.Guards(s.Listener.Name, r.Name, admission, concurrency)...)
	if faults, err := fault.New(s.Listener.FaultsOf(r), s.faultOptions(r.Name)); err != nil {
		return nil, err
	} else if faults != nil {
		all = append(all, faults)
	}
	return all, nil
}
