// Package status is the form in which a running proxy tells of its clusters and
// their endpoints: /clusters?format=json of its admin port, which pitot top
// reads.
package status

// Clusters is all of it.
type Clusters struct {
	Time     int64     `json:"time_unix_nano"` // when it was told, by the proxy's clock
	Clusters []Cluster `json:"clusters"`
}

// Cluster is one cluster.
type Cluster struct {
	Name   string            `json:"name"`
	Policy string            `json:"policy"`
	Why    string            `json:"picks"` // by what hosts are picked now: the policy, and what changes its choice
	Stats  map[string]uint64 `json:"stats"`
	Hosts  []Host            `json:"hosts"`
}

// Host is one endpoint.
type Host struct {
	Address  string            `json:"address"`
	Hostname string            `json:"hostname,omitempty"`
	Weight   uint32            `json:"weight"`
	Priority int               `json:"priority"`
	Region   string            `json:"region,omitempty"`
	Zone     string            `json:"zone,omitempty"`
	SubZone  string            `json:"sub_zone,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Healthy  bool              `json:"healthy"` // nothing speaks against taking it
	Flags    []string          `json:"health_flags"`
	Tags     map[string]string `json:"tags,omitempty"` // what health checks found: mongodb.role, mongodb.set_name
	Lag      int64             `json:"lag_ns"`         // behind the newest write of its replica set; -1 where not known
	Latency  Latency           `json:"latency"`
	Warm     float64           `json:"slow_start"`     // the part of its weight that it has: 1, but in its slow start
	Load     *Load             `json:"load,omitempty"` // what it says of its load; nil where it says nothing
	Stats    map[string]uint64 `json:"stats"`
}

// Load is what a host says of itself; shares are of 1.
type Load struct {
	CPU         float64 `json:"cpu"`
	Memory      float64 `json:"memory"`
	Utilization float64 `json:"utilization"`
	QPS         float64 `json:"qps"`
	EPS         float64 `json:"eps"`
	At          int64   `json:"time_unix_nano"`
}

// Latency is how long attempts at a host took lately, in ns; all 0 where there
// were none.
type Latency struct {
	N   uint64 `json:"n"`
	P50 int64  `json:"p50_ns"`
	P90 int64  `json:"p90_ns"`
	P99 int64  `json:"p99_ns"`
}
