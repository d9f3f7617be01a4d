package outlier

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

const second = int64(time.Second)

// watch is a cluster with a detector whose time is passed in.
type watch struct {
	*testing.T
	c   *upstream.Cluster
	d   *Detector
	now int64

	mu    sync.Mutex
	told  []event.Notice
	first chan struct{} // gets one with the first event
}

// over watches hosts h0 to h(n-1).
func over(t *testing.T, n int, o Options) *watch {
	w := &watch{T: t, now: 1000 * second, first: make(chan struct{}, 1)}
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("h%d", i))
	}
	w.c = upstream.New(upstream.Options{Name: "web", Endpoints: upstream.Addresses(all...), Tell: func(n *event.Notice) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, *n)
		select {
		case w.first <- struct{}{}:
		default:
		}
	}})
	w.d = New(w.c, o)
	w.d.draw = func(int64) int64 { return 99 } // acted on at 100 % only
	w.c.Observe(w.d)
	return w
}

// report reports what h met, times times, and has it decided.
func (w *watch) report(h, times int, r upstream.Result) {
	w.Helper()
	r.Now = w.now
	for range times {
		w.c.Hosts()[h].Report(&r)
	}
	w.d.Settle(w.now)
}

func (w *watch) answers(h, times, status int) { w.report(h, times, upstream.Result{Status: status}) }

// sweep lets an interval pass.
func (w *watch) sweep() {
	w.now += int64(w.d.o.Interval)
	w.d.Sweep(w.now)
}

// out are the hosts that are ejected.
func (w *watch) out() string {
	var all []string
	for _, h := range w.c.Hosts() {
		if h.Flags()&upstream.Ejected != 0 {
			all = append(all, h.Address())
		}
	}
	return strings.Join(all, " ")
}

func (w *watch) want(what, out string) {
	w.Helper()
	if got := w.out(); got != out {
		w.Errorf("%s: %q is out, want %q", what, got, out)
	}
}

func (w *watch) stat(name string) uint64 {
	w.Helper()
	for _, s := range w.d.Stats() {
		if s.Name == "outlier_detection.ejections_"+name {
			return s.Value
		}
	}
	w.Fatalf("no number %q", name)
	return 0
}

// names are those of the events told.
func (w *watch) names() (all []string) {
	for _, n := range w.told {
		all = append(all, strings.TrimPrefix(n.Name, "pitot.event.host_"))
	}
	return all
}

