package proxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
)

// Of a route with everything, limits act first, then faults, then mirrors and
// retries: what is refused or aborted is neither copied nor sent again.
func TestOrderOfWhatARouteHas(t *testing.T) {
	var asked, copied atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer origin.Close()
	next := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { copied.Add(1) }))
	defer next.Close()
	r := run(t, func(c *config.Config) {
		configured(t, `routes:
- name: all
  match: {prefix: /}
  cluster: main
  retry: {retry_on: [5xx], num_retries: 2}
  rate_limits: [{name: few, token_bucket: {max_tokens: 2, fill_interval: 1h}}]
  faults: [{match: {headers: [{name: x-bad, present: true}]}, abort: {status: 503}}]
`)(c)
		copies := c.Clusters[0]
		copies.Name, copies.Endpoints = "next", config.Addresses(next.Listener.Addr().String())
		c.Clusters = append(c.Clusters, copies)
		c.Listeners[0].Routes[0].Mirror = []config.Mirror{{Cluster: "next", MaxBody: 100, MaxActive: 1}}
	}, origin.Listener.Addr().String())
	for _, want := range []struct {
		field                 string
		status                int
		flags                 event.ResponseFlags
		attempt               uint8
		asked, copied, faults uint64
	}{
		{"x-bad: 1", 503, event.FlagFI, 0, 0, 0, 1},
		{"", 200, 0, 1, 2, 1, 1},
		{"x-bad: 1", 429, event.FlagRL, 0, 2, 1, 1},
	} {
		fields := []string{want.field}
		if want.field == "" {
			fields = nil
		}
		a, x := r.ask("GET", "/x", fields...), r.next()
		await(t, "the copy came", func() bool { return uint64(copied.Load()) == want.copied })
		if a.status != want.status || x.Flags != want.flags || x.Attempt != want.attempt || uint64(asked.Load()) != want.asked ||
			r.listeners[0].stats.Faults.Aborts.Load() != want.faults {
			t.Errorf("%q: %d, %d tries at the host so far: %s", strings.Join(fields, ""), a.status, asked.Load(), x.AppendJSON(nil))
		}
	}
}
