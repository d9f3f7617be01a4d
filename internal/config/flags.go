package config

import "strings"

// FromFlags is the configuration of `pitot proxy --listen :8080 --to a:1,b:2`:
// one listener that finds out what is spoken, and one cluster. It is not
// checked yet: Validate is for when the caller has set the rest.
func FromFlags(listen string, to ...string) *Config {
	c := Default()
	var l Listener
	l.setDefaults()
	l.Name, l.Address, l.Cluster = "main", listen, "main"
	var cl Cluster
	cl.setDefaults()
	cl.Name = "main"
	for _, list := range to {
		for e := range strings.SplitSeq(list, ",") {
			if e = strings.TrimSpace(e); e != "" {
				cl.Endpoints = append(cl.Endpoints, Addresses(e)...)
			}
		}
	}
	c.Listeners, c.Clusters = []Listener{l}, []Cluster{cl}
	return c
}
