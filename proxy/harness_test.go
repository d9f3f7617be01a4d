package proxy

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of these tests.
const patience = 10 * time.Second

// rig is a running proxy under test and what it tells.
type rig struct {
	*Server
	t    *testing.T
	sub  *tap.Subscription
	hub  *tap.Hub
	stop func() // drains and waits; may be called again
	seen []event.Exchange
}

// run starts a proxy with one listener, main, in front of the endpoints.
func run(t *testing.T, change func(*config.Config), endpoints ...string) *rig {
	t.Helper()
	return runOf(t, testProtocols(), change, endpoints...)
}

func runOf(t *testing.T, protocols []decode.Protocol, change func(*config.Config), endpoints ...string) *rig {
	t.Helper()
	cfg := config.FromFlags("127.0.0.1:0", endpoints...)
	cfg.Admin.Address = config.None
	cfg.Drain.Timeout = 2 * time.Second
	cfg.Listeners[0].Protocol = config.TCP
	if change != nil {
		change(cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, hub: tap.NewHub(1)}
	r.sub = r.hub.Subscribe("test", 1024, false)
	var err error
	if r.Server, err = New(cfg, Deps{Hub: r.hub, Protocols: protocols, Sinks: testSinks}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.hub.Run(ctx) })
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not return")
		}
		wg.Wait()
		r.hub.Close()
	})
	t.Cleanup(r.stop)
	return r
}

func (r *rig) dial() *net.TCPConn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.Addr("main").String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

// turnedAway connects and gives what ends the connection; a reset may come as
// early as that.
func (r *rig) turnedAway() error { return r.turnedAwayAt("main") }

func (r *rig) turnedAwayAt(listener string) error {
	c, err := net.Dial("tcp", r.Addr(listener).String())
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, err = c.Read(make([]byte, 1))
	return err
}

// next is the next exchange that the proxy tells.
func (r *rig) next() event.Exchange {
	r.t.Helper()
	late := time.After(patience)
	for len(r.seen) == 0 {
		select {
		case b, open := <-r.sub.C():
			if !open {
				r.t.Fatal("no exchange was told")
			}
			r.seen = append(r.seen, b.Exchanges...)
		case <-late:
			r.t.Fatal("no exchange was told in time")
		}
	}
	x := r.seen[0]
	r.seen = r.seen[1:]
	return x
}

// serve runs an upstream that handles every connection with f.
func serve(t *testing.T, f func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				f(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c); _ = c.CloseWrite() }

// refusing is an address on which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func say(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("heard %q, %v; want %q", got, err, want)
	}
}
