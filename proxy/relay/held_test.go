package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/route"
)

// slowly is a guard that has bodies pass at so many bytes in a second.
type slowly int

func (s slowly) Admit(_ context.Context, q *route.Question) *route.Failure {
	q.Pacer = s
	return nil
}

func (slowly) Waits() bool { return true }

func (slowly) Done() {}

func (s slowly) Pace(ctx context.Context, d event.Dir, n int) (int, *route.Failure) {
	if d == event.ToServer {
		select {
		case <-ctx.Done():
			return n, nil
		case <-time.After(time.Second / 10):
		}
	}
	return min(n, max(1, int(s)/10)), nil
}

// A body that is held back for a try goes no further when its client leaves, nor
// does it hold up the end of a try beside that one.
func TestTriesOfBodiesHeldBack(t *testing.T) {
	for _, hedge := range []bool{false, true} {
		t.Run(fmt.Sprint("hedged ", hedge), func(t *testing.T) {
			t.Parallel()
			asked, second := make(chan bool, 4), make(chan bool)
			p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
				asked <- true
				switch {
				case hedge && firstTry(r):
					<-second
					time.Sleep(300 * time.Millisecond)        // in which the other waits for its turn
					_ = http.NewResponseController(w).Flush() // before it has all
				case hedge:
					close(second)
				}
				_, _ = io.Copy(io.Discard, r.Body)
			}), 2, retries(t, "", numbered, func(c *config.Retry) {
				if hedge {
					c.Hedge.Delay = 50 * time.Millisecond
				}
			}), func(_ *relay.Options, r *hop.Route) { r.Guards = []route.Guard{slowly(100)} })
			ctx, leave := context.WithCancel(t.Context())
			r, _ := http.NewRequestWithContext(ctx, "POST", p.url("/"), bytes.NewReader(make([]byte, 60_000)))
			over, began := make(chan int, 1), time.Now()
			c := p.client(2)
			go func() {
				a, err := c.Do(r)
				if err != nil {
					over <- 0
					return
				}
				a.Body.Close()
				over <- a.StatusCode
			}()
			<-asked
			want := 200
			if !hedge {
				leave()
				want = 0
			}
			if got := <-over; got != want {
				t.Errorf("status %d, want %d", got, want)
			}
			leave()
			x := p.spans.find(t, ofKind(event.Server))
			if x.Flags != event.FlagDC || time.Since(began) > patience {
				t.Errorf("after %v: %s", time.Since(began), x.AppendJSON(nil))
			}
			p.quiet()
		})
	}
}
