package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// rig is a cluster with a checker that runs.
type rig struct {
	*testing.T
	c    *upstream.Cluster
	k    *Checker
	told chan event.Notice
	stop func()
}

// quickly has checks follow each other as fast as a test wants.
func quickly() Options {
	return Options{
		Check: get(), Timeout: patience, Interval: 2 * time.Millisecond, Reuse: true, UnhealthyThreshold: 2, HealthyThreshold: 2,
	}
}

func begin(t *testing.T, o Options, addresses ...string) *rig {
	r := &rig{T: t, told: make(chan event.Notice, 1000)}
	r.c = upstream.New(upstream.Options{
		Name: "shop", Endpoints: upstream.Addresses(addresses...), Checked: true, Newcomers: upstream.FailedCheck | upstream.Unchecked,
		Tell: func(n *event.Notice) { r.told <- *n },
	})
	r.k = New(r.c, o)
	r.c.Observe(r.k)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.k.Run(ctx) }()
	r.stop = func() { cancel(); <-done }
	t.Cleanup(func() { r.stop(); r.c.Close() })
	return r
}

// next is the next event about health.
func (r *rig) next() event.Notice {
	r.Helper()
	late := time.After(patience)
	for {
		select {
		case n := <-r.told:
			if n.Name == event.EventHostHealth {
				return n
			}
		case <-late:
			r.Fatal("nothing is told")
		}
	}
}

// want is that the next event tells this state, for this reason.
func (r *rig) want(state, reason string) event.Notice {
	r.Helper()
	n := r.next()
	if of(n, event.AttrHealthState) != state || !strings.Contains(of(n, event.AttrHealthReason), reason) {
		r.Fatalf("told %q: %+v, want %s: %s", n.Body, n.Attributes, state, reason)
	}
	return n
}

func (r *rig) round() {
	r.Helper()
	select {
	case <-r.k.Round():
	case <-time.After(patience):
		r.Fatal("the first round does not end")
	}
}

func (r *rig) stat(name string) uint64 {
	r.Helper()
	for _, s := range r.c.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	r.Fatalf("no number %q", name)
	return 0
}

func of(n event.Notice, key string) string {
	for _, a := range n.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

// A host that changes its mind is followed: in and out and degraded.
func TestAHostThatChanges(t *testing.T) {
	var answer atomic.Value
	answer.Store("well")
	at, conns := web(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		switch answer.Load() {
		case "ill":
			w.WriteHeader(500)
		case "busy":
			w.WriteHeader(503)
		case "degraded":
			w.Header().Set("x-envoy-degraded", "")
		case "leaving":
			w.Header().Set("x-envoy-immediate-health-check-fail", "")
		}
	})
	var passed atomic.Int64
	o := quickly()
	check := get()
	check.Retriable = []Statuses{{503, 503}}
	o.Check, o.Passed = check, func(*upstream.Host, int64) { passed.Add(1) }
	r := begin(t, o, at)
	h := r.c.Hosts()[0]
	n := r.want("healthy", "status 200")
	if !strings.HasPrefix(n.Body, at+" is healthy: status 200, after ") || of(n, event.AttrHealthCheck) != "http" || of(n, event.AttrHealthChanged) != "true" ||
		of(n, event.AttrCluster) != "shop" || of(n, event.AttrPeerAddress) != at || of(n, event.AttrHealthLatency) == "" {
		t.Errorf("%s %+v", n.Body, n.Attributes)
	}
	r.round()
	if h.Flags() != 0 || r.stat("health_check.healthy") != 1 || r.stat("membership_healthy") != 1 {
		t.Errorf("flags %v", h.Flags().Names())
	}
	for _, c := range []struct {
		answer, state, reason string
		flags                 upstream.Flag
	}{
		{"ill", "unhealthy", "status 500", upstream.FailedCheck},
		{"well", "healthy", "status 200", 0},
		{"busy", "unhealthy", "status 503", upstream.FailedCheck},
		{"degraded", "degraded", "status 200", upstream.DegradedCheck},
		{"well", "healthy", "status 200", 0},
		{"leaving", "unhealthy", "it says that it fails", upstream.FailedCheck | upstream.ImmediateFail},
		{"well", "healthy", "status 200", 0},
	} {
		answer.Store(c.answer)
		n := r.want(c.state, c.reason)
		if f := h.Flags(); f != c.flags {
			t.Errorf("%s: flags %v", c.answer, f.Names())
		}
		if want := c.state == "unhealthy"; want != (n.Severity == event.Warn) {
			t.Errorf("%s: %s", c.answer, n.Severity)
		}
	}
	r.stop()
	attempts, good, bad := r.stat("health_check.attempt"), r.stat("health_check.success"), r.stat("health_check.failure")
	if good+bad != attempts && good+bad+1 != attempts || uint64(passed.Load()) != good || r.stat("health_check.network_failure") > 1 || conns.Load() != 1 {
		t.Errorf("%d attempts, %d good, %d bad, %d passed, %d without an answer, %d connections", attempts, good, bad, passed.Load(), r.stat("health_check.network_failure"), conns.Load())
	}
	if r.stat("upstream_cx_total") != 0 || r.stat("upstream_rq_total") != 0 {
		t.Error("checks count as traffic")
	}
}