func attribute(n event.Notice, key string) string {
	for _, a := range n.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

// every enforces all detectors.
func every(o Options) Options {
	for t := range o.Enforce {
		o.Enforce[t] = 100
	}
	return o
}

func only(t Type, o Options) Options {
	o.Enforce = [numTypes]int{}
	o.Enforce[t] = 100
	return o
}

func TestWhatAttemptsSay(t *testing.T) {
	for _, c := range []struct {
		r    upstream.Result
		want met
	}{
		{upstream.Result{Status: 200}, good},
		{upstream.Result{Status: 499}, good},
		{upstream.Result{Status: 500}, bad},
		{upstream.Result{Status: 501}, bad},
		{upstream.Result{Status: 502}, gateway},
		{upstream.Result{Status: 504}, gateway},
		{upstream.Result{Status: 505}, bad},
		{upstream.Result{}, dialled},
		{upstream.Result{Failure: upstream.ConnectFailed}, unlucky},
		{upstream.Result{Failure: upstream.ConnectTimeout}, unlucky},
		{upstream.Result{Failure: upstream.Timeout}, unlucky},
		{upstream.Result{Status: 200, Failure: upstream.RxReset}, unlucky},
		{upstream.Result{Failure: upstream.ProtocolError}, impolite},
		{upstream.Result{Failure: upstream.Cancelled}, nothing},
		{upstream.Result{Failure: upstream.TxReset}, nothing},
		{upstream.Result{Status: 200, Failure: upstream.Cancelled}, good},
		{upstream.Result{Status: 503, Failure: upstream.Cancelled}, gateway},
	} {
		if got := judge(&c.r); got != c.want {
			t.Errorf("%+v: %d, want %d", c.r, got, c.want)
		}
	}
}

func TestFailuresInARowEject(t *testing.T) {
	w := over(t, 2, Default())
	w.answers(0, 4, 500)
	w.answers(0, 1, 200)
	w.answers(0, 4, 503)
	w.want("a good answer ends a run", "")
	w.report(0, 1, upstream.Result{Failure: upstream.ConnectFailed})
	w.want("five", "h0")
	if w.stat("active") != 1 || w.stat("enforced_total") != 1 || w.stat("enforced_consecutive_5xx") != 1 || w.stat("detected_consecutive_5xx") != 1 {
		t.Errorf("%+v", w.d.Stats())
	}
	n := w.told[0]
	if n.Name != event.EventEjection || n.Body != "h0 is ejected for 30s: 5 failures (5xx) in a row" {
		t.Errorf("%s: %s", n.Name, n.Body)
	}
	for key, want := range map[string]string{
		event.AttrOutlierType: "consecutive_5xx", event.AttrOutlierEnforced: "true", event.AttrOutlierEjections: "1", event.AttrOutlierLast: "-1",
		event.AttrOutlierConsecutive: "5", event.AttrOutlierThreshold: "5", event.AttrOutlierLength: "30000000000", event.AttrCluster: "web", event.AttrPeerAddress: "h0",
	} {
		if got := attribute(n, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func TestGatewayFailuresAreDetectedAndNotEnforced(t *testing.T) {
	o := Default()
	o.Enforce[Consecutive5xx] = 0
	w := over(t, 2, o)
	w.answers(0, 4, 502)
	w.answers(0, 1, 500) // ends a run of gateways, not of 5xx
	w.answers(0, 4, 503)
	if w.stat("detected_consecutive_gateway_failure") != 0 {
		t.Error("a 500 does not end a run of gateway failures")
	}
	w.answers(0, 6, 503)
	w.want("nothing is enforced", "")
	if w.stat("detected_consecutive_gateway_failure") != 1 || w.stat("detected_consecutive_5xx") != 2 {
		t.Errorf("%+v", w.d.Stats()) // the ten are reported at once and found once
	}
	if got := w.names(); !slices.Equal(got, []string{"would_be_ejected", "would_be_ejected"}) {
		t.Errorf("told %v", got)
	}
	last := w.told[1]
	if attribute(last, event.AttrOutlierType) != "consecutive_gateway_failure" || attribute(last, event.AttrOutlierReason) != "not enforced" || attribute(last, event.AttrOutlierEnforced) != "false" {
		t.Errorf("%+v", last)
	}
	w.answers(0, 5, 503)
	if len(w.told) != 2 {
		t.Errorf("told again in the same interval: %v", w.names())
	}
	w.sweep()
	w.answers(0, 5, 503)
	if len(w.told) != 4 {
		t.Errorf("in the next interval: %v", w.names())
	}
}

func TestLocalFailuresApart(t *testing.T) {
	o := Default()
	o.Split = true
	w := over(t, 4, every(o))
	w.d.o.MaxPercent = 100
	w.report(0, 5, upstream.Result{Failure: upstream.ConnectTimeout})
	w.want("never reached", "h0")
	if w.stat("enforced_consecutive_local_origin_failure") != 1 || w.stat("detected_consecutive_5xx") != 0 {
		t.Errorf("%+v", w.d.Stats())
	}
	for range 3 {
		w.report(1, 4, upstream.Result{Failure: upstream.Timeout})
		w.answers(1, 1, 500) // reached, and bad
	}
	w.want("an answer ends a local run", "h0")
	w.report(1, 4, upstream.Result{Failure: upstream.Timeout})
	w.report(1, 1, upstream.Result{}) // reached
	w.answers(1, 2, 500)
	w.want("local failures do not end a run of answers", "h0 h1")
}

func TestGuard(t *testing.T) {
	w := over(t, 20, Default())
	for h := range 4 {
		w.answers(h, 5, 500)
	}
	w.want("10 % of 20", "h0 h1")
	if w.stat("overflow") != 2 {
		t.Errorf("overflow %d", w.stat("overflow"))
	}
	if got := attribute(w.told[2], event.AttrOutlierReason); got != "overflow" || !strings.Contains(w.told[2].Body, "no more than 10 % of the hosts may be, and 2 of 20 are") {
		t.Errorf("%s: %s", got, w.told[2].Body)
	}

	o := Default()
	o.AlwaysOne = false
	w = over(t, 9, o)
	w.answers(0, 5, 500)
	w.want("one of 9 is more than 10 %", "")
	w = over(t, 10, o)
	w.answers(0, 5, 500)
	w.want("one of 10 is not", "h0")
	w = over(t, 3, Default())
	w.answers(0, 5, 500)
	w.answers(1, 5, 500)
	w.want("always one", "h0")
}

// The table is that of the reference: min(30 s * k, 300 s), k up with every
// ejection and down with every interval that was well.
func TestBackOff(t *testing.T) {
	w := over(t, 2, Default())
	for k, want := range []int64{30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300} {
		w.answers(0, 5, 500)
		w.want(fmt.Sprint("ejection ", k), "h0")
		from := w.now
		for w.out() != "" {
			w.sweep()
		}
		if got := (w.now - from) / second; got != want {
			t.Errorf("ejection %d took %d s, want %d", k+1, got, want)
		}
	}
	// 11 times is as far as it counts; ten intervals that were well leave one
	for range 9 {
		w.sweep()
	}
	w.answers(0, 5, 500)
	if got := w.d.of(w.c.Hosts()[0]).length(&w.d.o); got != 90*time.Second {
		t.Errorf("after nine good intervals: %s", got)
	}
	last := w.told[len(w.told)-1]
	if attribute(last, event.AttrOutlierLast) != "90" || attribute(last, event.AttrOutlierEjections) != "13" {
		t.Errorf("%+v", last.Attributes)
	}
}

func TestJitter(t *testing.T) {
	o := Default()
	o.Jitter = 15 * time.Second
	w := over(t, 2, o)
	w.d.draw = func(n int64) int64 {
		if n == int64(o.Jitter) {
			return int64(7 * time.Second)
		}
		return 99
	}
	w.answers(0, 5, 500)
	for range 3 {
		w.sweep()
	}
	w.want("after 30 s", "h0")
	w.sweep()
	w.want("after 40 s", "")
	if n := w.told[1]; n.Name != event.EventReturned || n.Body != "h0 is back after 40s: its time is over" {
		t.Errorf("%s: %s", n.Name, n.Body)
	}
}

func TestEnforcementIsDrawn(t *testing.T) {
	o := Default()
	o.Enforce[Consecutive5xx] = 30
	w := over(t, 2, o)
	w.d.draw = func(int64) int64 { return 30 }
	w.answers(0, 5, 500)
	w.want("30 of 0..29", "")
	w.d.draw = func(int64) int64 { return 29 }
	w.answers(0, 5, 500)
	w.want("29 of 0..29", "h0")
}

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

func TestReturnByACheck(t *testing.T) {
	w := over(t, 2, Default())
	w.answers(0, 5, 500)
	w.now += second
	w.d.Passed(w.c.Hosts()[1], w.now)
	w.want("another's check", "h0")
	w.d.Passed(w.c.Hosts()[0], w.now)
	w.want("its check", "")
	w.d.Passed(w.c.Hosts()[0], w.now)
	if got := w.names(); !slices.Equal(got, []string{"ejected", "returned"}) || w.stat("active") != 0 {
		t.Errorf("told %v, %d active", got, w.stat("active"))
	}
	w.d.o.Return = false
	w.answers(0, 5, 500)
	w.d.Passed(w.c.Hosts()[0], w.now)
	w.want("not asked for", "h0")
}

// What operators do to ejections is theirs.
func TestOperators(t *testing.T) {
	w := over(t, 2, Default())
	a, b := w.c.Hosts()[0], w.c.Hosts()[1]
	w.answers(0, 5, 500)
	if !a.Return() {
		t.Error("it was not ejected")
	}
	w.sweep()
	if w.stat("active") != 0 {
		t.Error("one that an operator brought back counts as ejected")
	}
	w.answers(0, 5, 500)
	w.want("the operator was wrong", "h0")
	a.Return()
	w.answers(0, 5, 500)
	w.want("without a sweep in between", "h0")
	a.Return()
	b.Mark(upstream.Ejected, true)
	w.answers(1, 5, 500)
	w.sweep()
	w.want("one that an operator took out stays", "h1")
	if w.stat("active") != 0 || w.stat("enforced_total") != 3 {
		t.Errorf("%+v", w.d.Stats())
	}
}

// Whoever is gone does not count as ejected any more, and is new when it comes
// again.
func TestHostsThatGo(t *testing.T) {
	w := over(t, 2, Default())
	w.answers(0, 5, 500)
	w.c.Update(upstream.Addresses("h1", "h2"))
	w.sweep()
	if w.stat("active") != 0 {
		t.Error("a host that is gone is ejected")
	}
	n := 0
	w.d.hosts.Range(func(any, any) bool { n++; return true })
	if n != 2 {
		t.Errorf("%d hosts are known, want 2", n)
	}
	w.answers(0, 5, 500)
	w.want("the next", "h1")
}

// What nobody decides is bounded.
func TestNobodyDecides(t *testing.T) {
	w := over(t, 1, Default())
	h := w.c.Hosts()[0]
	for range maxWaiting + 10 {
		for range 5 {
			h.Report(&upstream.Result{Status: 500})
		}
		h.Report(&upstream.Result{Status: 200})
	}
	if n := len(w.d.waiting.list); n != maxWaiting {
		t.Errorf("%d findings wait", n)
	}
}

// Run decides by itself as soon as something is found.
func TestRun(t *testing.T) {
	w := over(t, 2, Default())
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.d.Run(ctx); close(done) }()
	var traffic sync.WaitGroup
	for range 4 {
		traffic.Go(func() {
			for range 1000 {
				w.c.Hosts()[0].Report(&upstream.Result{Status: 503})
				w.c.Hosts()[1].Report(&upstream.Result{Status: 200})
			}
		})
	}
	traffic.Wait()
	select {
	case <-w.first:
	case <-time.After(10 * time.Second):
		t.Error("not told of an ejection")
	}
	end()
	<-done
	w.want("a host that only fails", "h0")
}

func TestReportAllocatesNothing(t *testing.T) {
	w := over(t, 2, Default())
	h := w.c.Hosts()[0]
	r := upstream.Result{Status: 200}
	if n := testing.AllocsPerRun(1000, func() { h.Report(&r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkReport measures what a detector adds to an attempt's end.
func BenchmarkReport(b *testing.B) {
	c := upstream.New(upstream.Options{Name: "web", Endpoints: upstream.Addresses("h0", "h1")})
	c.Observe(New(c, Default()))
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		r := upstream.Result{Status: 200}
		for p.Next() {
			c.Hosts()[0].Report(&r)
		}
	})
}

// What is known of a host by itself can be asked for through the host.
func TestHostStats(t *testing.T) {
	w := over(t, 2, Default())
	if got := w.c.Hosts()[0].Noted(); got != nil {
		t.Errorf("nothing was reported yet, and %v is noted", got)
	}
	w.answers(0, 3, 200)
	w.answers(0, 1, 500)
	w.sweep()
	w.answers(0, 5, 500)
	got := map[string]uint64{}
	for _, s := range w.c.Hosts()[0].Noted() {
		got[s.Name] = s.Value
	}
	if got["outlier_detection.ejections"] != 1 || got["outlier_detection.success_rate_percent"] != 75 {
		t.Errorf("noted is %v, want one ejection and 75 %%", got)
	}
}
