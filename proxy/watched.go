package proxy

import (
	"context"
	"sync"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream/outlier"
)

// watched is what looks after the hosts of a cluster while it is in use.
type watched struct {
	outliers *outlier.Detector // nil without

	running sync.WaitGroup
	stop    context.CancelFunc // nil before it runs
}

// watch has a cluster be looked after as its configuration wants; nothing runs
// yet.
func (c *cluster) watch() {
	if o := c.config.Outliers; o != nil {
		c.outliers = outlier.New(c.Cluster, outliers(o))
		c.Observe(c.outliers)
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
}

// end stops what looks after c, without waiting.
func (c *cluster) end() {
	if c.stop != nil {
		c.stop()
	}
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
