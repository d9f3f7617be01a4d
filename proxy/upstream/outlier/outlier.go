// Package outlier takes hosts out of the choice that answer worse than they
// should, by what became of the traffic that they got. Detectors, defaults and
// formulas are Envoy's (outlier detection), but that one host may be ejected
// however few there are. What a detector found and did not act on is told, too.
package outlier

import "time"

// Type is a detector.
type Type uint8

const (
	Consecutive5xx         Type = iota // so many answers of 5xx in a row
	ConsecutiveGateway                 // of 502, 503 or 504
	ConsecutiveLocal                   // failures that the proxy met itself: no connection, no answer in time, a reset
	SuccessRate                        // far below the mean of the cluster
	FailurePercentage                  // too many failures, whatever the others do
	LocalSuccessRate                   // SuccessRate of what the proxy met itself
	LocalFailurePercentage             // FailurePercentage of the same
	numTypes
)

// names are Envoy's.
var names = [numTypes]string{
	"consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure", "success_rate", "failure_percentage",
	"local_origin_success_rate", "local_origin_failure_percentage",
}

func (t Type) String() string { return names[t%numTypes] }

// Options say when a host is ejected, and for how long.
type Options struct {
	Interval   time.Duration // of sweeps, and of what success rates are made of
	Base       time.Duration // of an ejection, times how often there was one
	Max        time.Duration // of an ejection
	Jitter     time.Duration // up to so much is added, so that hosts do not return at once
	MaxPercent int           // of the hosts may be ejected at a time
	AlwaysOne  bool          // one may be, whatever MaxPercent says
	Split      bool          // judge what the proxy met itself apart from what hosts answered
	Return     bool          // a passing active health check ends an ejection

	Run     [ConsecutiveLocal + 1]int // failures in a row that the first three detectors want; 0 for off
	Enforce [numTypes]int             // percentage of a detector's findings that are acted on

	RateHosts       int // hosts with enough requests that success rates are judged by
	RateRequests    int // requests of an interval that are enough
	StdevFactor     int // thousandths of a standard deviation below the mean
	PercentHosts    int // as RateHosts, of failure percentages
	PercentRequests int // as RateRequests
	Percent         int // of failures that is too many
}

// Default are Envoy's defaults, but for AlwaysOne.
func Default() Options {
	o := Options{
		Interval: 10 * time.Second, Base: 30 * time.Second, Max: 300 * time.Second, MaxPercent: 10, AlwaysOne: true, Return: true,
		Run:       [...]int{5, 5, 5},
		RateHosts: 5, RateRequests: 100, StdevFactor: 1900, PercentHosts: 5, PercentRequests: 50, Percent: 85,
	}
	for _, t := range []Type{Consecutive5xx, ConsecutiveLocal, SuccessRate, LocalSuccessRate} {
		o.Enforce[t] = 100
	}
	return o
}
