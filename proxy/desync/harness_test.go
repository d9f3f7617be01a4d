package desync

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testca"
	"github.com/pitot-io/pitot/proxy"
	"github.com/pitot-io/pitot/tap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 10 * time.Second
	part     = time.Second            // for the rest of a message
	next     = 800 * time.Millisecond // for the next one
)

// origin is an upstream that keeps what it gets.
type origin struct {
	addr string
	l    net.Listener

	mu    sync.Mutex
	reply func(*http.Request) string // what follows the head of a request
	conns []*bytes.Buffer            // what came, by connection
	open  int
	idle  chan struct{} // closed when open becomes 0
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{addr: l.Addr().String(), l: l}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { o.serve(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return o
}

func (o *origin) serve(c *net.TCPConn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	got := o.enter()
	defer o.leave()
	r := bufio.NewReader(io.TeeReader(c, locked{o, got}))
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		o.mu.Lock()
		reply := o.reply
		o.mu.Unlock()
		if reply != nil {
			_, _ = io.WriteString(c, reply(req))
			_ = c.CloseWrite()
			_, _ = io.Copy(io.Discard, r)
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

func (o *origin) enter() *bytes.Buffer {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open++; o.open == 1 {
		o.idle = make(chan struct{})
	}
	b := new(bytes.Buffer)
	o.conns = append(o.conns, b)
	return b
}

func (o *origin) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open--; o.open == 0 {
		close(o.idle)
	}
}

type locked struct {
	o *origin
	b *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.o.mu.Lock()
	defer l.o.mu.Unlock()
	return l.b.Write(b)
}

// took is what came on all connections since the last call, once they are over.
func (o *origin) took() string {
	o.mu.Lock()
	idle, open := o.idle, o.open
	o.mu.Unlock()
	if open > 0 {
		select {
		case <-idle:
		case <-time.After(2 * time.Second): // a proxy keeps it
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var all strings.Builder
	for _, b := range o.conns {
		all.Write(b.Bytes())
	}
	o.conns = nil
	return all.String()
}

func (o *origin) answer(f func(*http.Request) string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reply = f
}

// front is a proxy before an origin of its own.
type front struct {
	name    string
	network string // tcp or unix
	addr    string
	h2      string // address where HTTP/2 is spoken at once
	origin  *origin
	host    *host             // of HTTP/2, of those that go there
	sub     *tap.Subscription // pitot's
	tls     *tls.Config       // nil for none
}

// pitot starts a proxy; with a certificate, one whose clients speak TLS, which
// another engine serves than those who do not.
func pitot(t *testing.T, cert *testca.Pair, more ...func(*front, *config.Config)) *front {
	t.Helper()
	f := &front{name: "pitot", network: "tcp", origin: newOrigin(t)}
	cfg := config.FromFlags("127.0.0.1:0", f.origin.addr)
	cfg.Admin.Address, cfg.Tracing.AttemptSpans = config.None, false
	cfg.Clusters[0].MaxIdle = 0
	l := &cfg.Listeners[0]
	l.Protocol, l.Limits.Body = config.HTTP, 4<<10
	l.Timeouts.Header, l.Timeouts.Stream, l.Timeouts.Idle = part, part, next
	l.Limits.Head = 8 << 10
	if cert != nil {
		f.name, f.tls = "over TLS", &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
		l.TLS = config.NewListenerTLS()
		l.TLS.Certificates = []config.Certificate{{Cert: cert.Cert, Key: cert.Key}}
	}
	for _, change := range more {
		change(f, cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	hub := tap.NewHub(1)
	f.sub = hub.Subscribe("test", 1024, false)
	s, err := proxy.New(cfg, proxy.Deps{Hub: hub, Protocols: []decode.Protocol{http1.Protocol(http1.Options{})}})
	if err != nil {
		t.Fatal(err)
	}
	f.addr = s.Addr("main").String()
	f.h2 = f.addr
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { hub.Run(ctx) })
	all.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() { cancel(); all.Wait(); hub.Close() })
	return f
}

// span is the next server span, and nothing where none comes.
func (f *front) span() (x event.Exchange) {
	for late := time.After(2 * time.Second); ; {
		select {
		case b := <-f.sub.C():
			for i := range b.Exchanges {
				return b.Exchanges[i]
			}
		case <-late:
			return x
		}
	}
}

// forget drops the spans that are left of what was asked.
func (f *front) forget() {
	for f.sub != nil {
		select {
		case <-f.sub.C():
		default:
			return
		}
	}
}

func (f *front) dial() (net.Conn, error) {
	if f.tls == nil {
		return net.Dial(f.network, f.addr)
	}
	return tls.Dial(f.network, f.addr, f.tls)
}

// ask sends bytes and gives what comes back until the connection ends, and
// whether that was a reset.
func (f *front) ask(send string) (got string, reset bool) { return f.askSeeing(send, nil) }

// askSeeing is ask that calls seen, where it is not nil, when something has come.
func (f *front) askSeeing(send string, seen func()) (got string, reset bool) {
	c, err := f.dial()
	if err != nil {
		return "dial: " + err.Error(), false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	var sending sync.WaitGroup
	sending.Go(func() { _, _ = io.WriteString(c, send) }) // it may end the connection before
	b, err := io.ReadAll(seeing{c, seen})
	c.Close()
	sending.Wait()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return string(b) + "(still open)", false
	}
	return string(b), errors.Is(err, syscall.ECONNRESET)
}

type seeing struct {
	from io.Reader
	seen func()
}

func (s seeing) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	if n > 0 && s.seen != nil {
		s.seen()
	}
	return n, err
}

// ours are the fields that pitot adds to every request.
var ours = regexp.MustCompile(`(?m)^(x-forwarded-for|x-forwarded-proto|x-request-id|traceparent): [^\n]*\n`)

func plain(b string) string { return ours.ReplaceAllString(b, "") }
