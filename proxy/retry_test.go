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

// A listener with a policy of retries is served by it, and its cluster counts.
func TestRetryThroughTheProxy(t *testing.T) {
	var n atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer origin.Close()
	defer http.DefaultClient.CloseIdleConnections()
	r := run(t, func(c *config.Config) {
		configured(t, "retry: {retry_on: [gateway-error]}\nroutes:\n- {name: all, match: {prefix: /}, cluster: main}")(c)
		withAdmin(c)
		c.Clusters[0].RetryBudget = &config.RetryBudget{Percent: 20, MinRetries: 3}
	}, origin.Listener.Addr().String())
	a, err := http.Get("http://" + r.Addr("main").String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if x := r.next(); a.StatusCode != 200 || x.Attempt != 1 || x.Flags != 0 || x.Kind != event.Server {
		t.Errorf("%s: %s", a.Status, x.AppendJSON(nil))
	}
	if _, all := r.get("/stats"); !strings.Contains(all, "cluster.main.upstream_rq_retry: 1\n") || !strings.Contains(all, "cluster.main.upstream_rq_retry_success: 1\n") {
		t.Errorf("numbers:\n%s", all)
	}
}
