package proxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/proxy/upstream/outlier"
)

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
