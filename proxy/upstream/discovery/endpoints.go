package discovery

import (
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Endpoints are those of the configuration as clusters take them.
func Endpoints(all []config.Endpoint) []upstream.Endpoint {
	list := make([]upstream.Endpoint, len(all))
	for i := range all {
		e := &all[i]
		list[i] = upstream.Endpoint{
			Address: e.Address, Hostname: e.Hostname, Weight: uint32(e.Weight), Priority: e.Priority,
			Locality: upstream.Locality{Region: e.Region, Zone: e.Zone, SubZone: e.SubZone}, Standing: standing(e.Standing),
		}
		for _, m := range e.Metadata {
			if list[i].Metadata == nil {
				list[i].Metadata = map[string]string{}
			}
			list[i].Metadata[m.Name] = m.Value
		}
	}
	return list
}

func standing(s string) upstream.Standing {
	switch s {
	case config.StandingHealthy:
		return upstream.Healthy
	case config.StandingDegraded:
		return upstream.Degraded
	case config.StandingDraining:
		return upstream.Draining
	case config.StandingUnhealthy:
		return upstream.Unhealthy
	}
	return upstream.Unknown
}
