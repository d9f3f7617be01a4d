package outlier

import (
	"math"
	"slices"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// The threshold is mean - 1.9 standard deviations of the population: of 90 four
// times and 60 the mean is 84, the deviation 12, the threshold 61.2.
func TestSuccessRate(t *testing.T) {
	w := over(t, 5, Default())
	rates := func(last int) {
		for h := range 4 {
			w.answers(h, 90, 200)
			for range 5 {
				w.answers(h, 2, 500)
				w.answers(h, 1, 404)
			}
			w.answers(h, 5, 201)
		}
		for range (100 - last) / 2 {
			w.answers(4, 2, 500)
			w.answers(4, 1, 200)
		}
		w.answers(4, last-(100-last)/2, 200)
	}
	// 100 good and 10 bad of 110 are 90.909 %
	rates(80)
	w.sweep()
	if w.out() != "h4" {
		// with five hosts of which one differs, the lone one lies 2 deviations below
		t.Fatalf("%v", w.names())
	}
	n := w.told[0]
	if attribute(n, event.AttrOutlierRate) != "80.00" || attribute(n, event.AttrOutlierMean) != "88.73" || attribute(n, event.AttrOutlierStdev) != "4.36" || attribute(n, event.AttrOutlierThreshold) != "80.44" {
		t.Errorf("%+v", n.Attributes)
	}
	if w.stat("enforced_success_rate") != 1 {
		t.Errorf("%+v", w.d.Stats())
	}

	w = over(t, 5, Default())
	w.d.o.StdevFactor = 2001 // it lies two deviations below the mean
	rates(80)
	w.sweep()
	w.want("not far enough below", "")

	w = over(t, 5, Default())
	rates(80)
	w.d.o.RateHosts = 6
	w.sweep()
	w.want("too few hosts", "")
	rates(80)
	w.d.o.RateHosts, w.d.o.RateRequests = 5, 111
	w.sweep()
	w.want("too few requests", "")
	w.d.o.RateRequests = 100
	w.sweep()
	w.want("an interval without requests", "")
}

func TestSpread(t *testing.T) {
	mean, stdev := spread([]float64{90, 90, 90, 90, 60})
	if mean != 84 || math.Abs(stdev-12) > 1e-9 {
		t.Errorf("%v, %v", mean, stdev)
	}
}

func TestFailurePercentage(t *testing.T) {
	run := func(enforce int, bad, good int) *watch {
		o := only(FailurePercentage, Default())
		o.Enforce[FailurePercentage] = enforce
		o.Run = [3]int{}
		w := over(t, 5, o)
		for h := range 4 {
			w.answers(h, 50, 200)
		}
		w.answers(4, bad, 500)
		w.answers(4, good, 200)
		w.sweep()
		return w
	}
	run(100, 85, 15).want("85 %", "h4")
	run(100, 84, 16).want("84 %", "")
	run(100, 49, 0).want("too few requests", "")
	w := run(0, 85, 15)
	w.want("as by default", "")
	if i := slices.IndexFunc(w.told, func(n event.Notice) bool { return attribute(n, event.AttrOutlierType) == "failure_percentage" }); i < 0 ||
		w.told[i].Body != "h4 would have been ejected: 85.0 % of 100 requests failed, at least 85 %; its detector is not enforced" {
		t.Errorf("%+v", w.told)
	}
}

func TestLocalRates(t *testing.T) {
	o := only(LocalFailurePercentage, Default())
	o.Split, o.Run = true, [3]int{}
	w := over(t, 5, o)
	for h := range 4 {
		w.answers(h, 100, 200)
	}
	w.report(4, 90, upstream.Result{Failure: upstream.ConnectFailed})
	w.answers(4, 10, 200)
	w.sweep()
	w.want("90 % never reached", "h4")
	if w.stat("enforced_local_origin_failure_percentage") != 1 || w.stat("detected_local_origin_success_rate") != 1 {
		t.Errorf("%+v", w.d.Stats()) // the other found it, too, and is not enforced here
	}
}
