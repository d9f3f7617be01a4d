package outlier

import (
	"math"

	"github.com/pitot-io/pitot/proxy/upstream"
)

// judge has the detectors of rates look at the interval that has ended. Hosts
// that are ejected, by whomever, are not looked at.
func (d *Detector) judge(all []*monitor, kind int, now int64) {
	rate, percentage := SuccessRate, FailurePercentage
	if kind == local {
		rate, percentage = LocalSuccessRate, LocalFailurePercentage
	}
	d.judgeRates(among(all, kind, d.o.RateRequests), kind, rate, now)
	d.judgePercentages(among(all, kind, d.o.PercentRequests), kind, percentage, now)
}

// among are the hosts of all with so many requests in the interval, and none
// that are ejected.
func among(all []*monitor, kind, requests int) (some []*monitor) {
	for _, m := range all {
		if seen := m.rated[kind].seen; m.host.Flags()&upstream.Ejected == 0 && seen > 0 && seen >= int64(requests) {
			some = append(some, m)
		}
	}
	return some
}

func (d *Detector) judgeRates(some []*monitor, kind int, t Type, now int64) {
	if len(some) == 0 || len(some) < d.o.RateHosts {
		return
	}
	rates := make([]float64, len(some))
	for i, m := range some {
		rates[i] = m.rated[kind].percent
	}
	mean, stdev := spread(rates)
	threshold := mean - stdev*float64(d.o.StdevFactor)/1000
	for i, m := range some {
		if rates[i] < threshold && !m.ejected {
			d.detected(m, t, now, numbers{rate: rates[i], mean: mean, stdev: stdev, threshold: threshold, requests: m.rated[kind].seen})
		}
	}
}

func (d *Detector) judgePercentages(some []*monitor, kind int, t Type, now int64) {
	if len(some) == 0 || len(some) < d.o.PercentHosts {
		return
	}
	for _, m := range some {
		if rate := m.rated[kind].percent; 100-rate >= float64(d.o.Percent) && !m.ejected {
			d.detected(m, t, now, numbers{rate: rate, threshold: float64(d.o.Percent), requests: m.rated[kind].seen})
		}
	}
}

// spread is the mean of all and their standard deviation, as of a whole
// population.
func spread(all []float64) (mean, stdev float64) {
	for _, x := range all {
		mean += x / float64(len(all))
	}
	for _, x := range all {
		stdev += (x - mean) * (x - mean) / float64(len(all))
	}
	return mean, math.Sqrt(stdev)
}
