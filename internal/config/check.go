package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report takes one problem.
type report func(key, format string, a ...any)

// check tells report everything that is wrong with c.
func (c *Config) check(wrong report) {
	if len(c.Listeners) == 0 {
		wrong("listeners", "must name at least one listener, as [{address: \"127.0.0.1:8080\", cluster: web}]")
	}
	c.checkNames(wrong)
	for i := range c.Listeners {
		c.checkListener(&c.Listeners[i], fmt.Sprintf("listeners[%d]", i), wrong)
	}
	for i := range c.Clusters {
		checkCluster(&c.Clusters[i], fmt.Sprintf("clusters[%d]", i), wrong)
		c.checkBalance(&c.Clusters[i], fmt.Sprintf("clusters[%d].balance", i), wrong)
	}
	c.checkNode(wrong)
	c.checkAdmin(wrong)
	c.checkStore(wrong)
	if !slices.Contains(comments, c.Redact.Comments) {
		wrong("redact.comments", "%q is not valid; must be one of %s", c.Redact.Comments, strings.Join(comments, ", "))
	}
	c.GRPC.check(wrong)
	c.checkTLS(wrong)
	c.checkRateLimits(wrong)
	c.Overload.check(wrong)
}

// maxPayload bounds what is told of a payload, in bytes.
const maxPayload = 1 << 20

func (g *GRPC) check(wrong report) {
	if g.Payload < 1 || g.Payload > maxPayload {
		wrong("grpc.payload", "%s is not valid; must be from 1 to %s; leave out grpc.descriptors for no payloads", g.Payload, Size(maxPayload))
	}
	if host := strings.TrimPrefix(g.Reflect, "https://"); host != "" {
		if _, _, err := net.SplitHostPort(host); err != nil {
			wrong("grpc.reflect", "%q is not valid; must be host:port, or https://host:port", g.Reflect)
		}
	}
}

var comments = []string{"off", "short", "full"}

func (c *Config) checkNames(wrong report) {
	listeners, addresses, clusters := map[string]int{}, map[string]int{}, map[string]int{}
	unique := func(seen map[string]int, key, what string, i int, name string) {
		if before, twice := seen[name]; twice && name != "" {
			wrong(key, "%q is the %s of entry %d too; each must have its own", name, what, before)
		}
		seen[name] = i
	}
	for i, l := range c.Listeners {
		if _, told := addresses[l.Address]; !told || l.Name != l.Address { // a name by default is as wrong as the address
			unique(listeners, fmt.Sprintf("listeners[%d].name", i), "name", i, l.Name)
		}
		if _, port, _ := net.SplitHostPort(l.Address); port != "0" {
			unique(addresses, fmt.Sprintf("listeners[%d].address", i), "address", i, l.Address)
		}
	}
	for i, cl := range c.Clusters {
		unique(clusters, fmt.Sprintf("clusters[%d].name", i), "name", i, cl.Name)
	}
}

var protocols = []string{HTTP, MongoDB, TCP, PassTLS, Auto}

func (c *Config) checkListener(l *Listener, key string, wrong report) {
	if path, ok := UnixPath(l.Address); ok {
		checkUnixPath(path, func(format string, a ...any) { wrong(key+".address", format, a...) })
	} else if err := checkAddress(l.Address); err != nil {
		wrong(key+".address", "%v; must be as 127.0.0.1:8080, :8080 for every interface, or unix:/path", err)
	}
	l.checkSocketMode(key, wrong)
	l.checkOrigin(key, wrong)
	c.checkOriginals(key, l, wrong)
	if !slices.Contains(protocols, l.Protocol) {
		wrong(key+".protocol", "%q is not valid; must be one of %s", l.Protocol, strings.Join(protocols, ", "))
	}
	switch {
	case l.Cluster == "" && len(l.SNI) > 0 && (l.Protocol == TCP || l.Protocol == PassTLS): // what has no entry is reset
	case l.Cluster == "" && l.Protocol != HTTP:
		wrong(key+".cluster", "must name the cluster that takes what is not routed as HTTP%s", c.clusterNames())
	case l.Cluster == "" && len(l.Routes) == 0 && l.HealthCheck.None():
		wrong(key, "must have a cluster, or routes, or health_check")
	}
	if len(l.Routes) > 0 && (l.Protocol == TCP || l.Protocol == MongoDB || l.Protocol == PassTLS) {
		wrong(key+".routes", "only HTTP has routes; remove them, or set protocol to %s or %s", HTTP, Auto)
	}
	c.checkReference(l.Cluster, key+".cluster", wrong)
	l.checkVersions(key, wrong)
	checkAffinity(l.Protocol, l.Hash, l.Sticky, l.Subset, key, wrong)
	c.checkSingle(l, key, wrong)
	checkUpgrades(l.Upgrades, key+".upgrades", wrong)
	for i := range l.Routes {
		c.checkRoute(&l.Routes[i], fmt.Sprintf("%s.routes[%d]", key, i), wrong)
		c.checkFaults(l, l.Routes[i].Faults, fmt.Sprintf("%s.routes[%d].faults", key, i), wrong)
	}
	c.checkFaults(l, l.Faults, key+".faults", wrong)
	checkShed(l.Admission, l.Concurrency, key, wrong)
	if l.OverflowDelay > time.Minute {
		wrong(key+".overflow_delay", "%v is not valid; must be at most 1m", l.OverflowDelay)
	}
	c.checkLimits(l, key, wrong)
	l.checkRetries(key, wrong)
	l.checkForwarding(key, wrong)
	c.checkSNI(l, key, wrong)
	c.checkHealth(l, key+".health_check", wrong)
	l.HTTP2.check(key+".http2", wrong)
}

