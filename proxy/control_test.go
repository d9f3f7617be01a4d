package proxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

// throughEngine has a listener be served by the engine of proxy/relay.
const throughEngine = "retry: {num_retries: 0}\n"

// What only proxies may say is believed of callers that are trusted, and goes
// no further of others, whatever the route.
func TestControlFieldsOfCallers(t *testing.T) {
	upstream := mirror(t)
	const routes = "routes: [{match: {prefix: /a}, cluster: main, prefix_rewrite: /b}, {match: {prefix: /}, cluster: main}]"
	for name, c := range map[string]struct {
		config   string
		plain    bool
		internal string
	}{
		"edge": {"", true, ""}, "edge, engine": {throughEngine, false, ""},
		"inner hop": {"use_remote_address: false\n", true, "true"}, "inner hop, engine": {"use_remote_address: false\n" + throughEngine, false, "true"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, configured(t, c.config+routes), upstream)
			if plain := !engaged(r.listeners[0].config, r.clusters); plain != c.plain {
				t.Fatalf("served by the fast path: %t", plain)
			}
			a := r.ask("GET", "/x", "X-Envoy-Internal: true", "X-Envoy-Original-Path: /lie", "X-Envoy-Upstream-Rq-Timeout-Ms: 60000", "X-Other: kept")
			if _, there := a.sent["x-envoy-upstream-rq-timeout-ms"]; there || a.sent["x-envoy-internal"] != c.internal || (a.sent["x-envoy-original-path"] == "/lie") != (c.internal != "") || a.sent["x-other"] != "kept" {
				t.Errorf("%+v", a.sent)
			}
			if a = r.ask("GET", "/a", "X-Envoy-Original-Path: /lie"); a.sent["x-envoy-original-path"] != "/a" {
				t.Errorf("rewritten: %+v", a.sent)
			}
		})
	}
}

// A trusted caller says how long it waits.
func TestTimeoutsOfCallers(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/slow" {
			<-release
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	for _, config := range []string{"", throughEngine} {
		r := run(t, configured(t, "use_remote_address: false\n"+config), strings.TrimPrefix(s.URL, "http://"))
		if a := r.ask("GET", "/slow", "X-Envoy-Upstream-Rq-Timeout-Ms: 50"); a.status != 504 {
			t.Errorf("{%s}: %+v", config, a)
		}
		if x := r.next(); x.Flags&event.FlagUT == 0 {
			t.Errorf("{%s}: %+v", config, x)
		}
		if a := r.ask("GET", "/", "X-Envoy-Upstream-Rq-Timeout-Ms: 0"); a.status != 200 {
			t.Errorf("{%s}: %+v", config, a)
		}
		r.stop()
	}
}
