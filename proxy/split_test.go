package proxy

import (
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
)

// Both engines send a request where its share goes, edit it as that says, and
// tell so.
func TestSplitThroughTheProxy(t *testing.T) {
	for _, engine := range []string{"fast", "relay"} {
		t.Run(engine, func(t *testing.T) {
			front, blue, green := mirror(t), mirror(t), mirror(t)
			r := run(t, func(c *config.Config) {
				configured(t, `
routes:
- match: {prefix: /}
  clusters:
  - {cluster: main, weight: 1}
  request_headers: {set: {x-from: route}}
`)(c)
				route := &c.Listeners[0].Routes[0]
				route.ClusterHeader = "x-color"
				c.Listeners[0].GRPCWeb = engine == "relay" // has it serve everything
				for name, at := range map[string]string{"blue": blue, "green": green} {
					cl := c.Clusters[0]
					cl.Name, cl.Endpoints = name, config.Addresses(at)
					c.Clusters = append(c.Clusters, cl)
					edits := config.HeaderEdits{Set: config.Pairs{{Name: "x-share", Value: "%CLUSTER%"}}}
					route.Clusters = append(route.Clusters, config.WeightedCluster{Cluster: name, RequestHeaders: edits, ResponseHeaders: edits})
				}
			}, front)
			for _, color := range []string{"blue", "green"} {
				a := r.ask("GET", "/", "x-color: "+color)
				if a.status != 200 || a.sent["x-share"] != color || a.sent["x-from"] != "route" || a.header.Get("X-Share") != color {
					t.Errorf("%s: %+v", color, a)
				}
				if x := r.next(); x.Cluster != color || x.Service != color {
					t.Errorf("%s: cluster %q, service %q", color, x.Cluster, x.Service)
				}
			}
			if a := r.ask("GET", "/"); a.status != 200 || a.header.Get("X-Share") != "" || a.sent["x-from"] != "route" {
				t.Errorf("by weight: %+v", a)
			}
			if x := r.next(); x.Cluster != "main" {
				t.Errorf("by weight: cluster %q", x.Cluster)
			}
			if a := r.ask("GET", "/", "x-color: red"); a.status != 503 {
				t.Errorf("a color that there is not: %+v", a)
			}
			if x := r.next(); x.Flags != event.FlagNC || x.Cluster != "" {
				t.Errorf("a color that there is not: %v, cluster %q", x.Flags, x.Cluster)
			}
		})
	}
}
