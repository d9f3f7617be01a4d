package h1

import (
	"bufio"
	"net"
	"runtime"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

const (
	plainRequest = "GET /cart/7?x=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n" +
		"Traceparent: 00-" + traceID + "-" + spanID + "-01\r\n\r\n"
	plainAnswer = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 02:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"
)

// unheard is an Emitter that takes no notice: batches are the hub's matter.
type unheard struct{}

func (unheard) Exchange(*event.Exchange) {}
func (unheard) Notice(*event.Notice)     {}

// loop is a client and an upstream of the same process that allocate nothing
// either.
func loop(t testing.TB) func() {
	o := serveRaw(t, func(c *net.TCPConn, _ *bufio.Reader) {
		b, answer := make([]byte, 4<<10), []byte(plainAnswer)
		for {
			if n, err := c.Read(b); err != nil || n == 0 {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	p := start(t, o.addr, func(o *Options, _ *Route) { o.Publish = func(int64) event.Emitter { return unheard{} } })
	c := p.dial()
	request, b := []byte(plainRequest), make([]byte, 4<<10)
	return func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := c.TCPConn.Read(b); err != nil {
			t.Fatal(err)
		}
	}
}

// A request in steady state allocates nothing, spans included.
func TestRequestsAllocateNothing(t *testing.T) {
	once := loop(t)
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
}

func BenchmarkRequest(b *testing.B) {
	once := loop(b)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}
