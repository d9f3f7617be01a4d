package h1

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/socket"
)

// resumed is how many connections of this package wait in a goroutine of
// their rest.
func resumed() int {
	b := make([]byte, 1<<20)
	return strings.Count(string(b[:runtime.Stack(b, true)]), "proxy/relay/h1.(*conn).resume(")
}

// rested waits until that many do.
func rested(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(patience); resumed() != n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections rest, want %d", resumed(), n)
		}
	}
}

// A connection that waits for long goes on in a goroutine that holds little,
// and is what it was before.
func TestConnectionsRest(t *testing.T) {
	p := start(t, serveHTTP(t, hello))
	a, b, c := p.dial(), p.dial(), p.dial()
	all := []*client{a, b, c}
	for _, c := range all {
		c.send(get + "\r\n")
		c.answer("GET")
	}
	rested(t, 3)
	a.send(get + "\r\n" + get + "\r\n")
	a.answer("GET")
	a.answer("GET")
	b.send(get)
	b.send("\r\n")
	b.answer("GET")
	c.CloseWrite()
	c.ends()
	rested(t, 2) // a and b again
	p.srv.Drain()
	a.ends()
	b.ends()
}

func TestIdleTimeoutAtRest(t *testing.T) {
	p := start(t, serveHTTP(t, hello), func(o *Options, _ *Route) { o.Idle = 3 * time.Second / 2 })
	c := p.dial()
	c.send(get + "\r\n")
	c.answer("GET")
	rested(t, 1)
	c.ends()
	if n := p.stats.idle.Load(); n != 1 {
		t.Errorf("%d idle timeouts counted, want 1", n)
	}
}

// Requests that come just as their connection is put to rest are answered.
func TestRequestsAsConnectionsRest(t *testing.T) {
	p := start(t, serveHTTP(t, hello))
	var all sync.WaitGroup
	for range 4 {
		c := p.dial()
		all.Go(func() {
			for range 100 {
				_ = c.SetDeadline(time.Now().Add(patience))
				c.send(get[:10])
				c.send(get[10:] + "\r\n")
				c.answer("GET")
			}
		})
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	for soon := int64(2 * socket.RestAfter); ; time.Sleep(100 * time.Microsecond) {
		select {
		case <-over:
			return
		default:
			p.srv.Watch().Each(func(x *relay.Watched) { x.Look(time.Now().UnixNano() + soon) })
		}
	}
}
