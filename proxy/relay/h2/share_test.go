package h2

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/relay"
)

func TestWhoWaitsHoldsNobodyUp(t *testing.T) {
	_, at := narrow(t, &engine{carry: bulk(30), shares: true})
	p := dialPeer(t, at, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	for id := uint32(1); id <= 41; id += 2 {
		p.get(id)
	}
	for range 21 { // all have begun, though none can go on
		if status := p.status(p.next()); status != "200" {
			t.Fatal(status)
		}
	}
	for id := uint32(41); id >= 1 && id <= 41; id -= 2 {
		p.must(p.WriteWindowUpdate(id, 30))
		f, ok := p.next().(*http2.DataFrame)
		if !ok || f.StreamID != id || len(f.Data()) != 30 || !f.StreamEnded() {
			t.Fatalf("got %v, want all of %d", f, id)
		}
	}
}

func TestExchangesLeaveInsteadOfWaiting(t *testing.T) {
	const streams = 50
	var here, gone sync.WaitGroup
	here.Add(streams)
	var mu sync.Mutex
	var later []relay.Sharing
	s, at := narrow(t, &leaving{engine: new(engine), carry: func(c relay.Sharing) {
		mu.Lock()
		later = append(later, c)
		mu.Unlock()
		here.Done()
	}})
	client := h2c(t)
	for range streams {
		gone.Go(func() {
			resp, err := client.Get("http://" + at + "/")
			if err != nil {
				t.Error(err)
				return
			}
			if resp.Body.Close(); resp.StatusCode != http.StatusNoContent {
				t.Error(resp.Status)
			}
		})
	}
	here.Wait() // all at once, in one goroutine
	s.workers.mu.Lock()
	running := s.workers.active + len(s.workers.idle)
	s.workers.mu.Unlock()
	if running != 1 {
		t.Errorf("%d workers", running)
	}
	for _, c := range later {
		c.Resume(func() bool {
			r := c.(*request)
			if err := r.Answer(&http1.Head{Status: 204}, true); err != nil {
				t.Error(err)
			}
			return r.Later(r) == nil
		})
	}
	gone.Wait()
}

// leaving is an engine whose exchanges leave at once.
type leaving struct {
	*engine
	carry func(relay.Sharing)
}

func (l *leaving) Carry(_ context.Context, c relay.Client) bool {
	l.carry(c.(relay.Sharing))
	return false
}

func TestAttemptTells(t *testing.T) {
	release := make(chan struct{})
	host := origin(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write([]byte("late"))
	})
	up, err := dialer(t, DialerOptions{}).Open(t.Context(), host, relay.How{})
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if err := up.Send(&http1.Head{Method: []byte("GET"), Path: []byte("/"), Host: []byte("a"), Scheme: []byte("http")}, true); err != nil {
		t.Fatal(err)
	}
	if err := up.Flush(); err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{}, 2)
	if !up.(relay.Telling).Tell(func() { told <- struct{}{} }) {
		t.Fatal("an answer before it is there")
	}
	close(release)
	select {
	case <-told:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing told")
	}
	if up.(relay.Telling).Tell(func() { t.Error("told a second time") }) {
		t.Error("there is an answer, and it is to be told")
	}
	var h http1.Head
	if err := up.Answer(&h); err != nil || h.Status != 200 {
		t.Fatal(h.Status, err)
	}
}

func TestCancelIsTold(t *testing.T) {
	host := origin(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	up, err := dialer(t, DialerOptions{}).Open(t.Context(), host, relay.How{})
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if err := up.Send(&http1.Head{Method: []byte("GET"), Path: []byte("/"), Host: []byte("a"), Scheme: []byte("http")}, true); err != nil {
		t.Fatal(err)
	}
	told := false
	if !up.(relay.Telling).Tell(func() { told = true }) {
		t.Fatal("an answer before the request has left")
	}
	up.Cancel(relay.Cancelled)
	if !told {
		t.Error("who waits does not hear that the attempt is given up")
	}
}

func TestQueueKeepsOrder(t *testing.T) {
	var q queue
	next, want := 0, 0
	all := make([]*request, 1000)
	for i := range all {
		all[i] = new(request)
	}
	for _, step := range []int{3, -2, 70, -60, 200, -211, 500, -500} {
		for ; step > 0; step-- {
			q.put(all[next])
			next++
		}
		for ; step < 0; step++ {
			if q.get() != all[want] {
				t.Fatal("out of order at", want)
			}
			want++
		}
	}
	if q.get() != nil || q.n != 0 {
		t.Error("something is left")
	}
}
