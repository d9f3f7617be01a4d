package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

func TestTCPEchoWithHalfClose(t *testing.T) {
	r := run(t, nil, serve(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c) // until the client's half is closed
		_, _ = c.Write(append(all, " and out"...))
	}))
	c := r.dial()
	say(t, c, "over")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "over and out" {
		t.Fatalf("got %q, %v", got, err)
	}
	x := r.next()
	if x.Protocol != event.TCP || x.RequestBytes != 4 || x.ResponseBytes != 12 || x.Flags != 0 || x.Status != event.Unset {
		t.Errorf("exchange %+v", x)
	}
	if x.Listener != "main" || x.Cluster != "main" || x.Endpoint == "" || x.Client.String() != c.LocalAddr().String() {
		t.Errorf("way of the exchange: %+v", x)
	}
	if x.Start == 0 || x.FirstByte < x.Start || x.End < x.FirstByte {
		t.Errorf("times %d %d %d", x.Start, x.FirstByte, x.End)
	}
	if x.TraceID.IsZero() || x.SpanID.IsZero() {
		t.Error("no ids")
	}
}

// A large transfer goes through whole and is counted, both ways at once, and
// through the kernel where it is large enough.
func TestTCPBulkBothWays(t *testing.T) {
	const size = 64 << 20
	r := run(t, nil, serve(t, func(c *net.TCPConn) {
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(c, io.LimitReader(zeros{}, size)); _ = c.CloseWrite() })
		n, _ := io.Copy(io.Discard, c)
		wg.Wait()
		if n != size {
			t.Errorf("the server got %d bytes, want %d", n, size)
		}
	}))
	c := r.dial()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(c, io.LimitReader(zeros{}, size)); _ = c.CloseWrite() })
	n, err := io.Copy(io.Discard, c)
	wg.Wait()
	if n != size || err != nil {
		t.Errorf("the client got %d bytes, %v; want %d", n, err, size)
	}
	if x := r.next(); x.RequestBytes != size || x.ResponseBytes != size {
		t.Errorf("counted %d and %d bytes, want %d each", x.RequestBytes, x.ResponseBytes, size)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// After a burst that was moved inside the kernel, small messages still pass.
func TestTCPAfterBulk(t *testing.T) {
	const burst = 32 << 20
	r := run(t, nil, serve(t, func(c *net.TCPConn) {
		if _, err := io.CopyN(io.Discard, c, burst); err != nil {
			t.Error(err)
		}
		_, _ = c.Write([]byte("got it"))
		echo(c)
	}))
	c := r.dial()
	if _, err := io.CopyN(c, zeros{}, burst); err != nil {
		t.Fatal(err)
	}
	hear(t, c, "got it")
	for range 3 {
		say(t, c, "small")
		hear(t, c, "small")
	}
	_ = c.CloseWrite()
	if x := r.next(); x.RequestBytes != burst+15 {
		t.Errorf("counted %d bytes, want %d", x.RequestBytes, burst+15)
	}
}

func TestRefusedUpstreamResetsTheClient(t *testing.T) {
	r := run(t, nil, refusing(t))
	if err := r.turnedAway(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client met %v, want a reset", err)
	}
	x := r.next()
	if x.Flags != event.FlagUF || x.Status != event.Error || x.ErrorType != "connect_failed" || x.StatusMessage == "" {
		t.Errorf("exchange %+v", x)
	}
}

func TestRefusedUpstreamIsPassedOver(t *testing.T) {
	r := run(t, nil, refusing(t), serve(t, echo))
	for range 4 { // round robin begins with the refusing one half of the time
		c := r.dial()
		say(t, c, "hi")
		hear(t, c, "hi")
		c.Close()
		if x := r.next(); x.Flags != 0 {
			t.Errorf("flags %v", x.Flags)
		}
	}
	r = run(t, nil, refusing(t), refusing(t))
	if err := r.turnedAway(); err == nil {
		t.Error("the client read something")
	}
	if x := r.next(); x.Flags != event.FlagUF|event.FlagURX {
		t.Errorf("flags %v, want UF,URX", x.Flags)
	}
}

func TestUpstreamResetReachesTheClient(t *testing.T) {
	r := run(t, nil, serve(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 16))
		_ = c.SetLinger(0)
	}))
	c := r.dial()
	say(t, c, "hello")
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client read %v, want a reset", err)
	}
	if x := r.next(); x.Flags != event.FlagUC || x.RequestBytes != 5 {
		t.Errorf("exchange %+v", x)
	}
}

func TestClientResetReachesTheUpstream(t *testing.T) {
	ended := make(chan error, 1)
	r := run(t, nil, serve(t, func(c *net.TCPConn) {
		_, _ = c.Write([]byte("welcome"))
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}))
	c := r.dial()
	hear(t, c, "welcome")
	_ = c.SetLinger(0)
	c.Close()
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the upstream read %v, want a reset", err)
	}
	if x := r.next(); x.Flags != event.FlagDC {
		t.Errorf("flags %v, want DC", x.Flags)
	}
}

