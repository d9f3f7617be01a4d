package proxy

import "github.com/pitot-io/pitot/internal/config"

// endpoints are a cluster's as upstream takes them.
func endpoints(all []config.Endpoint) []string {
	list := make([]string, len(all))
	for i := range all {
		list[i] = all[i].Address
	}
	return list
}
