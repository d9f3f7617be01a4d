package h1

import (
	"bufio"
	"bytes"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/retry"
)

const (
	plainRequest = "GET /cart/7?x=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n" +
		"Traceparent: 00-" + traceID + "-" + spanID + "-01\r\n\r\n"
	bodyRequest = "POST /cart HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello"
	busyAnswer  = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
	plainAnswer = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 02:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"
)

// unheard is an Emitter that takes no notice: batches are the hub's matter.
type unheard struct{}

func (unheard) Exchange(*event.Exchange) {}
func (unheard) Notice(*event.Notice)     {}

// loop is a client and an upstream of the same process that allocate nothing
// either. policy is of retries; nil for none.
func loop(t testing.TB, request string, policy *retry.Policy, answers ...string) func() {
	if len(answers) == 0 {
		answers = []string{plainAnswer}
	}
	end := []byte(request[len(request)-4:])
	var said [][]byte
	for _, a := range answers {
		said = append(said, []byte(a))
	}
	o := serveRaw(t, func(c *net.TCPConn, _ *bufio.Reader) {
		b := make([]byte, 4<<10)
		for i := 0; ; i++ {
			for n, whole := 0, false; !whole; whole = bytes.HasSuffix(b[:n], end) {
				more, err := c.Read(b[n:])
				if err != nil || more == 0 {
					return
				}
				n += more
			}
			if _, err := c.Write(said[i%len(said)]); err != nil {
				return
			}
		}
	})
	p := start(t, o.addr, func(o *Options, r *Route) {
		o.Publish, r.Retry = func(int64) event.Emitter { return unheard{} }, policy
	})
	c := p.dial()
	asked, b := []byte(request), make([]byte, 4<<10)
	pieces := bytes.SplitAfter(asked, []byte("|"))
	return func() {
		for _, piece := range pieces {
			if _, err := c.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.TCPConn.Read(b); err != nil {
			t.Fatal(err)
		}
	}
}

// policies are those of routes whose first tries are answered.
func policies(t testing.TB) map[string]*retry.Policy {
	all := map[string]*retry.Policy{"no policy": nil}
	for name, change := range map[string]func(*config.Retry){
		"retries": func(c *config.Retry) { c.On, c.PerTry = []string{"5xx", "unavailable"}, time.Minute },
		"hedges":  func(c *config.Retry) { c.On, c.Hedge.Delay, c.AttemptCount = []string{"5xx"}, time.Minute, true },
	} {
		c := config.DefaultRetry()
		change(&c)
		p, err := retry.New(&c, nil)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	return all
}

// A request in steady state allocates nothing, spans included, and none the more
// where it might be sent again.
func TestRequestsAllocateNothing(t *testing.T) {
	for name, policy := range policies(t) {
		for kind, request := range map[string]string{"without a body": plainRequest, "with one": bodyRequest} {
			t.Run(name+", "+kind, func(t *testing.T) {
				once := loop(t, request, policy)
				for range 300 {
					once()
				}
				if raceDetector {
					t.Skip("the race detector makes sync.Pool forget at random")
				}
				const n = 2000
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range n {
					once()
				}
				runtime.ReadMemStats(&after)
				if per := float64(after.Mallocs-before.Mallocs) / n; per > 0.5 {
					t.Errorf("%.2f allocations per request", per)
				}
			})
		}
	}
}

// What else there may be to a request with a policy has a bound.
func TestTriesAllocateLittle(t *testing.T) {
	c := config.DefaultRetry()
	c.On, c.BackOff = []string{"5xx"}, config.RetryBackOff{Base: time.Millisecond, Max: time.Millisecond}
	p, err := retry.New(&c, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		request string
		answers []string
		most    float64
	}{
		"a body in pieces": {"POST /cart HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 18\r\n\r\nhell|o, h|ello, |1", nil, 1},
		"a second try":     {plainRequest, []string{busyAnswer, plainAnswer}, 16},
	} {
		t.Run(name, func(t *testing.T) {
			once := loop(t, tt.request, p, tt.answers...)
			for range 100 {
				once()
			}
			if raceDetector {
				t.Skip("the race detector makes sync.Pool forget at random")
			}
			if per := testing.AllocsPerRun(500, once); per > tt.most {
				t.Errorf("%.2f allocations per request, want %.0f at most", per, tt.most)
			}
		})
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, policy := range policies(b) {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			once := loop(b, plainRequest, policy)
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
		})
	}
}
