package outlier

import (
	"fmt"
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
