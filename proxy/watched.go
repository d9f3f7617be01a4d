package proxy

import (
	"context"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/proxy/upstream/discovery"
	"github.com/pitot-io/pitot/proxy/upstream/health"
	"github.com/pitot-io/pitot/proxy/upstream/outlier"
)

// watched is what looks after the hosts of a cluster while it is in use.
type watched struct {
	outliers *outlier.Detector // nil without
	checker  *health.Checker   // nil without
	poller   *discovery.Poller // nil where the configuration names the endpoints

	running sync.WaitGroup
	stop    context.CancelFunc // nil before it runs
}

// newcomers says how a cluster takes hosts of whose health nothing is known.
func newcomers(o *upstream.Options, c *config.Cluster) {
	if len(c.HealthChecks) == 0 {
		return
	}
	o.Checked, o.Newcomers = true, upstream.FailedCheck
	if c.IgnoreNew {
		o.Newcomers |= upstream.Unchecked
	}
}

// watch has a cluster be looked after as its configuration wants; nothing runs
// yet.
func (c *cluster) watch() {
	if o := c.config.Outliers; o != nil {
		c.outliers = outlier.New(c.Cluster, outliers(o))
		c.Observe(c.outliers)
	}
	for i := range c.config.HealthChecks { // one at most
		o := checks(c.config, &c.config.HealthChecks[i])
		if c.outliers != nil {
			o.Passed = c.outliers.Passed
		}
		c.checker = health.New(c.Cluster, o)
		c.Observe(c.checker)
	}
}

// begin has what looks after c run in life, until end. The caller has the
// server's lock, or c to itself.
func (c *cluster) begin(life context.Context) {
	if c.stop != nil {
		return
	}
	life, c.stop = context.WithCancel(life)
	if c.outliers != nil {
		c.running.Go(func() { c.outliers.Run(life) })
	}
	if c.checker != nil {
		c.running.Go(func() { c.checker.Run(life) })
	}
	if c.poller != nil {
		c.running.Go(func() { c.poller.Run(life) })
	}
}

// end stops what looks after c, without waiting.
func (c *cluster) end() {
	if c.stop != nil {
		c.stop()
	}
}

// watch has what looks after clusters run. The caller has the lock.
func (s *Server) watch(life context.Context) {
	for _, c := range s.clusters {
		c.begin(life)
	}
}

// warm has the clusters be looked after in life, and waits until the health of
// their hosts is known, or for ctx.
func (s *Server) warm(ctx, life context.Context) {
	s.mu.Lock()
	s.watch(life)
	all := slices.Collect(maps.Values(s.clusters))
	s.mu.Unlock()
	warm(ctx, all)
}

// warmNext is warm for the clusters that a configuration brings.
func (s *Server) warmNext(n *next) {
	s.mu.Lock()
	life := s.life
	s.mu.Unlock()
	if life == nil { // Run will
		return
	}
	for _, c := range n.made {
		c.begin(life)
	}
	warm(life, n.made)
}

// warm waits until the health of all hosts is known, as long as that may take;
// so nobody is taken for ill of whom nothing is known.
func warm(ctx context.Context, all []*cluster) {
	most := time.Duration(0)
	for _, c := range all {
		if c.checker != nil {
			most = max(most, c.checker.Patience())
		}
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for _, c := range all {
		if c.checker == nil {
			continue
		}
		select {
		case <-c.checker.Round():
		case <-ctx.Done():
			return
		}
	}
}

// checks are the options that an entry of health_checks stands for.
func checks(c *config.Cluster, h *config.ActiveCheck) health.Options {
	return health.Options{
		Check: check(c, h), Timeout: h.Timeout, Port: uint16(h.Port), Reuse: h.Reuse,
		Interval: h.Interval, NoTraffic: h.NoTraffic, Unhealthy: h.Unhealthy, UnhealthyEdge: h.UnhealthyEdge, HealthyEdge: h.HealthyEdge,
		Jitter: h.Jitter, JitterPercent: h.JitterPercent, InitialJitter: h.InitialJitter,
		UnhealthyThreshold: h.UnhealthyThreshold, HealthyThreshold: h.HealthyThreshold, LogFailures: h.LogFailures, LogSuccess: h.LogSuccess,
	}
}

func check(c *config.Cluster, h *config.ActiveCheck) health.Check {
	switch {
	case h.HTTP != nil:
		return httpCheck(c, h.HTTP)
	case h.GRPC != nil:
		return &health.GRPC{Service: h.GRPC.Service, Authority: h.GRPC.Authority, Cluster: c.Name}
	case h.MongoDB != nil:
		return &health.Mongo{Role: h.MongoDB.Role}
	}
	t := &health.TCP{Send: unhex(h.TCP.Send)}
	for _, text := range h.TCP.Receive {
		t.Receive = append(t.Receive, unhex(text))
	}
	return t
}

func unhex(text string) []byte {
	b, _ := hex.DecodeString(text) // the configuration was checked
	return b
}

func httpCheck(c *config.Cluster, h *config.HTTPCheck) *health.HTTP {
	k := &health.HTTP{
		Method: h.Method, Path: h.Path, Host: h.Host, Cluster: c.Name, Header: http.Header{},
		Expected: statuses(h.Expected), Retriable: statuses(h.Retriable), Prefix: []byte(h.Body), Service: h.Service,
	}
	for _, f := range h.Headers {
		k.Header.Add(f.Name, f.Value)
	}
	switch version := h.Protocol; {
	case version == config.HTTP2, version == "" && c.Protocol == config.HTTP2:
		k.Version = health.HTTP2
	case version == "" && c.Protocol == config.AutoHTTP:
		k.Version = health.Agreed
	}
	return k
}

func statuses(all []string) (ranges []health.Statuses) {
	for _, s := range all {
		from, to, _ := config.ParseStatuses(s) // the configuration was checked
		ranges = append(ranges, health.Statuses{From: from, To: to})
	}
	return ranges
}

// outliers are the options that a section of the configuration stands for.
func outliers(c *config.OutlierDetection) outlier.Options {
	o := outlier.Options{
		Interval: c.Interval, Base: c.Base, Max: c.Max, Jitter: c.Jitter, MaxPercent: c.MaxPercent, AlwaysOne: c.AlwaysOne,
		Split: c.Split, Return: c.Return,
		RateHosts: c.RateHosts, RateRequests: c.RateRequests, StdevFactor: c.StdevFactor,
		PercentHosts: c.PercentHosts, PercentRequests: c.PercentRequests, Percent: c.Percent,
	}
	o.Run[outlier.Consecutive5xx] = c.Consecutive5xx
	o.Run[outlier.ConsecutiveGateway] = c.ConsecutiveGateway
	o.Run[outlier.ConsecutiveLocal] = c.ConsecutiveLocal
	o.Enforce[outlier.Consecutive5xx] = c.Enforce5xx
	o.Enforce[outlier.ConsecutiveGateway] = c.EnforceGateway
	o.Enforce[outlier.ConsecutiveLocal] = c.EnforceLocal
	o.Enforce[outlier.SuccessRate] = c.EnforceRate
	o.Enforce[outlier.LocalSuccessRate] = c.EnforceLocalRate
	o.Enforce[outlier.FailurePercentage] = c.EnforcePercent
	o.Enforce[outlier.LocalFailurePercentage] = c.EnforceLocalPercent
	return o
}
