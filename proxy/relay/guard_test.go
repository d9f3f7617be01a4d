package relay_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/route"
)

// waiter is a Guard that waits for so long, or for the end.
type waiter struct {
	time.Duration
	asked chan struct{}
}

func (w waiter) Waits() bool { return true }

func (w waiter) Admit(ctx context.Context, _ *route.Question) *route.Failure {
	if w.asked != nil {
		close(w.asked)
	}
	select {
	case <-ctx.Done():
	case <-time.After(w.Duration):
	}
	return nil
}

// The time that a guard takes is not the upstream's.
func TestGuardsMayWait(t *testing.T) {
	const limit = 500 * time.Millisecond
	versions(t, func(t *testing.T, client, upstream int) {
		t.Parallel()
		p := start(t, origin(t, func(w http.ResponseWriter, _ *http.Request) {}), upstream, func(_ *relay.Options, r *hop.Route) {
			r.Timeout, r.Guards = limit, []route.Guard{waiter{limit + limit/4, nil}}
		})
		a, err := p.client(client).Get(p.url("/"))
		if err != nil || a.StatusCode != 200 {
			t.Fatalf("%+v, %v", a, err)
		}
		a.Body.Close()
		x, attempt := p.spans.find(t, ofKind(event.Server)), p.spans.find(t, ofKind(event.Client))
		if d := time.Duration(attempt.Start - x.Start); d < limit {
			t.Errorf("the attempt begins %v after the exchange", d)
		}
	})
}

// A client that leaves ends the wait.
func TestGuardsWaitForNobody(t *testing.T) {
	for _, version := range []int{1, 2} {
		w := waiter{time.Hour, make(chan struct{})}
		p := start(t, "127.0.0.1:1", 1, func(_ *relay.Options, r *hop.Route) { r.Guards = []route.Guard{w} })
		ctx, leave := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			r, _ := http.NewRequestWithContext(ctx, "GET", p.url("/"), nil)
			if a, err := p.client(version).Do(r); err == nil {
				t.Errorf("answered %s", a.Status)
				a.Body.Close()
			}
		}()
		<-w.asked
		leave()
		<-over
		if x := p.spans.find(t, ofKind(event.Server)); x.Flags != event.FlagDC {
			t.Errorf("told as %s", x.AppendJSON(nil))
		}
	}
}
