package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// serve starts a Server on a port of its own, and ends it with the test.
func serve(t testing.TB, carry func(relay.Client), o ServerOptions) (*Server, string) {
	t.Helper()
	s := NewServer(&engine{carry: carry}, o)
	return s, listenFor(t, s)
}

// narrow is serve by one goroutine for all exchanges, as long as none waits.
func narrow(t testing.TB, e Engine) (*Server, string) {
	t.Helper()
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	s := NewServer(e, ServerOptions{})
	return s, listenFor(t, s)
}

func listenFor(t testing.TB, s *Server) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Add(1)
			go s.Serve(context.Background(), socket.Plain(c.(*net.TCPConn)), nil, hop.Info{Client: socket.AddrPort(c.RemoteAddr())}, wg.Done)
		}
	}()
	t.Cleanup(func() { l.Close(); s.Close(); wg.Wait() })
	return l.Addr().String()
}

// engine carries exchanges out by a function.
type engine struct {
	carry  func(relay.Client)
	watch  relay.Watch
	shares bool         // carry does not wait but in c
	errors atomic.Int64 // connections and requests that broke the protocol
	idle   atomic.Int64
}

func (e *engine) Enter(info hop.Info, secure bool) *relay.Info {
	return &relay.Info{Info: info, Secure: secure}
}
func (e *engine) Leave(*relay.Info)   {}
func (e *engine) Stats() hop.Stats    { return stats{e} }
func (e *engine) Listener() string    { return "test" }
func (e *engine) Parting() bool       { return false }
func (e *engine) Draining() bool      { return false }
func (e *engine) Watch() *relay.Watch { return &e.watch }

func (e *engine) Carry(_ context.Context, c relay.Client) bool {
	if !e.shares {
		c.(relay.Sharing).Alone()
	}
	e.carry(c)
	return true
}

func (e *engine) Malformed(c relay.Client, err error) {
	e.errors.Add(1)
	var fault *http1.Error
	if !errors.As(err, &fault) {
		panic("a fault of no status")
	}
	_ = c.Answer(&http1.Head{Status: fault.Status}, true)
	_ = c.Flush()
}

type stats struct{ e *engine }

func (s stats) RequestBegins()                      {}
func (s stats) RequestEnds(int, int64, int64, bool) {}
func (s stats) Transferred(received, sent int64)    {}
func (s stats) ProtocolError()                      { s.e.errors.Add(1) }
func (s stats) IdleTimeout()                        { s.e.idle.Add(1) }
func (s stats) TrailersDropped()                    {}

// h2c is a client of net/http that speaks HTTP/2 by prior knowledge.
func h2c(t testing.TB) *http.Client {
	t.Helper()
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// origin is a server of net/http that speaks HTTP/2 by prior knowledge.
func origin(t testing.TB, h http.HandlerFunc) *upstream.Host {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	s.Config.Protocols = p
	s.Start()
	t.Cleanup(s.Close)
	return hostAt(t, s.Listener.Addr().String())
}

func hostAt(t testing.TB, address string) *upstream.Host {
	t.Helper()
	c := upstream.New(upstream.Options{Name: "origin", Endpoints: upstream.Addresses(address)})
	t.Cleanup(c.Close)
	return c.Hosts()[0]
}

func dialer(t testing.TB, o DialerOptions) *Dialer {
	t.Helper()
	d := NewDialer(o)
	t.Cleanup(d.Close)
	return d
}

func field(name, value string) http1.Field {
	return http1.Field{Name: []byte(name), Value: []byte(value)}
}

// echo answers with the request's body, and tells its method and path.
func echo(c relay.Client) {
	h := c.Request()
	answer := &http1.Head{Status: 200, Fields: []http1.Field{field("x-method", string(h.Method)), field("x-path", string(h.Path)), field("x-host", string(h.Host))}}
	for _, f := range h.Fields {
		if string(f.Name) == "cookie" {
			answer.Fields = append(answer.Fields, field("x-cookie", string(f.Value)))
		}
	}
	if err := c.Answer(answer, false); err != nil {
		c.Abort(relay.Broken)
		return
	}
	for {
		b, err := c.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || c.Write(b) != nil {
			c.Abort(relay.Broken)
			return
		}
	}
	var trailers []http1.Field
	for _, f := range c.Trailers() {
		trailers = append(trailers, field(string(f.Name), "back "+string(f.Value)))
	}
	_ = c.Finish(trailers)
}

// forward is the smallest engine: what a client asks goes to the host.
func forward(d *Dialer, host *upstream.Host, failed func(error)) func(relay.Client) {
	return func(c relay.Client) {
		if err := pass(c, d, host); err != nil {
			failed(err)
			c.Abort(relay.Broken)
		}
	}
}

func pass(c relay.Client, d *Dialer, host *upstream.Host) error {
	req := c.Request()
	up, err := d.Open(context.Background(), host, relay.How{Tunnel: len(req.Upgrade) > 0})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	var wg sync.WaitGroup
	defer up.Close()
	defer wg.Wait()
	c.OnGone(func() { up.Cancel(relay.Cancelled) })
	defer c.OnGone(nil)
	if err := up.Send(req, req.Framing == http1.NoBody); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if req.Framing != http1.NoBody {
		if n, end := c.Ready(); end && n < 16<<10 {
			upload(c, up)
		} else {
			wg.Add(1)
			go func() { defer wg.Done(); upload(c, up) }()
		}
	}
	defer c.Interrupt(false)
	if err := up.Flush(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	var h http1.Head
	for {
		if err := up.Answer(&h); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		if h.Status >= 200 || h.Status == 101 {
			break
		}
		if err := c.Interim(&h); err != nil {
			return err
		}
	}
	if err := c.Answer(&h, h.Framing == http1.NoBody); err != nil {
		return err
	}
	if h.Framing == http1.NoBody {
		return c.Flush()
	}
	for {
		if n, end := up.Ready(); n == 0 && !end {
			_ = c.Flush()
		}
		b, err := up.Next()
		if errors.Is(err, io.EOF) {
			return c.Finish(up.Trailers())
		}
		if err != nil {
			return fmt.Errorf("body: %w", err)
		}
		if err := c.Write(b); err != nil {
			return err
		}
	}
}

func upload(c relay.Client, up relay.Upstream) {
	for {
		b, err := c.Next()
		switch {
		case errors.Is(err, io.EOF):
			_ = up.Finish(c.Trailers())
			_ = up.Flush()
			return
		case err != nil:
			if !errors.Is(err, relay.ErrInterrupted) {
				up.Cancel(relay.Cancelled)
			}
			return
		case up.Write(b) != nil:
			return
		}
		if n, end := c.Ready(); n == 0 && !end {
			_ = up.Flush()
		}
	}
}

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
