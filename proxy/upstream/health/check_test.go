package health

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

const patience = 10 * time.Second

// secure is TLS towards tests' servers.
type secure struct{ config *tls.Config }

func (s secure) Secure(ctx context.Context, c socket.Conn, _ string) (*socket.Stream, error) {
	t := tls.Client(socket.Over(c), s.config)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return socket.Secured(t, c), nil
}

func (secure) Stats() []upstream.Stat { return nil }

// lineTo leads to an address, by TLS where t is not nil.
func lineTo(t *testing.T, address string, tls upstream.TLS) *Line {
	c := upstream.New(upstream.Options{Name: "shop", Endpoints: upstream.Addresses(address), TLS: tls})
	t.Cleanup(c.Close)
	l := &Line{Host: c.Hosts()[0], Reuse: true}
	t.Cleanup(l.Close)
	return l
}

// ask asks once.
func ask(t *testing.T, l *Line, c Check, timeout time.Duration) Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return c.Ask(ctx, l)
}

// serve does as script says with each connection.
func serve(t *testing.T, network, address string, script func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("no %s here: %v", network, err)
	}
	var wg sync.WaitGroup
	var open sync.Map
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(c, true)
			wg.Go(func() { script(c); c.Close(); open.Delete(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		wg.Wait()
	})
	return l.Addr().String()
}

// What hosts do wrong ends in time, and reads no more than it may.
func TestHostsThatMisbehave(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(net.Conn)
		why    string
	}{
		{"a black hole", func(c net.Conn) { io.Copy(io.Discard, c) }, "no answer in time"},
		{"closes", func(net.Conn) {}, "the connection was"},
		{"half a head", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nA"); io.Copy(io.Discard, c) }, "no answer in time"},
		{"no HTTP", func(c net.Conn) { io.WriteString(c, "220 mail ESMTP\r\n"); io.Copy(io.Discard, c) }, "malformed HTTP"},
		{"an endless head", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for {
				if _, err := io.WriteString(c, "A: "+strings.Repeat("b", 1000)+"\r\n"); err != nil {
					return
				}
			}
		}, "the connection was closed"},
		{"interim for ever", func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n"); err != nil {
					return
				}
			}
		}, "too many interim answers"},
	} {
		line := lineTo(t, serve(t, "tcp", "127.0.0.1:0", c.script), nil)
		timeout := patience
		if strings.Contains(c.why, "in time") {
			timeout = 50 * time.Millisecond
		}
		a := ask(t, line, get(), timeout)
		if a.Outcome != Network || !strings.Contains(a.Why, c.why) {
			t.Errorf("%s: %+v", c.name, a)
		}
		if line.conn != nil {
			t.Errorf("%s: the connection is kept", c.name)
		}
	}
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.Close()
	if a := ask(t, lineTo(t, refused.Addr().String(), nil), get(), patience); a.Outcome != Network || a.Why != "connection refused" {
		t.Errorf("%+v", a)
	}
}

func TestTCP(t *testing.T) {
	redis := func(c net.Conn) {
		b := make([]byte, 100)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			if string(b[:n]) == "PING\r\n" {
				io.WriteString(c, "+P")
				io.WriteString(c, "ON")
				io.WriteString(c, "G\r\n")
			}
		}
	}
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		at := serve(t, "tcp", network, redis)
		for _, c := range []struct {
			check   *TCP
			outcome Outcome
			why     string
		}{
			{&TCP{}, Success, "connected"},
			{&TCP{Send: []byte("PING\r\n"), Receive: [][]byte{[]byte("PONG")}}, Success, "answered as it should"},
			{&TCP{Send: []byte("PING\r\n"), Receive: [][]byte{[]byte("P"), []byte("G")}}, Success, "answered as it should"},
			{&TCP{Send: []byte("PING\r\n"), Receive: [][]byte{[]byte("G"), []byte("P")}}, Network, "no answer in time"},
			{&TCP{Send: []byte("HELLO\r\n"), Receive: [][]byte{[]byte("PONG")}}, Network, "no answer in time"},
		} {
			timeout := patience
			if c.outcome == Network {
				timeout = 50 * time.Millisecond
			}
			line := lineTo(t, at, nil)
			for range 2 {
				if a := ask(t, line, c.check, timeout); a.Outcome != c.outcome || a.Why != c.why {
					t.Errorf("%s: %+v: %+v", at, c.check, a)
				}
			}
		}
	}
	chatter := serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		for {
			if _, err := c.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	if a := ask(t, lineTo(t, chatter, nil), &TCP{Receive: [][]byte{{1}}}, patience); a.Outcome != Network || a.Why != "what should come does not" {
		t.Errorf("chatter: %+v", a)
	}
}

func TestUnixSocket(t *testing.T) {
	path := t.TempDir() + "/s"
	serve(t, "unix", path, func(c net.Conn) { io.WriteString(c, "hello"); io.Copy(io.Discard, c) })
	line := lineTo(t, "unix:"+path, nil)
	line.Port = 7 // means nothing there
	if a := ask(t, line, &TCP{Receive: [][]byte{[]byte("hello")}}, patience); a.Outcome != Success {
		t.Errorf("%+v", a)
	}
}

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	states, s := grpchealth.NewServer(), grpc.NewServer()
	healthpb.RegisterHealthServer(s, states)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	states.SetServingStatus("shop.Cart", healthpb.HealthCheckResponse_SERVING)
	line := lineTo(t, l.Addr().String(), nil)
	for _, c := range []struct {
		service string
		outcome Outcome
		why     string
	}{{"", Success, "SERVING"}, {"shop.Cart", Success, "SERVING"}, {"shop.Other", Failure, `status "5" of gRPC`}} {
		if a := ask(t, line, &GRPC{Service: c.service, Cluster: "shop"}, patience); a.Outcome != c.outcome || a.Why != c.why {
			t.Errorf("%q: %+v", c.service, a)
		}
	}
	states.SetServingStatus("shop.Cart", healthpb.HealthCheckResponse_NOT_SERVING)
	if a := ask(t, line, &GRPC{Service: "shop.Cart"}, patience); a.Outcome != Failure || a.Why != "NOT_SERVING" {
		t.Errorf("%+v", a)
	}
	at, _ := web(t, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	if a := ask(t, lineTo(t, at, nil), &GRPC{}, patience); a.Outcome != Failure || a.Why != "status 404" {
		t.Errorf("no gRPC: %+v", a)
	}
	plain := serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) { io.WriteString(c, "220 mail ESMTP\r\n"); io.Copy(io.Discard, c) })
	if a := ask(t, lineTo(t, plain, nil), &GRPC{}, patience); a.Outcome != Network {
		t.Errorf("no HTTP/2: %+v", a)
	}
	hole := serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) { io.Copy(io.Discard, c) })
	if a := ask(t, lineTo(t, hole, nil), &GRPC{}, 50*time.Millisecond); a.Outcome != Network || a.Why != "no answer in time" {
		t.Errorf("a black hole: %+v", a)
	}
}