// Who does not answer holds up nobody, and is told to be out from the start.
func TestABlackHole(t *testing.T) {
	hole := serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) { io.Copy(io.Discard, c) })
	good, _ := web(t, nil, func(http.ResponseWriter, *http.Request) {})
	o := quickly()
	o.Timeout = time.Second
	r := begin(t, o, hole, good)
	if n := r.want("healthy", "status 200"); of(n, event.AttrPeerAddress) != good {
		t.Errorf("%+v", n)
	}
	if n := r.want("unhealthy", "no answer in time"); of(n, event.AttrPeerAddress) != hole || of(n, event.AttrHealthChanged) != "true" {
		t.Errorf("%+v", n)
	}
	r.round()
	if r.stat("health_check.network_failure") == 0 || r.stat("membership_healthy") != 1 || r.c.Hosts()[0].Flags() != upstream.FailedCheck {
		t.Errorf("flags %v", r.c.Hosts()[0].Flags().Names())
	}
}

func TestMembersComeAndGo(t *testing.T) {
	good, _ := web(t, nil, func(http.ResponseWriter, *http.Request) {})
	other, conns := web(t, nil, func(http.ResponseWriter, *http.Request) {})
	closed := make(chan bool, 100)
	ill := serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) { io.Copy(io.Discard, c); closed <- true })
	o := quickly()
	o.Timeout = 500 * time.Millisecond
	r := begin(t, o, good)
	r.want("healthy", "")
	r.c.Update(upstream.Addresses(good, other, ill))
	for range 2 {
		r.next()
	}
	// discovery tells of nobody: who is well stays, who is not goes
	r.c.Update(nil)
	<-closed
	if n := len(r.c.Hosts()); n != 2 {
		t.Errorf("%d hosts", n)
	}
	r.c.Update(upstream.Addresses(good, ill))
	if n := r.want("unhealthy", ""); of(n, event.AttrPeerAddress) != ill { // it came again
		t.Errorf("%+v", n)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections to one that was always there", n)
	}
	r.stop()
	if n := len(r.k.plan.all); n != 3 {
		t.Errorf("%d are checked", n)
	}
}

// A host says in an answer to traffic that it fails.
func TestAHostSaysThatItFails(t *testing.T) {
	at, _ := web(t, nil, func(http.ResponseWriter, *http.Request) {})
	r := begin(t, quickly(), at)
	h := r.c.Hosts()[0]
	r.want("healthy", "")
	h.Report(&upstream.Result{Status: 200, Failing: true})
	if n := r.next(); of(n, event.AttrHealthState) != "unhealthy" || of(n, event.AttrHealthCheck) != "passive" {
		t.Errorf("%+v", n)
	}
	r.want("healthy", "status 200") // two checks later
	r.stop()
	if h.Flags() != 0 || r.stat("health_check.passive_failure") != 1 {
		t.Errorf("flags %v, %d", h.Flags().Names(), r.stat("health_check.passive_failure"))
	}
}

