package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/overload"
)

// press has the proxy believe that its memory is used up so far.
func press(r *rig, memory float64) {
	r.overload.Look(time.Now().UnixNano(), overload.Sample{memory})
}

func only(actions ...config.OverloadAction) func(*config.Config) {
	return func(c *config.Config) {
		c.Listeners[0].Protocol = config.HTTP
		c.Overload = config.Overload{MaxMemory: 1 << 50, Actions: actions}
	}
}

// In both engines requests are refused while there is too little of something,
// and connections stay.
func TestOverloadRefusesRequests(t *testing.T) {
	r := run(t, only(config.OverloadAction{Action: config.StopRequests, Resource: config.Memory, At: 95}), origin(t, "a"))
	for _, http2 := range []bool{false, true} {
		client := clientOf(t, http2)
		for _, c := range []struct {
			memory float64
			status int
		}{{0.5, 200}, {0.96, 503}, {0.5, 200}} {
			await(t, "the answer", func() bool { // the proxy itself looks every second, too
				press(r, c.memory)
				resp, err := client.Get("http://" + r.Addr("main").String() + "/")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				return resp.StatusCode == c.status && (resp.Header.Get("x-envoy-overloaded") == "true") == (c.status == http.StatusServiceUnavailable)
			})
		}
	}
	for x := r.next(); x.Flags&event.FlagOM == 0; x = r.next() {
	}
}

// Connections wait while none are to be accepted; what is under way goes on, and
// a proxy that holds them ends all the same.
func TestOverloadHoldsConnections(t *testing.T) {
	r := run(t, func(c *config.Config) {
		only(config.OverloadAction{Action: config.StopConnections, Resource: config.Goroutines, At: 95})(c)
		c.Listeners[0].Protocol, c.Overload.MaxGoroutines = config.TCP, 1
	}, serve(t, echo))
	before := r.dial() // Accept waits already, and takes one
	await(t, "it holds", func() bool { return r.overload.Full(overload.StopConnections) })
	say(t, before, "ping")
	hear(t, before, "ping")
	_ = r.dial() // the one for which Accept waits
	held := r.dial()
	say(t, held, "held")
	_ = held.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := held.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d, %v", n, err)
	}
	if r.overload.Taken(overload.StopConnections) == 0 {
		t.Error("nothing is counted")
	}
	r.overload.Use(nil)
	_ = held.SetReadDeadline(time.Now().Add(patience))
	hear(t, held, "held")
}

// All listeners together take so many connections.
func TestConnectionsOfAllListeners(t *testing.T) {
	r := run(t, func(c *config.Config) {
		second := c.Listeners[0]
		second.Name, second.Protocol = "second", config.TCP
		c.Listeners = append(c.Listeners, second)
		c.Overload.MaxConnections = 1
	}, serve(t, echo))
	one := r.dial()
	say(t, one, "ping")
	hear(t, one, "ping")
	if err := r.turnedAwayAt("second"); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a second one: %v", err)
	}
	one.Close()
	await(t, "its place is free", func() bool { return r.Server.open.Load() == 0 })
	next := r.dial()
	say(t, next, "pong")
	hear(t, next, "pong")
}

// A client has its own limit; what is beyond it is closed after a while.
func TestConnectionsOfOneClient(t *testing.T) {
	const delay = 200 * time.Millisecond
	r := run(t, func(c *config.Config) {
		c.Listeners[0].MaxPerClient, c.Listeners[0].OverflowDelay = 2, delay
	}, serve(t, echo))
	from := func(client string) *net.TCPConn {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
		c, err := d.Dial("tcp", r.Addr("main").String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		return c.(*net.TCPConn)
	}
	for _, client := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2"} {
		c := from(client)
		say(t, c, "ping")
		hear(t, c, "ping")
	}
	began := time.Now()
	if _, err := from("127.0.0.2").Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) < delay*9/10 {
		t.Errorf("a third one: %v after %v", err, time.Since(began))
	}
	r.listeners[0].cut()
	await(t, "nothing is left counted", func() bool {
		l := r.listeners[0]
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.clients) == 0 && l.late.Load() == 0
	})
	c := from("127.0.0.2")
	say(t, c, "ping")
	hear(t, c, "ping")
}

// Behind a proxy that tells whose its connections are, each of its clients has a
// limit of its own; what the proxy does for itself counts as its own.
func TestConnectionsOfOneClientBehindAProxy(t *testing.T) {
	for _, accept := range []string{config.Required, config.Optional} {
		t.Run(accept, func(t *testing.T) {
			r := run(t, func(c *config.Config) {
				accepting(accept, config.TCP, "127.0.0.0/8")(c)
				c.Listeners[0].MaxPerClient = 1
			}, serve(t, echo))
			of := func(header string) *net.TCPConn {
				t.Helper()
				c := r.dial()
				say(t, c, header+"ping")
				return c
			}
			const one, other, own = "PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n", "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "PROXY UNKNOWN\r\n"
			first := of(one)
			hear(t, first, "ping")
			for _, header := range []string{other, own} {
				hear(t, of(header), "ping")
			}
			refused := uint64(0)
			for _, header := range []string{one, "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", other, own} {
				if n, err := of(header).Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a second one of %q: read %d, %v", header, n, err)
				}
				refused++
			}
			if n := r.listeners[0].stats.CxOverflow.Load(); n != refused {
				t.Errorf("%d were counted, want %d", n, refused)
			}
			first.Close()
			await(t, "its place is free", func() bool {
				l := r.listeners[0]
				l.mu.Lock()
				defer l.mu.Unlock()
				return len(l.clients) == 2
			})
			hear(t, of(one), "ping")
		})
	}
}
