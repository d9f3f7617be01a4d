package h2

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// resumed is how many connections wait in a goroutine of their rest.
func resumed() int {
	b := make([]byte, 1<<20)
	return strings.Count(string(b[:runtime.Stack(b, true)]), "h2.(*serverConn).resume(")
}

// A connection without streams goes on in a goroutine that holds little, and
// serves the next one.
func TestConnectionsRest(t *testing.T) {
	s, at := serve(t, echo, ServerOptions{})
	p := dialPeer(t, at)
	for id := uint32(1); id < 4; id += 2 {
		p.get(id)
		p.status(p.next())
		if f, ok := p.next().(*http2.DataFrame); !ok || !f.StreamEnded() {
			t.Fatalf("%v instead of the end", f)
		}
		for end := time.Now().Add(10 * time.Second); resumed() != 1; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d connections rest, want 1", resumed())
			}
		}
	}
	s.Drain()
	for end := time.Now().Add(10 * time.Second); s.Conns() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a connection at rest does not end")
		}
	}
}

// Requests that come just as their connection is put to rest are answered.
func TestRequestsAsConnectionsRest(t *testing.T) {
	s, at := serve(t, echo, ServerOptions{})
	var all sync.WaitGroup
	for range 4 {
		client := h2c(t)
		all.Go(func() {
			for range 100 {
				res, err := client.Post("http://"+at, "", strings.NewReader("hello"))
				if err != nil {
					t.Error(err)
					return
				}
				if b, err := io.ReadAll(res.Body); string(b) != "hello" || err != nil || res.StatusCode != http.StatusOK {
					t.Errorf("%s, %q, %v", res.Status, b, err)
				}
				res.Body.Close()
			}
		})
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	for ; ; time.Sleep(100 * time.Microsecond) {
		select {
		case <-over:
			return
		default:
			s.putToRest()
		}
	}
}

// putToRest has all connections without streams rest now.
func (s *Server) putToRest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		if c.quiet != 0 && !c.rested && c.fate == nil {
			c.endWait()
		}
		c.mu.Unlock()
	}
}
