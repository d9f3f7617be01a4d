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

// An upstream that can do four things at once, and becomes slower with each
// beyond, is not drowned by 40 clients: what is let in is answered in good time.
func TestAdaptiveConcurrencyProtects(t *testing.T) {
	room := make(chan struct{}, 4)
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		room <- struct{}{}
		time.Sleep(5 * time.Millisecond) // the work
		<-room
	}))
	t.Cleanup(o.Close)
	var worst [2]time.Duration
	for i, limits := range []string{"", "adaptive_concurrency: {min_rtt: {request_count: 20}}"} {
		r := run(t, all(configured(t, limits), func(c *config.Config) { c.Listeners[0].Protocol = config.HTTP }), strings.TrimPrefix(o.URL, "http://"))
		var mu sync.Mutex
		var clients sync.WaitGroup
		served, blocked := 0, 0
		began := time.Now()
		for range 40 {
			client := clientOf(t, false)
			clients.Go(func() {
				for time.Since(began) < 2*time.Second {
					at := time.Now()
					resp, err := client.Get("http://" + r.Addr("main").String() + "/")
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					mu.Lock()
					if took := time.Since(at); resp.StatusCode != 200 {
						blocked++
					} else if served++; time.Since(began) > time.Second {
						worst[i] = max(worst[i], took)
					}
					mu.Unlock()
					if resp.StatusCode != 200 {
						time.Sleep(10 * time.Millisecond) // a client that behaves
					}
				}
			})
		}
		clients.Wait()
		t.Logf("%q: %d served, %d turned away, worst latency %v, limit %d", limits, served, blocked, worst[i], shedStat(r, "adaptive_concurrency", "concurrency_limit"))
		if limits != "" && (blocked == 0 || served < 100 || shedStat(r, "adaptive_concurrency", "rq_blocked") != uint64(blocked)) {
			t.Error("it does not limit, or counts wrongly")
		}
		await(t, "nothing is left counted", func() bool { return shedStat(r, "adaptive_concurrency", "rq_active") == 0 })
		r.stop()
	}
	if worst[1] >= worst[0] {
		t.Errorf("the worst latency is %v with the limit, %v without", worst[1], worst[0])
	}
}
