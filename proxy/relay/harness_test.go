package relay_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/grpc"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/websocket"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/relay/h1"
	"github.com/pitot-io/pitot/proxy/relay/h2"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// spans is an Emitter that keeps copies.
type spans struct {
	mu    sync.Mutex
	batch event.Batch
	came  chan struct{}
}

func (s *spans) Exchange(x *event.Exchange) {
	s.mu.Lock()
	s.batch.Exchange(x)
	s.mu.Unlock()
	s.came <- struct{}{}
}

func (s *spans) Notice(n *event.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch.Notice(n)
}

// find waits for the first span that fits.
func (s *spans) find(t *testing.T, fits func(*event.Exchange) bool) *event.Exchange {
	t.Helper()
	for limit := time.After(patience); ; {
		s.mu.Lock()
		for i := range s.batch.Exchanges {
			if x := &s.batch.Exchanges[i]; fits(x) {
				s.mu.Unlock()
				return x
			}
		}
		s.mu.Unlock()
		select {
		case <-s.came:
		case <-limit:
			t.Fatal("no such span came")
		}
	}
}

func ofKind(k event.Kind) func(*event.Exchange) bool {
	return func(x *event.Exchange) bool { return x.Kind == k }
}

// counted is a hop.Stats.
type counted struct{ begun, ended, dropped atomic.Int64 }

func (s *counted) RequestBegins()                        { s.begun.Add(1) }
func (s *counted) RequestEnds(_ int, _, _ int64, _ bool) { s.ended.Add(1) }
func (s *counted) Transferred(_, _ int64)                {}
func (s *counted) ProtocolError()                        {}
func (s *counted) IdleTimeout()                          {}
func (s *counted) TrailersDropped()                      { s.dropped.Add(1) }

// proxy is an engine with a server for each version on one address.
type proxy struct {
	t      testing.TB
	addr   string
	spans  *spans
	stats  *counted
	route  *hop.Route
	engine *relay.Engine
}

// start makes a proxy that sends everything to upstreamAddr in that version.
func start(t testing.TB, upstreamAddr string, version int, change ...func(*relay.Options, *hop.Route)) *proxy {
	t.Helper()
	p := &proxy{t: t, spans: &spans{came: make(chan struct{}, 1<<16)}}
	cluster := upstream.New(upstream.Options{Name: "origin", Endpoints: upstream.Addresses(upstreamAddr)})
	p.route = &hop.Route{Name: "all", Cluster: cluster, Timeout: patience, Upgrades: []string{"websocket"}}
	stats := new(counted)
	p.stats = stats
	var dialer relay.Dialer = h1.NewDialer(decode.Limits{})
	if version == 2 {
		dialer = h2.NewDialer(h2.DialerOptions{})
	}
	o := relay.Options{
		Rules:    hop.Rules{Route: func(*http1.Head) *hop.Route { return p.route }},
		Listener: "front", Stats: stats, AttemptSpans: true,
		Publish: func(int64) event.Emitter { return p.spans }, WebSocket: websocket.Protocol().Take,
		Dialer: func(*upstream.Cluster) relay.Dialer { return dialer },
		Layers: []decode.Layer{grpc.New(grpc.Options{})},
	}
	for _, f := range change {
		f(&o, p.route)
	}
	p.engine = relay.New(o)
	two := h2.NewServer(p.engine, h2.ServerOptions{})
	one := h1.NewServer(p.engine, h1.ServerOptions{HTTP2: two.Resume})
	stop := p.listen(one)
	t.Cleanup(func() {
		p.engine.Close()
		two.Close()
		stop()
		dialer.Close()
		cluster.Close()
		if b, e := stats.begun.Load(), stats.ended.Load(); b != e {
			t.Errorf("%d requests began and %d ended", b, e)
		}
	})
	return p
}

func (p *proxy) listen(s *h1.Server) (stop func()) {
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
			info := hop.Info{ID: id, Client: socket.AddrPort(c.RemoteAddr()), Server: socket.AddrPort(c.LocalAddr()), Accepted: time.Now().UnixNano()}
			all.Add(1)
			go s.Serve(ctx, socket.Plain(c.(*net.TCPConn)), nil, info, all.Done)
		}
	})
	return func() {
		l.Close()
		cancel()
		all.Wait()
	}
}

func (p *proxy) url(path string) string { return "http://" + p.addr + path }

// client is one of Go's that speaks that version.
func (p *proxy) client(version int) *http.Client {
	if version == 2 {
		tr := &http2.Transport{AllowHTTP: true, DisableCompression: true}
		tr.DialTLSContext = dialPlain
		p.t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr, Timeout: 2 * patience}
	}
	tr := &http.Transport{DisableCompression: true}
	p.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 2 * patience}
}

// origin is an upstream of Go's net/http that speaks both versions.
func origin(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: h, Protocols: &both}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}

// raw is an upstream that does as script says with each connection.
func raw(t testing.TB, script func(c *net.TCPConn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				script(c.(*net.TCPConn), bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// versions runs f for every pair of versions.
func versions(t *testing.T, f func(t *testing.T, client, upstream int)) {
	for _, c := range []int{1, 2} {
		for _, u := range []int{1, 2} {
			t.Run(string(rune('0'+c))+" to "+string(rune('0'+u)), func(t *testing.T) { f(t, c, u) })
		}
	}
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
