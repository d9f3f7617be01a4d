package outlier

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

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
