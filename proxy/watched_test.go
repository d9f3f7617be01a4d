package proxy

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/minimongo"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/proxy/upstream/outlier"
)

// notices are the events of a proxy, in order.
type notices struct {
	*rig
	rest []event.Notice
}

// next is the next event of that name.
func (q *notices) next(name string) event.Notice {
	q.t.Helper()
	late := time.After(patience)
	for {
		for len(q.rest) > 0 {
			n := q.rest[0]
			if q.rest = q.rest[1:]; n.Name == name {
				return n
			}
		}
		select {
		case b := <-q.sub.C():
			q.rest = append(q.rest, b.Notices...)
		case <-late:
			q.t.Fatalf("no %s was told", name)
		}
	}
}

// flagged are the addresses of hosts with all of these flags.
func (r *rig) flagged(f upstream.Flag) string {
	var all []string
	for _, h := range r.clusters["main"].Hosts() {
		if h.Flags()&f == f {
			all = append(all, h.Address())
		}
	}
	return strings.Join(all, " ")
}

// failing is a server that answers with 500.
func failing(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// A host that fails is ejected, and stays so when the configuration of another
// part changes; that of a cluster that changes begins anew.
func TestAFailingHostIsEjected(t *testing.T) {
	bad := failing(t)
	r := run(t, func(c *config.Config) {
		c.Listeners[0].Protocol = config.HTTP
		c.Clusters[0].Outliers = config.NewOutlierDetection()
	}, bad, origin(t, "good"))
	for range 10 { // in turns
		fetch(t, r, "/")
	}
	n := r.notice(event.EventEjection)
	if attribute(&n, event.AttrPeerAddress) != bad || attribute(&n, event.AttrOutlierType) != "consecutive_5xx" || attribute(&n, event.AttrCluster) != "main" {
		t.Errorf("%+v", n)
	}
	for range 10 {
		if status, body := fetch(t, r, "/x"); status != 200 || body != "good /x" {
			t.Errorf("%d %q from a host that is ejected", status, body)
		}
	}
	r.reload(func(c *config.Config) { c.Listeners[0].Via = "edge" })
	if got := r.flagged(upstream.Ejected); got != bad {
		t.Errorf("after a reload %q is ejected, want %q", got, bad)
	}
	r.reload(func(c *config.Config) { c.Clusters[0].Policy = "least_request" })
	if got := r.flagged(upstream.Ejected); got != "" {
		t.Errorf("in a new cluster %q is ejected", got)
	}
	for range 100 {
		fetch(t, r, "/")
		if r.flagged(upstream.Ejected) == bad {
			break
		}
	}
	n = r.notice(event.EventEjection)
	if attribute(&n, event.AttrPeerAddress) != bad {
		t.Errorf("in the new cluster: %+v", n)
	}
}

// The defaults stand in two places, as the packages do not know each other.
func TestDefaultsOfOutlierDetection(t *testing.T) {
	if got := outliers(config.NewOutlierDetection()); got != outlier.Default() {
		t.Errorf("%+v, want %+v", got, outlier.Default())
	}
}

// sick is a server that is well as long as it is told to be; it says its name.
func sick(t *testing.T, name string) (address string, well *atomic.Bool) {
	well = new(atomic.Bool)
	well.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && !well.Load() {
			w.WriteHeader(500)
		}
		_, _ = io.WriteString(w, name)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), well
}

func checked(c *config.Config) {
	c.Listeners[0].Protocol = config.HTTP
	h := config.ActiveCheck{
		Interval: 10 * time.Millisecond, NoTraffic: 10 * time.Millisecond, Timeout: patience, UnhealthyThreshold: 1, HealthyThreshold: 1, Reuse: true,
		HTTP: &config.HTTPCheck{Path: "/healthz", Method: "GET", Expected: []string{"200"}},
	}
	c.Clusters[0].HealthChecks = []config.ActiveCheck{h}
}

