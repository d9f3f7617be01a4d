package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// shedStat is a number of a limit of the listener main's own.
func shedStat(r *rig, kind, name string) (n uint64) {
	r.shed.Each(func(k, _ string, stats []upstream.Stat) {
		for _, s := range stats {
			if k == kind && s.Name == name {
				n = s.Value
			}
		}
	})
	return n
}

// An upstream that fails gets less and less, in both engines; a new
// configuration of something else forgets nothing.
func TestAdmissionControlTurnsAway(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("HTTP/2 ", http2), func(t *testing.T) {
			var asked atomic.Int64
			o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.WriteHeader(500)
			}))
			t.Cleanup(o.Close)
			r := run(t, all(configured(t, `
admission_control: {sampling_window: 60s, max_rejection_percent: 90}
routes: [{match: {path: /other}, cluster: main}]
`), func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP }), strings.TrimPrefix(o.URL, "http://"))
			client := clientOf(t, http2)
			const n = 400
			denied := 0
			for i := range n {
				resp, err := client.Get("http://" + r.Addr("main").String() + "/")
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode == 503 && strings.Contains(string(body), "denied_by_admission_control") {
					denied++
				}
				if i == n/2 {
					next := *r.settings()
					next.Listeners = append([]config.Listener(nil), next.Listeners...)
					next.Listeners[0].Routes = nil
					if err := r.Reload(&next); err != nil {
						t.Fatal(err)
					}
				}
			}
			if asked.Load() > n/2 || denied+int(asked.Load()) != n {
				t.Errorf("%d of %d came through to an upstream that fails them all; %d denied", asked.Load(), n, denied)
			}
			if got := shedStat(r, "admission_control", "rq_rejected"); got != uint64(denied) {
				t.Errorf("%d counted of %d", got, denied)
			}
		})
	}
}

// An upstream that can do four things at once is not drowned by 40 clients: fewer
// wait there at a time than without the limit. How long the clients wait would
// tell the same, but on a busy machine that is its doing as well.
func TestAdaptiveConcurrencyProtects(t *testing.T) {
	room := make(chan struct{}, 4)
	var under, waited, came atomic.Int64
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		waited.Add(under.Add(1))
		came.Add(1)
		defer under.Add(-1)
		room <- struct{}{}
		time.Sleep(20 * time.Millisecond) // the work
		<-room
	}))
	t.Cleanup(o.Close)
	var mean [2]float64
	for i, limits := range []string{"", "adaptive_concurrency: {min_rtt: {request_count: 50}}"} {
		r := run(t, all(configured(t, limits), func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP }), strings.TrimPrefix(o.URL, "http://"))
		waited.Store(0)
		came.Store(0)
		var clients sync.WaitGroup
		var served, blocked atomic.Int64
		began := time.Now()
		for range 40 {
			client := clientOf(t, false)
			clients.Go(func() {
				for time.Since(began) < 2*time.Second {
					resp, err := client.Get("http://" + r.Addr("main").String() + "/")
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode == 200 {
						served.Add(1)
						continue
					}
					blocked.Add(1)
					time.Sleep(60 * time.Millisecond) // a client that behaves
				}
			})
		}
		clients.Wait()
		mean[i] = float64(waited.Load()) / float64(max(1, came.Load()))
		t.Logf("%q: %d served, %d turned away, %.1f at a time, limit %d", limits, served.Load(), blocked.Load(), mean[i], shedStat(r, "adaptive_concurrency", "concurrency_limit"))
		if limits != "" && (blocked.Load() == 0 || served.Load() < 40 || shedStat(r, "adaptive_concurrency", "rq_blocked") != uint64(blocked.Load())) {
			t.Error("it does not limit, or counts wrongly")
		}
		await(t, "nothing is left counted", func() bool { return shedStat(r, "adaptive_concurrency", "rq_active") == 0 })
		r.stop()
	}
	if mean[1] >= mean[0] {
		t.Errorf("%.1f requests are at the upstream at a time with the limit, %.1f without", mean[1], mean[0])
	}
}
