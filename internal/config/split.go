package config

import (
	"fmt"
	"math"
	"slices"
)

// WeightedCluster is one of several clusters that a route's requests go to.
type WeightedCluster struct {
	Cluster string `yaml:"cluster"`
	Weight  int    `yaml:"weight"` // share of the requests, among all weights of the route

	RequestHeaders  HeaderEdits `yaml:"request_headers,omitempty"` // before the route's own
	ResponseHeaders HeaderEdits `yaml:"response_headers,omitempty"`
}

// Targets are the names of the clusters that the route's requests, or copies of
// them, may go to.
func (r *Route) Targets() (all []string) {
	if r.Cluster != "" {
		all = append(all, r.Cluster)
	}
	for i := range r.Clusters {
		all = append(all, r.Clusters[i].Cluster)
	}
	for i := range r.Mirror {
		all = append(all, r.Mirror[i].Cluster)
	}
	return all
}

// Forwards reports whether the route's requests go to clusters.
func (r *Route) Forwards() bool { return r.Cluster != "" || len(r.Clusters) > 0 }

func (c *Config) checkSplit(r *Route, key string, wrong report) {
	sum := 0
	for i := range r.Clusters {
		w, at := &r.Clusters[i], fmt.Sprintf("%s.clusters[%d]", key, i)
		if sum += w.Weight; w.Cluster == "" {
			wrong(at+".cluster", "must name a cluster%s", c.clusterNames())
		}
		c.checkReference(w.Cluster, at+".cluster", wrong)
		if slices.ContainsFunc(r.Clusters[:i], func(o WeightedCluster) bool { return o.Cluster == w.Cluster }) {
			wrong(at+".cluster", "%q is there twice; add its weights up", w.Cluster)
		}
		if w.Weight > math.MaxInt32 {
			wrong(at+".weight", "%d is not valid; must be from 0 to %d", w.Weight, math.MaxInt32)
		}
		w.RequestHeaders.check(at+".request_headers", wrong)
		w.ResponseHeaders.check(at+".response_headers", wrong)
	}
	switch {
	case len(r.Clusters) > 0 && sum == 0 && r.ClusterHeader == "":
		wrong(key+".clusters", "no entry has a weight; one at least must have a weight of 1 or more")
	case len(r.Clusters) == 0 && r.ClusterHeader != "":
		wrong(key+".cluster_header", "needs clusters, which lists those that the field may name")
	case len(r.Clusters) == 0 && r.SplitBy != "":
		wrong(key+".split_by", "needs clusters, among which it decides")
	}
	for _, f := range []struct{ key, name string }{{".cluster_header", r.ClusterHeader}, {".split_by", r.SplitBy}} {
		if f.name != "" && !token(f.name) {
			wrong(key+f.key, "%q is no name of a field", f.name)
		}
	}
}
