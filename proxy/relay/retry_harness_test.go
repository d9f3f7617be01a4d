package relay_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/retry"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// retries is a policy on these conditions.
func retries(t testing.TB, on string, change ...func(*config.Retry)) func(*relay.Options, *hop.Route) {
	c := config.DefaultRetry()
	c.On, c.BackOff = strings.Fields(on), config.RetryBackOff{Base: time.Millisecond, Max: 10 * time.Millisecond}
	for _, f := range change {
		f(&c)
	}
	p, err := retry.New(&c, route.MatchField)
	if err != nil {
		t.Fatal(err)
	}
	return func(_ *relay.Options, r *hop.Route) { r.Retry = p }
}

// among has the requests go to several hosts.
func among(t testing.TB, hosts ...string) func(*relay.Options, *hop.Route) {
	c := upstream.New(upstream.Options{Name: "origin", Endpoints: upstream.Addresses(hosts...)})
	t.Cleanup(c.Close)
	return func(_ *relay.Options, r *hop.Route) { r.Cluster = c }
}

// tried waits for the exchange's span, and gives those of its n tries in order.
func (p *proxy) tried(n int) (x *event.Exchange, tries []*event.Exchange) {
	p.t.Helper()
	t := p.t.(*testing.T)
	x = p.spans.find(t, ofKind(event.Server))
	for i := range n {
		tries = append(tries, p.spans.find(t, func(a *event.Exchange) bool {
			return a.Kind == event.Client && a.ParentID == x.SpanID && int(a.Attempt) == i
		}))
	}
	p.spans.mu.Lock()
	defer p.spans.mu.Unlock()
	all := 0
	for i := range p.spans.batch.Exchanges {
		if a := &p.spans.batch.Exchanges[i]; a.Kind == event.Client && a.ParentID == x.SpanID {
			all++
		}
	}
	if all != n || int(x.Attempt) != n-1 {
		t.Errorf("%d tries were told, and %d counted; want %d", all, x.Attempt+1, n)
	}
	return x, tries
}

func (p *proxy) stat(name string) uint64 {
	for _, s := range p.route.Cluster.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	p.t.Fatalf("no number %s", name)
	return 0
}

// quiet waits until nothing is counted active any more.
func (p *proxy) quiet() {
	p.t.Helper()
	for limit := time.Now().Add(patience); p.stat("upstream_rq_active") != 0 || p.stat("upstream_rq_retry_active") != 0; {
		if time.Now().After(limit) {
			p.t.Fatal("something is counted active still")
		}
		time.Sleep(time.Millisecond)
	}
}

// flaky answers 503 so many times, then with what it got.
func flaky(failures int) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if n.Add(1) <= int64(failures) {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("X-Trailer", r.Trailer.Get("X-Sum"))
		fmt.Fprintf(w, "%d %x", len(b), sum(b))
	}
}

func sum(b []byte) (n uint32) {
	for _, c := range b {
		n = n*31 + uint32(c)
	}
	return n
}

// slow is a body that comes in steps.
type slow struct {
	data []byte
	step int
}

func (s *slow) Read(b []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.data[:min(s.step, len(s.data))])
	s.data = s.data[n:]
	return n, nil
}

func readHead(r *bufio.Reader) (lines []string) {
	for {
		s, err := r.ReadString('\n')
		if err != nil || s == "\r\n" {
			return lines
		}
		lines = append(lines, strings.TrimSpace(s))
	}
}