func (c *Config) checkLimits(l *Listener, key string, wrong report) {
	if l.Limits.Head < 1<<10 || l.Limits.Head > 1<<20 {
		wrong(key+".limits.head", "%s is not valid; must be from 1KiB to 1MiB", l.Limits.Head)
	}
	if l.Limits.Headers < 1 || l.Limits.Headers > 10_000 {
		wrong(key+".limits.headers", "%d is not valid; must be from 1 to 10000", l.Limits.Headers)
	}
	if l.Protocol == Auto && l.Timeouts.Detect == 0 {
		wrong(key+".timeouts.detect", "must be more than 0: servers that speak first would wait for ever")
	}
}

func (c *Config) checkReference(name, key string, wrong report) {
	known := func(cl Cluster) bool { return cl.Name == name }
	if name != "" && !slices.ContainsFunc(c.Clusters, known) {
		wrong(key, "no cluster is named %q%s%s", name, suggest(name, c.allClusters()), c.clusterNames())
	}
}

func (c *Config) allClusters() (names []string) {
	for _, cl := range c.Clusters {
		names = append(names, cl.Name)
	}
	return names
}

func (c *Config) clusterNames() string {
	names := c.allClusters()
	if len(names) == 0 {
		return "; define one under clusters"
	}
	return "; there are: " + strings.Join(names, ", ")
}

// policies are the valid values of a cluster's policy: those of
// upstream.Policies, which a test of the proxy compares.
var policies = []string{"round_robin", "least_request", "peak_ewma", "random", "ring_hash", "maglev"}

var httpVersions = []string{HTTP1, HTTP2, AutoHTTP}

func checkCluster(c *Cluster, key string, wrong report) {
	if c.Name == "" {
		wrong(key+".name", "must be there, so that listeners and routes can name the cluster")
	}
	c.checkSources(key, wrong)
	if c.LoadWeights != nil {
		c.LoadWeights.check(key+".weights_by_load", wrong)
	}
	if !c.Original() {
		checkEndpoints(c.Endpoints, key+".endpoints", wrong)
	}
	c.checkProxyProtocol(key, wrong)
	c.HTTP2.check(key+".http2", wrong)
	c.checkWatch(key, wrong)
	c.checkBreakers(key, wrong)
	c.RetryBudget.check(key+".retry_budget", wrong)
	if !slices.Contains(httpVersions, c.Protocol) {
		wrong(key+".protocol", "%q is not valid; must be one of %s", c.Protocol, strings.Join(httpVersions, ", "))
	}
	if !slices.Contains(policies, c.Policy) {
		wrong(key+".policy", "%q is not valid; must be one of %s, %s", c.Policy, strings.Join(policies, ", "), WeightedByLoad)
	}
	if c.ConnectTimeout == 0 {
		wrong(key+".connect_timeout", "must be more than 0")
	}
	if c.IdleTimeout == 0 {
		wrong(key+".idle_timeout", "must be more than 0; set max_idle_connections to 0 to keep none")
	}
}

func checkAddress(address string) error {
	if address == "" {
		return fmt.Errorf("is missing")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || !goodPort(port) {
		return fmt.Errorf("%q is not an address to listen on", address)
	}
	if _, err := netip.ParseAddr(host); host != "" && host != "localhost" && err != nil {
		return fmt.Errorf("%q is not an address of this machine", address)
	}
	return nil
}

func goodPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func (c *Config) checkAdmin(wrong report) {
	if c.Admin.Address == None {
		return
	}
	if err := checkAddress(c.Admin.Address); err != nil {
		wrong("admin.address", "%v; must be as 127.0.0.1:9901, or none", err)
		return
	}
	if c.Admin.Token == "" && !isLoopback(c.Admin.Address) {
		wrong("admin.token", "must be there when admin.address (%s) can be reached from elsewhere; or use 127.0.0.1", c.Admin.Address)
	}
}

func isLoopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// The values of store.dsn that are no address.
const (
	Embedded = "embedded"
	None     = "none"
)

var schemes = []string{"clickhouse://", "clickhouses://", "http://", "https://", "tcp://", "native://"}

func (c *Config) checkStore(wrong report) {
	if err := checkAddress(c.Store.Listen); err != nil || !isLoopback(c.Store.Listen) {
		wrong("store.listen", "%q is not valid; the embedded store is for this machine: must be as 127.0.0.1:8123", c.Store.Listen)
	}
	dsn := c.Store.DSN
	if dsn == Embedded || dsn == None {
		return
	}
	if !slices.ContainsFunc(schemes, func(s string) bool { return strings.HasPrefix(dsn, s) }) {
		wrong("store.dsn", "%q is not valid; must be %s, %s, or begin with one of %s", RedactDSN(dsn), Embedded, None, strings.Join(schemes, ", "))
	}
}