func TestEachCheckIsTold(t *testing.T) {
	ill := true
	at, _ := web(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		if ill = !ill; ill {
			w.WriteHeader(503)
		}
	})
	o := quickly()
	check := get()
	check.Retriable = []Statuses{{503, 503}}
	o.Check, o.LogFailures, o.LogSuccess = check, true, true
	r := begin(t, o, at)
	r.want("healthy", "200")
	if n := r.want("healthy", "503"); of(n, event.AttrHealthChanged) != "false" || !strings.Contains(n.Body, "failed: status 503") {
		t.Errorf("%+v", n)
	}
	if n := r.want("healthy", "200"); of(n, event.AttrHealthChanged) != "false" || !strings.Contains(n.Body, "passed: status 200") {
		t.Errorf("%+v", n)
	}
}

// The roles of a replica set are told as tags, and in events.
func TestRolesAreTold(t *testing.T) {
	at := mongod(t, primaryAnswer())
	o := quickly()
	o.Check = &Mongo{Role: "any"}
	r := begin(t, o, at)
	n := r.want("healthy", "primary")
	if of(n, "pitot.mongodb.role") != "primary" || of(n, "pitot.mongodb.set_name") != "rs0" || of(n, event.AttrHealthLag) != "0" {
		t.Errorf("%+v", n.Attributes)
	}
	h := r.c.Hosts()[0]
	lag, known := h.Lagging()
	if h.Tags()[TagRole] != "primary" || lag != 0 || !known {
		t.Errorf("%v, %v %v", h.Tags(), lag, known)
	}
}

// However many hosts there are, so many are asked at once and no more.
func TestConcurrencyIsBounded(t *testing.T) {
	var now, most atomic.Int64
	o := quickly()
	o.Concurrency, o.Interval = 5, time.Hour
	o.Check = slow(func() {
		n := now.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(time.Millisecond) // so that others come while it is under way
		now.Add(-1)
	})
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf("127.0.0.1:%d", 10_000+i))
	}
	r := begin(t, o, all...)
	r.round()
	if n := most.Load(); n < 2 || n > 5 {
		t.Errorf("%d at once", n)
	}
	if r.stat("health_check.attempt") != 200 || r.stat("membership_healthy") != 200 {
		t.Errorf("%d asked, %d healthy", r.stat("health_check.attempt"), r.stat("membership_healthy"))
	}
}

// slow is a check that does something and succeeds.
type slow func()

func (slow) Name() string { return "slow" }

func (f slow) Ask(context.Context, *Line) Answer { f(); return Answer{Lag: -1} }

// An end in the middle of a check ends at once.
func TestEndDuringACheck(t *testing.T) {
	asked := make(chan bool, 10)
	hole := serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) { asked <- true; io.Copy(io.Discard, c) })
	o := quickly()
	o.Timeout = time.Hour
	r := begin(t, o, hole)
	<-asked
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > patience/2 {
		t.Errorf("took %s", took)
	}
	select {
	case <-r.k.Round():
		t.Error("a round that was broken off is told as over")
	default:
	}
}

// A cluster of which nobody answers well, from the first check on, is told to be
// in panic.
func TestPanicFromTheStart(t *testing.T) {
	at, _ := web(t, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	r := begin(t, quickly(), at)
	late := time.After(patience)
	for {
		select {
		case n := <-r.told:
			if n.Name == event.EventPanic {
				if of(n, event.AttrPhase) != event.PhaseBegin {
					t.Errorf("%+v", n)
				}
				return
			}
		case <-late:
			t.Fatal("the panic is not told")
		}
	}
}
