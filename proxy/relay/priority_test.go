package relay_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Retries leave the priorities out that were tried, and begin anew when all were.
func TestPreviousPriorities(t *testing.T) {
	for every, want := range map[int]string{1: "[0 1 2 0 1 2]", 2: "[0 0 1 1 2 2]"} {
		t.Run(fmt.Sprint("every ", every), func(t *testing.T) {
			var endpoints []upstream.Endpoint
			at := map[string]int{}
			for i := range 6 {
				a := origin(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
				endpoints = append(endpoints, upstream.Endpoint{Address: a, Priority: i / 2})
				at[a] = i / 2
			}
			c := upstream.New(upstream.Options{Name: "origin", Endpoints: endpoints})
			t.Cleanup(c.Close)
			p := start(t, endpoints[0].Address, 1, retries(t, "5xx", func(r *config.Retry) {
				r.PreviousPriorities, r.PriorityEvery, r.Most, r.HostPredicates = true, every, 5, nil
			}), func(_ *relay.Options, r *hop.Route) { r.Cluster = c })
			a, err := p.client(1).Get(p.url("/"))
			if err != nil {
				t.Fatal(err)
			}
			body(t, a)
			_, tries := p.tried(6)
			var got []int
			for _, x := range tries {
				got = append(got, at[x.Endpoint])
			}
			if fmt.Sprint(got) != want {
				t.Errorf("priorities %d, want %s", got, want)
			}
			if why := tries[2*every-1].Picked; every == 1 && why != "round_robin, priority 1, priorities tried left out" {
				t.Errorf("picked for %q", why)
			}
			p.quiet()
		})
	}
}

// That a retry finds no other host is no lack of healthy ones.
func TestTheOnlyHostIsTriedAgain(t *testing.T) {
	p := start(t, origin(t, flaky(2)), 1, retries(t, "5xx", func(r *config.Retry) { r.Most = 2 }))
	a, err := p.client(1).Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	body(t, a)
	p.tried(3)
	if n := p.stat("upstream_cx_none_healthy"); a.StatusCode != 200 || n != 0 {
		t.Errorf("%s, and %d times nobody was healthy", a.Status, n)
	}
}
