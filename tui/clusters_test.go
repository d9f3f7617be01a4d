package tui

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/status"
	"github.com/pitot-io/pitot/tui/store"
)

// farm is a proxy's clusters after total exchanges with each endpoint.
func farm(total uint64, at time.Time) *status.Clusters {
	host := func(address string, weight uint32, healthy bool, failed uint64, flags ...string) status.Host {
		return status.Host{
			Address: address, Weight: weight, Healthy: healthy, Flags: flags, Zone: "eu-1a",
			Latency: status.Latency{N: total, P50: 12e6, P90: 30e6, P99: 81e6},
			Warm:    1, Stats: map[string]uint64{"upstream_rq_total": total, "upstream_rq_active": 3, "upstream_cx_active": 5, "upstream_rq_5xx": failed, "upstream_rq_2xx": total - failed},
		}
	}
	cart := status.Cluster{Name: "cart", Policy: "least_request", Why: "least_request", Hosts: []status.Host{
		warming(host("10.0.0.7:8080", 1, true, 0)), host("10.0.0.8:8080", 10, false, total/4, "failed_outlier_check"), host("10.0.0.9:8080", 1, false, 0, "failed_active_hc", "drained"),
	}, Stats: map[string]uint64{"upstream_rq_total": 3 * total, "upstream_rq_5xx": total / 4, "upstream_rq_active": 9, "upstream_rq_retry": 17, "outlier_detection.ejections_active": 1,
		"circuit_breakers.default.rq_open": 1, "circuit_breakers.default.remaining_rq": 1015, "upstream_rq_pending_overflow": 1234}}
	db := status.Cluster{Name: "orders-db", Policy: "round_robin", Why: "round_robin, panic", Hosts: []status.Host{host("10.0.1.1:27017", 1, false, 0, "failed_active_hc")}, Stats: map[string]uint64{"upstream_rq_total": total}}
	return &status.Clusters{Time: at.UnixNano(), Clusters: []status.Cluster{cart, db}}
}

// warming is a host in its slow start that tells of its load.
func warming(h status.Host) status.Host {
	h.Warm, h.Load = 0.25, &status.Load{CPU: 0.5, Memory: 0.75, Utilization: 0.5, QPS: 400}
	return h
}

// decisions are what a proxy told of its clusters.
func decisions() *event.Batch {
	b := new(event.Batch)
	for i, n := range []event.Notice{
		{Name: event.EventMembership, Body: "cluster cart has 3 endpoints instead of 2"},
		{Name: event.EventEjection, Severity: event.Warn, Body: "ejected for 30s: 5 answers of class 5xx in a row",
			Attributes: []event.KeyValue{{Key: event.AttrCluster, Value: "cart"}, {Key: event.AttrPeerAddress, Value: "10.0.0.8:8080"}, {Key: "pitot.outlier.type", Value: "consecutive_5xx"}}},
		{Name: event.EventPanic, Severity: event.Critical, Body: "0 of 1 endpoints are healthy: health is not looked at"},
	} {
		n.Time = noon.Add(time.Duration(i-100) * time.Second).UnixNano()
		b.Notice(&n)
	}
	return b
}

// proxied is a screen over a proxy whose clusters were told twice, a second
// apart.
func proxied(w, h int) *model {
	s := shop()
	s.Apply(decisions(), noon)
	told := farm(1000, noon.Add(-time.Second))
	m := newModel(Options{
		Store: s, Title: "127.0.0.1:9901", Zone: time.UTC, Now: func() time.Time { return noon }, Clusters: func() *status.Clusters { return told },
	}, nil)
	m.w, m.h = w, h
	keys(m, "4")
	told = farm(1400, noon)
	m.refresh()
	return m
}

func TestScreensOfAProxy(t *testing.T) {
	for _, c := range []struct{ name, keys string }{
		{"clusters", ""}, {"clusters-detail", "<enter>"}, {"clusters-endpoint", "j<enter>"}, {"events", "5"}, {"events-detail", "5k<enter>"},
	} {
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}, {40, 10}} {
			t.Run(fmt.Sprintf("%s-%dx%d", c.name, size[0], size[1]), func(t *testing.T) {
				m := proxied(size[0], size[1])
				keys(m, c.keys)
				got := text(m)
				checkSize(t, got, size[0], size[1])
				golden(t, filepath.Join("testdata", strings.TrimPrefix(t.Name(), "TestScreensOfAProxy/")+".txt"), got)
			})
		}
	}
	m := proxied(80, 24)
	golden(t, filepath.Join("..", "docs", "screens", "clusters.txt"), text(m))
}

func TestKeysOfAProxy(t *testing.T) {
	for _, c := range []struct{ name, keys, want, not string }{
		{"an endpoint's exchanges", "jjo", `filter: cluster:cart endpoint:`, ""},
		{"a cluster's exchanges", "o", "filter: cluster:cart", "endpoint:"},
		{"back from there", "o<esc>", "[4 Clusters]", ""},
		{"fold", "h", "▸ cart", "10.0.0.8"},
		{"unfold", "hl", "10.0.0.8", ""},
		{"sorted by errors", "ss", "ERR%v", ""},
		{"reversed", "S", "CLUSTER / ENDPOINT^", ""},
		{"numbers", "<enter>", "1,234  upstream_rq_pending_overflow", ""},
		{"numbers alone", "<enter>z", "4,200  upstream_rq_total", "CLUSTER / ENDPOINT"},
		{"and beside the list again", "<enter>zz", "CLUSTER / ENDPOINT", ""},
		{"back from numbers alone", "<enter>z<esc>", "CLUSTER / ENDPOINT", ""},
		{"an endpoint that is well", "j<enter>", "10.0.0.7:8080  ok", "none"},
		{"and without", "<enter><esc>", "[4 Clusters]", "pending_overflow"},
		{"all events", "5", "membership_changed", ""},
		{"warnings only", "5x", "host_ejected", "membership_changed"},
		{"what an event says", "5k<enter>", "consecutive_5xx", ""},
		{"only that", "5k<enter><esc>", "host_ejected", "consecutive_5xx"},
	} {
		m := proxied(120, 40)
		keys(m, c.keys)
		got := text(m)
		if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
			t.Errorf("%s: want %q and not %q in\n%s", c.name, c.want, c.not, got)
		}
	}
}

func TestWithoutClusters(t *testing.T) {
	m := screenOf(store.New(store.DefaultLimits()), 80, 24)
	for _, key := range []string{"4", "<enter>", "o", "h", "S", "5", "<enter>", "x"} {
		keys(m, key)
		checkSize(t, text(m), 80, 24)
	}
	keys(m, "4")
	if got := text(m); !strings.Contains(got, "what is watched is no proxy") {
		t.Error(got)
	}
}
