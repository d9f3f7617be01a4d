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
	c, err := net.Dial("tcp", r.Addr("second").String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a second one: %v", err)
	}
	one.Close()
	await(t, "its place is free", func() bool { return r.Server.open.Load() == 0 })
	next := r.dial()
	say(t, next, "pong")
	hear(t, next, "pong")
}
