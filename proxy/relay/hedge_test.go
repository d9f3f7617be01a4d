package relay_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
)

// numbered has every try say which one it is: on a busy machine the second may
// arrive before the first.
func numbered(c *config.Retry) { c.AttemptCount = true }

func firstTry(r *http.Request) bool { return r.Header.Get("x-envoy-attempt-count") == "1" }

// A try beside a slow one wins, and the slow one is cancelled and told.
func TestHedge(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		change       func(*config.Retry)
		first        event.ResponseFlags
	}{
		{"delay", "hedge: delay", func(c *config.Retry) { c.Hedge.Delay = 30 * time.Millisecond }, event.FlagLR},
		{"timeout", "hedge: per-try timeout", func(c *config.Retry) { c.PerTry, c.Hedge.OnPerTryTimeout = 30*time.Millisecond, true }, event.FlagUT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			versions(t, func(t *testing.T, client, upstream int) {
				arrived, cancelled := make(chan bool), make(chan bool, 4)
				o := origin(t, func(w http.ResponseWriter, r *http.Request) {
					b, _ := io.ReadAll(r.Body)
					if firstTry(r) {
						close(arrived)
						<-r.Context().Done()
						cancelled <- true
						return
					}
					<-arrived
					fmt.Fprintf(w, "got %s", b)
				})
				p := start(t, o, upstream, retries(t, "", tt.change, numbered))
				a, err := p.client(client).Post(p.url("/"), "text/plain", strings.NewReader("this"))
				if err != nil {
					t.Fatal(err)
				}
				if b := body(t, a); b != "got this" {
					t.Errorf("%s %q", a.Status, b)
				}
				<-cancelled
				x, tries := p.tried(2)
				if x.Flags != 0 || tries[1].Retried != tt.reason || tries[0].Flags != tt.first || tries[0].Decode&event.NoResponse == 0 || tries[1].Flags != 0 {
					t.Errorf("spans %s\n%s\n%s", x.AppendJSON(nil), tries[0].AppendJSON(nil), tries[1].AppendJSON(nil))
				}
				if tt.first == event.FlagLR && (tries[0].StatusMessage != "hedge_lost" || tries[0].Status == event.Error) {
					t.Errorf("the try that lost: %s", tries[0].AppendJSON(nil))
				}
				if p.stat("upstream_rq_hedge") != 1 || p.stat("upstream_rq_hedge_won") != 1 || p.stat("upstream_rq_retry") != 1 {
					t.Error("it was not counted")
				}
				p.quiet()
			})
		})
	}
}

// The first try may win, too; and a bad answer does not win while there is
// another try.
func TestHedgeFirstGoodAnswerWins(t *testing.T) {
	second := make(chan bool)
	p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
		if firstTry(r) {
			<-second
			time.Sleep(20 * time.Millisecond) // so that the other's answer comes first, mostly
			io.WriteString(w, "first")
			return
		}
		w.WriteHeader(503)
		close(second)
	}), 2, retries(t, "5xx", numbered, func(c *config.Retry) { c.Hedge.Delay = 10 * time.Millisecond }))
	a, err := p.client(2).Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	if b := body(t, a); b != "first" {
		t.Errorf("%s %q", a.Status, b)
	}
	if x, tries := p.tried(2); x.Flags != 0 || tries[1].HTTP.StatusCode != 503 || x.Retried != "" {
		t.Errorf("spans %s\n%s", x.AppendJSON(nil), tries[1].AppendJSON(nil))
	}
}

// The delay follows what the route's answers take.
func TestHedgeByPercentile(t *testing.T) {
	var stuck atomic.Bool
	var n atomic.Int64
	p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
		if stuck.Load() && n.Add(1) == 1 {
			<-r.Context().Done()
		}
	}), 2, retries(t, "", func(c *config.Retry) { c.Hedge.DelayPercentile = 95 }))
	client := p.client(2)
	for range 100 {
		a, err := client.Get(p.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
	}
	stuck.Store(true)
	began := time.Now()
	a, err := client.Get(p.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if d := time.Since(began); a.StatusCode != 200 || d > patience/2 {
		t.Errorf("%s after %v", a.Status, d)
	}
}

// Many hedges at once under the race detector: every request gets its own
// answer, once.
func TestManyHedges(t *testing.T) {
	var n atomic.Int64
	p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if n.Add(1)%3 == 0 {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		w.Write(b)
	}), 2, retries(t, "5xx", func(c *config.Retry) { c.Hedge.Delay, c.Most = 2*time.Millisecond, 3 }))
	client := p.client(2)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 25 {
				want := strings.Repeat(fmt.Sprint(i, j, " "), 500)
				a, err := client.Post(p.url("/"), "text/plain", strings.NewReader(want))
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(a.Body)
				a.Body.Close()
				if err != nil || string(b) != want {
					t.Errorf("%d bytes, %v", len(b), err)
				}
			}
		})
	}
	all.Wait()
	p.quiet()
}

// A stream that a host refuses is opened anew at once; when it is refused again,
// the policy decides.
func TestRefusedStream(t *testing.T) {
	var n atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { defer c.Close(); refusing(c, &n, 2) })
		}
	})
	p := start(t, l.Addr().String(), 2, retries(t, "refused-stream"))
	a, err := p.client(1).Post(p.url("/"), "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if body(t, a); a.StatusCode != 204 {
		t.Error(a.Status)
	}
	if _, tries := p.tried(3); tries[1].Retried != "stale connection" || tries[2].Retried != "refused-stream" || tries[0].Flags == 0 {
		t.Errorf("spans %s\n%s", tries[1].AppendJSON(nil), tries[2].AppendJSON(nil))
	}
}

// refusing is a server of HTTP/2 that refuses the first streams and answers the
// others with 204.
func refusing(c net.Conn, n *atomic.Int64, refused int64) {
	io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
	f := http2.NewFramer(c, c)
	_ = f.WriteSettings()
	for {
		x, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch x := x.(type) {
		case *http2.SettingsFrame:
			if !x.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			if n.Add(1) <= refused {
				_ = f.WriteRSTStream(x.StreamID, http2.ErrCodeRefusedStream)
				continue
			}
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: x.StreamID, BlockFragment: []byte{0x89}, EndHeaders: true, EndStream: true})
		}
	}
}