// Nobody gets traffic who is ill from the first request on, and everybody who
// is well does; so it is after a reload that makes the cluster anew.
func TestHealthIsKnownBeforeTraffic(t *testing.T) {
	one, well := sick(t, "one")
	two, other := sick(t, "two")
	well.Store(false)
	r := run(t, checked, one, two)
	q := &notices{rig: r}
	for range 10 {
		if status, body := fetch(t, r, "/"); status != 200 || body != "two" {
			t.Errorf("%d %q, and only two is well", status, body)
		}
	}
	for range 2 { // both are told, in the order of the answers
		if n := q.next(event.EventHostHealth); (attribute(&n, event.AttrHealthState) == "healthy") != (attribute(&n, event.AttrPeerAddress) == two) {
			t.Errorf("%+v", n)
		}
	}
	well.Store(true)
	n := q.next(event.EventHostHealth)
	if attribute(&n, event.AttrHealthState) != "healthy" || attribute(&n, event.AttrPeerAddress) != one {
		t.Errorf("%+v", n)
	}
	other.Store(false)
	if n = q.next(event.EventHostHealth); attribute(&n, event.AttrHealthState) != "unhealthy" || attribute(&n, event.AttrPeerAddress) != two {
		t.Errorf("%+v", n)
	}
	old := r.clusters["main"]
	r.reload(func(c *config.Config) { c.Listeners[0].Via = "edge" })
	if r.clusters["main"] != old {
		t.Error("a cluster that did not change was made anew")
	}
	r.reload(func(c *config.Config) { c.Clusters[0].Policy = "least_request" })
	if r.clusters["main"] == old || r.flagged(upstream.FailedCheck) != two {
		t.Errorf("failing in the new cluster: %q", r.flagged(upstream.FailedCheck))
	}
	old.running.Wait() // its checks have ended
	for range 10 {
		if _, body := fetch(t, r, "/"); body != "one" {
			t.Errorf("%q, and only one is well", body)
		}
	}
	if r.turned("health_check.healthy") != 1 || r.turned("membership_healthy") != 1 {
		t.Error("numbers of health are not the cluster's")
	}
}

// turned is a number of the cluster.
func (r *rig) turned(name string) uint64 {
	for _, s := range r.clusters["main"].Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	return 1 << 60
}

// A check that passes ends an ejection, and a host may say by itself that it
// fails.
func TestChecksAndEjections(t *testing.T) {
	var fails atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/healthz":
		case r.URL.Path == "/leave":
			w.Header().Set("x-envoy-immediate-health-check-fail", "1")
		case fails.Load():
			w.WriteHeader(500)
		}
	}))
	t.Cleanup(s.Close)
	r := run(t, func(c *config.Config) {
		checked(c)
		c.Clusters[0].Outliers = config.NewOutlierDetection()
	}, strings.TrimPrefix(s.URL, "http://"))
	q := &notices{rig: r}
	fails.Store(true)
	for range 5 {
		fetch(t, r, "/")
	}
	q.next(event.EventEjection)
	if n := q.next(event.EventReturned); attribute(&n, event.AttrOutlierReason) != "an active health check passed" {
		t.Errorf("%+v", n)
	}
	fetch(t, r, "/leave")
	if n := q.next(event.EventHostHealth); attribute(&n, event.AttrHealthCheck) != "passive" {
		t.Errorf("%+v", n)
	}
	if n := q.next(event.EventHostHealth); attribute(&n, event.AttrHealthState) != "healthy" {
		t.Errorf("%+v", n)
	}
}

// A host that never answers a check holds up the start no longer than it may.
func TestAStartDoesNotWaitForEver(t *testing.T) {
	hole := serve(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	good, _ := sick(t, "good")
	r := run(t, func(c *config.Config) {
		checked(c)
		c.Clusters[0].HealthChecks[0].Timeout = time.Second
	}, hole, good)
	for range 4 {
		if _, body := fetch(t, r, "/"); body != "good" {
			t.Errorf("%q", body)
		}
	}
	if got := r.flagged(upstream.FailedCheck); got != hole {
		t.Errorf("failing: %q", got)
	}
}

// A server of MongoDB is asked by hello, and /clusters tells what it is.
func TestRolesAreShown(t *testing.T) {
	db, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r := run(t, func(c *config.Config) {
		checked(c)
		withAdmin(c)
		h := &c.Clusters[0].HealthChecks[0]
		c.Listeners[0].Protocol, h.HTTP, h.MongoDB = config.MongoDB, nil, &config.MongoCheck{Role: "mongos"}
	}, db.Addr())
	a, err := r.client().Get("http://" + r.AdminAddr().String() + "/clusters")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"::mongodb.role::mongos\n", "::health_flags::healthy\n", "main::health_check.healthy::1\n"} {
		if !strings.Contains(string(b), line) {
			t.Errorf("no %q in\n%s", line, b)
		}
	}
}
