package admin

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pitot-io/pitot/internal/status"
	"github.com/pitot-io/pitot/proxy/upstream"
)

func (s *Server) clusters(w http.ResponseWriter, r *http.Request) {
	all := Status(s.o.Clusters(), time.Now())
	if r.FormValue("format") == "json" {
		writeJSON(w, all)
		return
	}
	plain(w)
	for i := range all.Clusters {
		writeCluster(w, &all.Clusters[i])
	}
}

// Status tells of clusters as they are now.
func Status(clusters []*upstream.Cluster, now time.Time) (all status.Clusters) {
	all.Time, all.Clusters = now.UnixNano(), []status.Cluster{}
	for _, c := range clusters {
		v := status.Cluster{Name: c.Name(), Policy: c.Policy(), Why: c.Why(), Stats: byName(c.Stats()), Hosts: []status.Host{}}
		for _, h := range c.Hosts() {
			v.Hosts = append(v.Hosts, hostStatus(h, now.UnixNano()))
		}
		all.Clusters = append(all.Clusters, v)
	}
	return all
}

func hostStatus(h *upstream.Host, now int64) status.Host {
	e := h.Endpoint()
	v := status.Host{
		Address: h.Address(), Hostname: e.Hostname, Weight: h.Weight(), Priority: e.Priority,
		Region: e.Locality.Region, Zone: e.Locality.Zone, SubZone: e.Locality.SubZone, Metadata: e.Metadata,
		Healthy: h.Usable(), Flags: append([]string{}, h.Flags().Names()...), Stats: byName(append(h.Stats(), h.Noted()...)), Warm: h.Warm(now),
	}
	v.Tags, v.Lag = h.Tags(), -1
	if lag, known := h.Lagging(); known {
		v.Lag = int64(lag)
	}
	if l, at := h.Load(); at != 0 {
		v.Load = &status.Load{CPU: l.CPU, Memory: l.Memory, Utilization: l.Utilization, QPS: l.QPS, EPS: l.EPS, At: at}
	}
	c, n := h.Latency(now)
	v.Latency = status.Latency{N: n, P50: c.Quantile(0.5, n), P90: c.Quantile(0.9, n), P99: c.Quantile(0.99, n)}
	return v
}

// writeCluster writes a line for each thing that there is to say of a cluster
// and its hosts, in Envoy's form.
func writeCluster(w io.Writer, c *status.Cluster) {
	fmt.Fprintf(w, "%s::policy::%s\n%s::picks::%s\n", c.Name, c.Policy, c.Name, c.Why)
	for _, name := range sorted(c.Stats) {
		fmt.Fprintf(w, "%s::%s::%d\n", c.Name, name, c.Stats[name])
	}
	for i := range c.Hosts {
		writeHost(w, c.Name, &c.Hosts[i])
	}
}

func writeHost(w io.Writer, cluster string, h *status.Host) {
	say := func(name, format string, v any) {
		fmt.Fprintf(w, "%s::%s::%s::"+format+"\n", cluster, h.Address, name, v)
	}
	flags := "healthy"
	if len(h.Flags) > 0 {
		flags = "/" + strings.Join(h.Flags, "/")
	}
	say("health_flags", "%s", flags)
	say("weight", "%d", h.Weight)
	say("priority", "%d", h.Priority)
	for _, place := range []struct{ name, value string }{{"hostname", h.Hostname}, {"region", h.Region}, {"zone", h.Zone}, {"sub_zone", h.SubZone}} {
		if place.value != "" {
			say(place.name, "%s", place.value)
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(h.Tags)) {
		say(tag, "%s", h.Tags[tag])
	}
	if h.Lag >= 0 {
		say("lag", "%v", time.Duration(h.Lag))
	}
	if h.Warm < 1 {
		say("slow_start", "%.2f", h.Warm)
	}
	if l := h.Load; l != nil {
		say("load_cpu", "%.3f", l.CPU)
		say("load_memory", "%.3f", l.Memory)
		say("load_utilization", "%.3f", l.Utilization)
		say("load_qps", "%.1f", l.QPS)
	}
	say("latency_p50", "%v", time.Duration(h.Latency.P50))
	say("latency_p99", "%v", time.Duration(h.Latency.P99))
	for _, name := range sorted(h.Stats) {
		say(name, "%d", h.Stats[name])
	}
}
