package h1

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// counted is a Stats.
type counted struct {
	begun, ended, protocolErrors, idle atomic.Int64
	received, sent                     atomic.Int64
}

func (s *counted) RequestBegins() { s.begun.Add(1) }
func (s *counted) RequestEnds(_ int, received, sent int64, _ bool) {
	s.ended.Add(1)
	s.Transferred(received, sent)
}
func (s *counted) Transferred(received, sent int64) { s.received.Add(received); s.sent.Add(sent) }
func (s *counted) ProtocolError()                   { s.protocolErrors.Add(1) }
func (s *counted) IdleTimeout()                     { s.idle.Add(1) }
func (s *counted) TrailersDropped()                 {}

// spans is an Emitter that keeps copies.
type spans struct {
	mu    sync.Mutex
	batch event.Batch
	came  chan struct{} // one for each exchange
}

func (s *spans) Exchange(x *event.Exchange) {
	s.mu.Lock()
	s.batch.Exchange(x)
	s.mu.Unlock()
	select {
	case s.came <- struct{}{}:
	default:
	}
}

func (s *spans) Notice(n *event.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch.Notice(n)
}

// all waits for n spans of kind and gives them.
func (s *spans) all(t *testing.T, kind event.Kind, n int) []*event.Exchange {
	t.Helper()
	limit := time.After(patience)
	for {
		var found []*event.Exchange
		s.mu.Lock()
		for i := range s.batch.Exchanges {
			if x := &s.batch.Exchanges[i]; x.Kind == kind {
				found = append(found, x)
			}
		}
		s.mu.Unlock()
		if len(found) >= n {
			return found
		}
		select {
		case <-s.came:
		case <-limit:
			t.Fatalf("%d %s spans came, want %d", len(found), kind, n)
		}
	}
}

// server waits for the n-th server span.
func (s *spans) server(t *testing.T, n int) *event.Exchange {
	t.Helper()
	return s.all(t, event.Server, n)[n-1]
}

// bench is a proxy in front of an upstream.
type bench struct {
	t       testing.TB
	srv     *Server
	addr    string
	spans   *spans
	stats   *counted
	cluster *upstream.Cluster
}

// start makes a proxy that sends everything to upstreamAddr.
func start(t testing.TB, upstreamAddr string, change ...func(*Options, *Route)) *bench {
	t.Helper()
	p := &bench{t: t, spans: &spans{came: make(chan struct{}, 1<<16)}, stats: new(counted)}
	p.cluster = upstream.New(upstream.Options{Name: "origin", Endpoints: upstream.Addresses(upstreamAddr)})
	route := &Route{Name: "all", Cluster: p.cluster, Timeout: patience, Upgrades: []string{"websocket"}}
	o := Options{
		Listener: "front", Service: "front", Stats: p.stats, AttemptSpans: true,
		Rules:   hop.Rules{Route: func(*http1.Head) *Route { return route }},
		Publish: func(int64) event.Emitter { return p.spans },
	}
	for _, f := range change {
		f(&o, route)
	}
	p.srv = New(o)
	p.listen()
	return p
}

func (p *bench) listen() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	p.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for id := int64(1); ; id++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			info := Info{ID: id, Client: addrOf(c.RemoteAddr()), Server: addrOf(c.LocalAddr()), Accepted: time.Now().UnixNano()}
			all.Add(1)
			go p.srv.Serve(ctx, c.(*net.TCPConn), nil, info, all.Done)
		}
	})
	p.t.Cleanup(func() {
		l.Close()
		cancel()
		p.srv.Close()
		p.cluster.Close()
		all.Wait()
		if b, e := p.stats.begun.Load(), p.stats.ended.Load(); b != e {
			p.t.Errorf("%d requests began and %d ended", b, e)
		}
	})
}

func addrOf(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

// origin serves every connection with script, and counts them.
type origin struct {
	addr  string
	conns atomic.Int64
	bytes atomic.Int64 // received
}

// serveRaw is an upstream that does as script says with each connection.
func serveRaw(t testing.TB, script func(c *net.TCPConn, r *bufio.Reader)) *origin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{addr: l.Addr().String()}
	var all sync.WaitGroup
	var open sync.Map
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			o.conns.Add(1)
			open.Store(c, true)
			all.Go(func() {
				defer c.Close()
				script(c.(*net.TCPConn), bufio.NewReader(io.TeeReader(c, (*counting)(&o.bytes))))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		all.Wait()
	})
	return o
}

type counting atomic.Int64

func (c *counting) Write(b []byte) (int, error) {
	(*atomic.Int64)(c).Add(int64(len(b)))
	return len(b), nil
}

// serveHTTP is an upstream of Go's net/http.
func serveHTTP(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}

// head reads a message's head, as text.
func head(r *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

// client is a raw client's connection.
type client struct {
	*net.TCPConn
	t testing.TB
	r *bufio.Reader
}

func (p *bench) dial() *client {
	p.t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	p.t.Cleanup(func() { c.Close() })
	return &client{c.(*net.TCPConn), p.t, bufio.NewReader(c)}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.TCPConn, s); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one final answer with Go's parser.
func (c *client) answer(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading the answer: %v", err)
	}
	if resp.StatusCode == http.StatusContinue {
		return c.answer(method)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("reading the answer's body: %v", err)
	}
	return resp, string(body)
}

// ends waits for the end of the connection.
func (c *client) ends() {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if err != nil || len(rest) > 0 {
		c.t.Errorf("at the end of the connection: %q, %v", rest, err)
	}
}

// httpClient is a client of Go's net/http that talks to p.
func (p *bench) httpClient() *http.Client {
	tr := &http.Transport{DisableCompression: true}
	p.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 2 * patience}
}

func (p *bench) url(path string) string { return "http://" + p.addr + path }
