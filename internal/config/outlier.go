package config

import (
	"fmt"
	"time"
)

// OutlierDetection ejects endpoints that answer worse than they should. Names
// and defaults are Envoy's, but for always_eject_one_host.
type OutlierDetection struct {
	Interval   time.Duration `yaml:"interval"`
	Base       time.Duration `yaml:"base_ejection_time"` // times how often there was one
	Max        time.Duration `yaml:"max_ejection_time"`
	Jitter     time.Duration `yaml:"max_ejection_time_jitter"`
	MaxPercent int           `yaml:"max_ejection_percent"` // of endpoints, at a time
	AlwaysOne  bool          `yaml:"always_eject_one_host"`
	Split      bool          `yaml:"split_external_local_origin_errors"`
	Return     bool          `yaml:"successful_active_health_check_uneject_host"`

	Consecutive5xx     int `yaml:"consecutive_5xx"` // in a row; 0 for off
	ConsecutiveGateway int `yaml:"consecutive_gateway_failure"`
	ConsecutiveLocal   int `yaml:"consecutive_local_origin_failure"`

	RateHosts    int `yaml:"success_rate_minimum_hosts"`
	RateRequests int `yaml:"success_rate_request_volume"`
	StdevFactor  int `yaml:"success_rate_stdev_factor"` // thousandths

	Percent         int `yaml:"failure_percentage_threshold"`
	PercentHosts    int `yaml:"failure_percentage_minimum_hosts"`
	PercentRequests int `yaml:"failure_percentage_request_volume"`

	Enforce5xx          int `yaml:"enforcing_consecutive_5xx"` // percentages of findings that are acted on
	EnforceGateway      int `yaml:"enforcing_consecutive_gateway_failure"`
	EnforceLocal        int `yaml:"enforcing_consecutive_local_origin_failure"`
	EnforceRate         int `yaml:"enforcing_success_rate"`
	EnforceLocalRate    int `yaml:"enforcing_local_origin_success_rate"`
	EnforcePercent      int `yaml:"enforcing_failure_percentage"`
	EnforceLocalPercent int `yaml:"enforcing_failure_percentage_local_origin"`
}

func (o *OutlierDetection) setDefaults() {
	*o = OutlierDetection{
		Interval: 10 * time.Second, Base: 30 * time.Second, Max: 300 * time.Second, MaxPercent: 10, AlwaysOne: true, Return: true,
		Consecutive5xx: 5, ConsecutiveGateway: 5, ConsecutiveLocal: 5,
		RateHosts: 5, RateRequests: 100, StdevFactor: 1900, Percent: 85, PercentHosts: 5, PercentRequests: 50,
		Enforce5xx: 100, EnforceLocal: 100, EnforceRate: 100, EnforceLocalRate: 100,
	}
}

// NewOutlierDetection has the defaults of a section that says nothing.
func NewOutlierDetection() *OutlierDetection { o := new(OutlierDetection); o.setDefaults(); return o }

// minInterval is the shortest of intervals: of sweeps, and between checks.
const minInterval = 10 * time.Millisecond

func (o *OutlierDetection) check(key string, wrong report) {
	if o.Interval < minInterval {
		wrong(key+".interval", "%s is not valid; must be at least %s", o.Interval, minInterval)
	}
	if o.Base < time.Millisecond {
		wrong(key+".base_ejection_time", "%s is not valid; must be at least 1ms", o.Base)
	}
	if o.Max < o.Base {
		wrong(key+".max_ejection_time", "%s is less than base_ejection_time, %s", o.Max, o.Base)
	}
	for _, p := range []struct {
		name  string
		value int
	}{
		{"max_ejection_percent", o.MaxPercent}, {"failure_percentage_threshold", o.Percent},
		{"enforcing_consecutive_5xx", o.Enforce5xx}, {"enforcing_consecutive_gateway_failure", o.EnforceGateway},
		{"enforcing_consecutive_local_origin_failure", o.EnforceLocal}, {"enforcing_success_rate", o.EnforceRate},
		{"enforcing_local_origin_success_rate", o.EnforceLocalRate}, {"enforcing_failure_percentage", o.EnforcePercent},
		{"enforcing_failure_percentage_local_origin", o.EnforceLocalPercent},
	} {
		if p.value > 100 {
			wrong(key+"."+p.name, "%d is not valid; must be a percentage from 0 to 100", p.value)
		}
	}
}

// checkWatch judges what finds out how endpoints are.
func (c *Cluster) checkWatch(key string, wrong report) {
	if o := c.Outliers; o != nil {
		o.check(key+".outlier_detection", wrong)
		if c.Original() {
			wrong(key+".outlier_detection", "is not for %s: there is nobody else to go to; remove it", OriginalDestination)
		}
	}
	if len(c.HealthChecks) > 1 {
		wrong(key+".health_checks", "has %d entries; must have at most one", len(c.HealthChecks))
	}
	for i := range c.HealthChecks {
		at := fmt.Sprintf("%s.health_checks[%d]", key, i)
		c.HealthChecks[i].check(at, c, wrong)
		if c.Original() {
			wrong(at, "is not for %s, where there are no endpoints to check; remove it", OriginalDestination)
		}
	}
	if c.IgnoreNew && len(c.HealthChecks) == 0 {
		wrong(key+".ignore_new_hosts_until_first_hc", "needs health_checks; add them or remove it")
	}
}
