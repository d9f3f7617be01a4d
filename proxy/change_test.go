package proxy

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// change asks the operator's port to change something.
func (r *rig) change(path string) (status int, said string) {
	r.t.Helper()
	resp, err := r.client().Post("http://"+r.AdminAddr().String()+path, "", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// What an operator changes is in effect when the answer comes, is seen, and is
// an event.
func TestOperatorsChangeEndpoints(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo), serve(t, echo))
	one, other := r.clusters["main"].Hosts()[0], r.clusters["main"].Hosts()[1]
	at := "?cluster=main&endpoint=" + one.Address()
	picked := func() (n int) {
		for range 20 {
			h, err := r.clusters["main"].Pick(t.Context(), new(upstream.Want))
			if err != nil {
				t.Fatal(err)
			}
			new(upstream.Want).Done(h)
			if h == one {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		path, said, flags string
		picked            bool
	}{
		{"/drain" + at, one.Address() + ` of cluster "main" is drained`, "/drained", false},
		{"/drain" + at, "already", "/drained", false},
		{"/undrain" + at, "takes exchanges again", "healthy", true},
		{"/eject" + at + "&for=1h", "is ejected for 1h0m0s", "/failed_outlier_check", false},
		{"/uneject" + at, "is back", "healthy", true},
		{"/uneject" + at, "is not ejected", "healthy", true},
		{"/eject" + at + "&for=1ms", "is ejected for 1ms", "", true},
		{"/weight" + at + "&value=7", "weight 7 instead of 1", "healthy", true},
	} {
		if status, said := r.change(c.path); status != 200 || !strings.Contains(said, c.said) {
			t.Errorf("%s: %d %s, want %q", c.path, status, said, c.said)
		}
		if x := r.notice(event.EventChanged); !strings.Contains(x.Body, c.said) {
			t.Errorf("%s: the event says %s", c.path, x.Body)
		}
		if c.flags == "" {
			for late := time.Now().Add(patience); one.Flags() != 0 && time.Now().Before(late); { // until it is over
				runtime.Gosched()
			}
		} else if _, all := r.get("/clusters"); !strings.Contains(all, "main::"+one.Address()+"::health_flags::"+c.flags+"\n") {
			t.Errorf("%s: no flags %s in\n%s", c.path, c.flags, all)
		}
		if n := picked(); (n > 0) != c.picked {
			t.Errorf("%s: picked %d times of 20", c.path, n)
		}
	}
	if one.Weight() != 7 || other.Weight() != 1 {
		t.Errorf("weights %d and %d, want 7 and 1", one.Weight(), other.Weight())
	}
}

func TestWhatCannotBeChangedIsSaid(t *testing.T) {
	r := run(t, withAdmin, serve(t, echo))
	one := r.clusters["main"].Hosts()[0].Address()
	for path, want := range map[string]string{
		"/drain":                                       "cluster is missing: /drain takes cluster, endpoint",
		"/drain?cluster=main":                          "endpoint is missing",
		"/drain?cluster=mian&endpoint=" + one:          `there is no cluster "mian"; there are main`,
		"/drain?cluster=main&endpoint=x:1":             `no endpoint "x:1"; it has ` + one,
		"/drain?cluster=main&endpoint=" + one + "&x=":  `"x": /drain takes cluster, endpoint`,
		"/weight?cluster=main&value=0&endpoint=" + one: "must be a whole number from 1",
		"/eject?cluster=main&for=-1s&endpoint=" + one:  "must be a time such as 30s",
		"/log_level?level=debug":                       "has no level",
	} {
		if status, said := r.change(path); status != http.StatusBadRequest || !strings.Contains(said, want) {
			t.Errorf("%s: %d %s, want %q", path, status, said, want)
		}
	}
	if status, said := r.get("/drain?cluster=main&endpoint=" + one); status != http.StatusMethodNotAllowed || !strings.Contains(said, "curl -X POST") {
		t.Errorf("GET: %d %s", status, said)
	}
}