// An answer that comes before the upstream stops listening still arrives.
func TestEarlyAnswerSurvivesABrokenRequest(t *testing.T) {
	r := run(t, nil, serve(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 16))
		_, _ = c.Write([]byte("too much"))
	}))
	c := r.dial()
	say(t, c, "start")
	hear(t, c, "too much")
	_, _ = io.Copy(c, io.LimitReader(zeros{}, 1<<20)) // into a closed connection: fails, or is dropped
	if _, err := io.Copy(io.Discard, c); errors.Is(err, context.DeadlineExceeded) {
		t.Error("the connection hangs")
	}
	r.next()
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	r := run(t, func(c *config.Config) { c.Listeners[0].Timeouts.Idle = 500 * time.Millisecond }, serve(t, echo))
	c := r.dial()
	say(t, c, "hi")
	hear(t, c, "hi")
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the client read %v, want the end", err)
	}
	if x := r.next(); x.Flags != event.FlagSI {
		t.Errorf("flags %v, want SI", x.Flags)
	}
	if n := r.listeners[0].stats.CxIdleTimeout.Load(); n != 1 {
		t.Errorf("downstream_cx_idle_timeout %d, want 1", n)
	}
}

// A receiver that takes nothing must not hold the connection for ever.
func TestStalledReceiverIsClosed(t *testing.T) {
	r := run(t, func(c *config.Config) { c.Listeners[0].Timeouts.Idle = 100 * time.Millisecond }, serve(t, func(c *net.TCPConn) {
		_, _ = io.Copy(c, zeros{})
	}))
	r.dial() // and reads nothing
	if x := r.next(); x.Flags&event.FlagSI == 0 {
		t.Errorf("flags %v, want SI", x.Flags)
	}
}

func TestMaxConnections(t *testing.T) {
	r := run(t, func(c *config.Config) { c.Listeners[0].MaxConnections = 1 }, serve(t, echo))
	first := r.dial()
	say(t, first, "hi")
	hear(t, first, "hi")
	if err := r.turnedAway(); err == nil {
		t.Error("a connection over the limit was served")
	}
	if n := r.listeners[0].stats.CxOverflow.Load(); n != 1 {
		t.Errorf("downstream_cx_overflow %d, want 1", n)
	}
}

func TestBusyAddressSaysHowToMendIt(t *testing.T) {
	taken := serve(t, echo)
	cfg := config.FromFlags(taken, "127.0.0.1:1")
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	_, err := New(cfg, Deps{Hub: tap.NewHub(1)})
	want := fmt.Sprintf("listener \"main\": %s is in use by another process; stop that one, or set listeners[0].address (--listen) to another port (0 takes a free one)", taken)
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A drain lets an answer that is under way arrive, and ends what is idle.
func TestDrain(t *testing.T) {
	asked, answer := make(chan bool), make(chan bool)
	r := run(t, nil, serve(t, func(c *net.TCPConn) {
		b := make([]byte, 4)
		for {
			if _, err := io.ReadFull(c, b); err != nil {
				return
			}
			if string(b) == "slow" {
				asked <- true
				<-answer
			}
			_, _ = c.Write(b)
		}
	}))
	idle, busy := r.dial(), r.dial()
	say(t, idle, "fast")
	hear(t, idle, "fast")
	say(t, busy, "slow")
	<-asked
	stopped := make(chan struct{})
	go func() { defer close(stopped); r.stop() }()
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("the idle connection goes on")
	}
	if _, err := net.Dial("tcp", r.Addr("main").String()); err == nil {
		t.Error("a draining proxy accepts connections")
	}
	close(answer)
	hear(t, busy, "slow")
	if _, err := busy.Read(make([]byte, 1)); err == nil {
		t.Error("the answered connection goes on")
	}
	<-stopped
}

func TestDrainTimeoutCutsConnections(t *testing.T) {
	r := run(t, func(c *config.Config) { c.Drain.Timeout = 50 * time.Millisecond }, serve(t, func(c *net.TCPConn) {
		_, _ = io.Copy(io.Discard, c) // never answers
	}))
	c := r.dial()
	say(t, c, "anyone?")
	for r.clusters["main"].Hosts()[0].Active() == 0 {
		_, _ = c.Write(nil)
	}
	r.stop()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlived the proxy")
	}
}

// The names that a configuration may use are those that are built in.
func TestNamesOfTheConfiguration(t *testing.T) {
	for _, p := range upstream.Policies() {
		text := "listeners: [{address: \":1\", cluster: a}]\nclusters: [{name: a, endpoints: [\"h:1\"], policy: " + p.Name + "}]"
		if _, err := config.Parse("f", []byte(text)); err != nil {
			t.Errorf("policy %s: %v", p.Name, err)
		}
	}
	for _, s := range servers() {
		text := "listeners: [{address: \":1\", cluster: a, protocol: " + s.name + "}]\nclusters: [{name: a, endpoints: [\"h:1\"]}]"
		if _, err := config.Parse("f", []byte(text)); err != nil {
			t.Errorf("protocol %s: %v", s.name, err)
		}
	}
}
