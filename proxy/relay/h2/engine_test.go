package h2

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/relay/h1"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// spans is an Emitter that keeps copies.
type spans struct {
	mu    sync.Mutex
	batch event.Batch
}

func (s *spans) Exchange(x *event.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch.Exchange(x)
}

func (s *spans) Notice(*event.Notice) {}

// await waits for n spans.
func (s *spans) await(t *testing.T, n int) []event.Exchange {
	t.Helper()
	for range 5000 {
		s.mu.Lock()
		got := len(s.batch.Exchanges)
		s.mu.Unlock()
		if got >= n {
			break
		}
		time.Sleep(time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batch.Exchanges) != n {
		t.Fatalf("%d spans, want %d", len(s.batch.Exchanges), n)
	}
	return s.batch.Exchanges
}

// unheard is an Emitter that takes no notice.
type unheard struct{}

func (unheard) Exchange(*event.Exchange) {}
func (unheard) Notice(*event.Notice)     {}

// through is a server with the engine of the proxy behind it, in front of a
// host, which is asked by d.
func through(t testing.TB, address string, d relay.Dialer, out event.Emitter, o ServerOptions) string {
	t.Helper()
	cluster := upstream.New(upstream.Options{Name: "origin", Endpoints: upstream.Addresses(address)})
	route := &hop.Route{Name: "all", Cluster: cluster, Timeout: 10 * time.Second, Upgrades: []string{"websocket"}}
	g := relay.New(relay.Options{
		Listener: "front", Service: "front", Stats: stats{new(engine)},
		Rules:   hop.Rules{Route: func(*http1.Head) *hop.Route { return route }},
		Publish: func(int64) event.Emitter { return out },
		Dialer:  func(*upstream.Cluster) relay.Dialer { return d },
	})
	s := NewServer(g, o)
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
			info := hop.Info{ID: 1, Client: socket.AddrPort(c.RemoteAddr()), Accepted: time.Now().UnixNano()}
			wg.Add(1)
			go s.Serve(context.Background(), socket.Plain(c.(*net.TCPConn)), nil, info, wg.Done)
		}
	})
	t.Cleanup(func() {
		l.Close()
		g.Close()
		s.Close()
		wg.Wait()
		d.Close()
		cluster.Close()
	})
	return l.Addr().String()
}

// plain is a server of net/http that speaks the versions given.
func plain(t testing.TB, two bool, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	p := new(http.Protocols)
	p.SetHTTP1(!two)
	p.SetUnencryptedHTTP2(two)
	s.Config.Protocols = p
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// A client of HTTP/2 is served alike whichever version the host speaks.
func TestThroughTheEngine(t *testing.T) {
	for name, two := range map[string]bool{"to HTTP/2": true, "to HTTP/1.1": false} {
		t.Run(name, func(t *testing.T) {
			address := plain(t, two, func(w http.ResponseWriter, r *http.Request) {
				if two != (r.ProtoMajor == 2) {
					t.Error(r.Proto)
				}
				w.Header().Set("Trailer", "X-Sum")
				w.Header().Set("X-Cookie", strings.Join(r.Header["Cookie"], "|"))
				body, _ := io.ReadAll(r.Body)
				_, _ = w.Write(body)
				w.Header().Set("X-Sum", r.Trailer.Get("X-End")+"!")
			})
			var d relay.Dialer = NewDialer(DialerOptions{})
			if !two {
				d = h1.NewDialer(decode.DefaultLimits())
			}
			out := new(spans)
			client, at := h2c(t), through(t, address, d, out, ServerOptions{})
			for _, size := range []int{0, 5, 20_000, 1 << 20} {
				body := bytes.Repeat([]byte("x"), size)
				req, _ := http.NewRequestWithContext(t.Context(), "PUT", "http://"+at+"/some/path?q=1", io.NopCloser(bytes.NewReader(body)))
				req.Trailer = http.Header{"X-End": {"end"}}
				req.Header["Cookie"] = []string{"a=1; b=2"}
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || !bytes.Equal(got, body) || res.Trailer.Get("X-Sum") != "end!" || res.Header.Get("X-Cookie") != "a=1; b=2" {
					t.Errorf("%d bytes: %d, %v, trailer %q, cookie %q", size, len(got), err, res.Trailer.Get("X-Sum"), res.Header.Get("X-Cookie"))
				}
			}
			for _, x := range out.await(t, 4) {
				if x.Protocol != event.HTTP2 || x.HTTP2.StreamID%2 != 1 || x.HTTP.StatusCode != 200 || x.HTTP.Path != "/some/path" {
					t.Errorf("%+v %+v", x, x.HTTP)
				}
			}
		})
	}
}

// What a client asks wrongly is told as a span, too.
func TestRefusalsAreTold(t *testing.T) {
	out := new(spans)
	at := through(t, "127.0.0.1:1", NewDialer(DialerOptions{}), out, ServerOptions{Limits: Limits{HeaderList: 4096}})
	p := dialPeer(t, at)
	p.get(1, "connection", "close")
	p.reset(1, http2.ErrCodeProtocol)
	p.get(3, "x", long(4500))
	if s := p.status(p.next()); s != "431" {
		t.Error(s)
	}
	for _, x := range out.await(t, 2) {
		if want := map[uint32]int{1: 400, 3: 431}[x.HTTP2.StreamID]; x.HTTP.StatusCode != want || x.Flags&event.FlagDPE == 0 {
			t.Errorf("stream %d: status %d, flags %v", x.HTTP2.StreamID, x.HTTP.StatusCode, x.Flags)
		}
	}
}

func TestH2specThroughTheEngine(t *testing.T) {
	program, err := exec.LookPath("h2spec")
	if err != nil {
		t.Skip("h2spec is not in PATH")
	}
	address := plain(t, true, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello, h2spec")
	})
	at := through(t, address, NewDialer(DialerOptions{}), unheard{}, ServerOptions{})
	host, port, _ := net.SplitHostPort(at)
	out, err := exec.CommandContext(t.Context(), program, "-h", host, "-p", port, "-o", "5", "--strict").CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 0 failed") {
		t.Errorf("%v\n%s", err, out)
	}
}

// loop is a client and a host of the same process that allocate nothing, and
// the whole of the proxy between them.
func loop(t testing.TB, streams, body int) func() {
	_, origin := serve(t, echo2, ServerOptions{})
	at := through(t, origin, NewDialer(DialerOptions{}), unheard{}, ServerOptions{})
	l := newLoad(t, at, streams, make([]byte, body))
	return func() { l.round(t) }
}

// A stream in steady state allocates nothing, spans included.
func TestStreamsAllocateNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	once := loop(t, 16, 16)
	for range 100 {
		once()
	}
	const n = 300
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		once()
	}
	runtime.ReadMemStats(&after)
	if per := float64(after.Mallocs-before.Mallocs) / (16 * n); per > 0.5 {
		t.Errorf("%.2f allocations per stream", per)
	}
}

// BenchmarkThrough is a request with a small body, 16 at once, through server,
// engine and dialer to a server of this package; both ends are in it.
func BenchmarkThrough(b *testing.B) {
	once := loop(b, 16, 16)
	once()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 16 {
		once()
	}
}

// BenchmarkThroughLarge is the same with 32 KiB each way.
func BenchmarkThroughLarge(b *testing.B) {
	once := loop(b, 4, 16<<10)
	once()
	b.ReportAllocs()
	b.SetBytes(16 << 10)
	b.ResetTimer()
	for n := 0; n < b.N; n += 4 {
		once()
	}
}
