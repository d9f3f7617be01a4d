package route

import (
	"fmt"
	"testing"
)

// share is the cluster that a request's share goes to; none where there is none.
func share(r *Route, fields ...string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		s := r.Share(request(t, "GET /", fields...))
		if s == nil || s.Cluster == nil {
			return "none"
		}
		return s.Cluster.Name()
	}
}

func first(t *testing.T, route string) *Route {
	t.Helper()
	tab, _ := table(t, "routes:\n- match: {prefix: /}\n  "+route)
	return tab.Find(request(t, "GET /"))
}

func TestSplitGoesByWeight(t *testing.T) {
	r := first(t, "clusters: [{cluster: a, weight: 90}, {cluster: b, weight: 10}]")
	count, n := map[string]int{}, 20_000
	for range n {
		count[share(r)(t)]++
	}
	if got := float64(count["b"]) / float64(n); got < .085 || got > .115 || count["none"] > 0 { // six standard deviations are .013
		t.Errorf("%v of %d requests, want a tenth for b", count, n)
	}
}

func TestSplitByAField(t *testing.T) {
	r := first(t, "clusters: [{cluster: a, weight: 1}, {cluster: b, weight: 1}]\n  split_by: X-User")
	count := map[string]int{}
	for i := range 1000 {
		user := fmt.Sprintf("x-user: u%d", i)
		to := share(r, user)(t)
		if count[to]++; share(r, user)(t) != to {
			t.Fatalf("%s goes to %s, and elsewhere", user, to)
		}
	}
	if count["a"] < 400 || count["b"] < 400 {
		t.Errorf("users go to %v", count)
	}
}

func TestSplitByTheNameOfACluster(t *testing.T) {
	const list = "clusters: [{cluster: a, weight: 1}, {cluster: b}]\n  cluster_header: X-Cluster"
	r := first(t, list)
	for field, want := range map[string]string{"x-cluster: a": "a", "x-cluster: b": "b", "x-other: b": "a", "x-cluster: nowhere": "none"} {
		if got := share(r, field)(t); got != want {
			t.Errorf("%s goes to %s, want %s", field, got, want)
		}
	}
	if got := share(first(t, "clusters: [{cluster: a}]\n  cluster_header: x-cluster"))(t); got != "none" {
		t.Errorf("without the field and without weights: %s", got)
	}
	if s := first(t, "cluster: a").Share(request(t, "GET /")); s != nil {
		t.Errorf("a route to one cluster has share %+v", s)
	}
}

func TestSplitAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	r := first(t, "clusters: [{cluster: a, weight: 1}, {cluster: b, weight: 1}]\n  split_by: x-user\n  cluster_header: x-cluster")
	for _, field := range []string{"x-user: u1", "x-cluster: b", "x: y"} {
		h := request(t, "GET /", field)
		if n := testing.AllocsPerRun(100, func() { r.Share(h) }); n != 0 {
			t.Errorf("%s: %v allocations", field, n)
		}
	}
}
