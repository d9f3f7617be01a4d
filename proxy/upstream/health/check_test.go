package health

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/pitot-io/pitot/internal/minimongo"
	"github.com/pitot-io/pitot/internal/testca"
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

// web is a server of HTTP/1.1 and HTTP/2; conns counts connections.
func web(t *testing.T, ca *testca.CA, h http.HandlerFunc) (address string, conns *atomic.Int64) {
	t.Helper()
	conns = new(atomic.Int64)
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	both.SetHTTP2(true)
	s.Config.Protocols = &both
	if ca == nil {
		s.Start()
	} else {
		s.EnableHTTP2 = true
		s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue("web", testca.Year(), "web.test").TLS}}
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), conns
}

func get() *HTTP {
	return &HTTP{Method: "GET", Path: "/healthz?full=1", Cluster: "shop", Expected: []Statuses{{200, 200}}}
}

func TestHTTP(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*HTTP)
		answer  http.HandlerFunc
		outcome Outcome
		why     string
		check   func(Answer) bool
	}{
		{"200", nil, func(http.ResponseWriter, *http.Request) {}, Success, "status 200", nil},
		{"204", nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, Failure, "status 204", nil},
		{"a range", func(c *HTTP) { c.Expected = []Statuses{{100, 199}, {200, 299}} }, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, Success, "status 204", nil},
		{"retriable", func(c *HTTP) { c.Retriable = []Statuses{{503, 503}} }, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, Weak, "status 503", nil},
		{"HEAD", func(c *HTTP) { c.Method = "HEAD" }, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "HEAD" {
				w.WriteHeader(405)
			}
		}, Success, "status 200", nil},
		{"what is sent", func(c *HTTP) { c.Host, c.Header = "shop.test", http.Header{"X-A": {"1"}, "User-Agent": {"me"}} }, func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "shop.test" || r.RequestURI != "/healthz?full=1" || r.Header.Get("X-A") != "1" || r.UserAgent() != "me" {
				w.WriteHeader(400)
			}
		}, Success, "", nil},
		{"the cluster's name", nil, func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "shop" || r.UserAgent() != "pitot-health-check" {
				w.WriteHeader(400)
			}
		}, Success, "", nil},
		{"body", func(c *HTTP) { c.Prefix = []byte("all w") }, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "all well") }, Success, "", nil},
		{"short body", func(c *HTTP) { c.Prefix = []byte("all w") }, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "all") }, Failure, "the body does not begin", nil},
		{"other body", func(c *HTTP) { c.Prefix = []byte("all w") }, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "not well") }, Failure, "the body does not begin", nil},
		{"degraded", nil, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("x-envoy-degraded", "") }, Success, "", func(a Answer) bool { return a.Degraded }},
		{"immediate", nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-envoy-immediate-health-check-fail", "1")
		}, Failure, "it says that it fails", func(a Answer) bool { return a.Excluded }},
		{"the right one", func(c *HTTP) { c.Service = "sh" }, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-envoy-upstream-healthchecked-cluster", "shop-7")
		}, Success, "", func(a Answer) bool { return a.Verified && !a.Wrong }},
		{"somebody else", func(c *HTTP) { c.Service = "sh" }, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-envoy-upstream-healthchecked-cluster", "cart")
		}, Failure, "somebody else answers", func(a Answer) bool { return a.Verified && a.Wrong }},
		{"a long body", nil, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 300<<10)) }, Success, "status 200", nil},
		{"interim answers", nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(200) }, Success, "status 200", nil},
	} {
		for _, version := range []Version{HTTP1, HTTP2} {
			t.Run(fmt.Sprint(c.name, " ", version), func(t *testing.T) {
				at, conns := web(t, nil, c.answer)
				check, line := get(), lineTo(t, at, nil)
				check.Version = version
				if c.change != nil {
					c.change(check)
				}
				for range 2 {
					a := ask(t, line, check, patience)
					if a.Outcome != c.outcome || !strings.Contains(a.Why, c.why) || c.check != nil && !c.check(a) {
						t.Errorf("%+v", a)
					}
				}
				if n := conns.Load(); n != 1 && c.name != "a long body" {
					t.Errorf("%d connections for two checks", n)
				}
			})
		}
	}
}

func TestHTTPOverTLS(t *testing.T) {
	ca := testca.New(t)
	var last atomic.Value
	at, _ := web(t, ca, func(_ http.ResponseWriter, r *http.Request) { last.Store(r.Proto) })
	for _, c := range []struct {
		alpn    []string
		version Version
		want    string
	}{{nil, HTTP1, "HTTP/1.1"}, {[]string{"h2"}, HTTP2, "HTTP/2.0"}, {[]string{"h2", "http/1.1"}, Agreed, "HTTP/2.0"}, {[]string{"http/1.1"}, Agreed, "HTTP/1.1"}} {
		line := lineTo(t, at, secure{&tls.Config{RootCAs: ca.Pool, ServerName: "web.test", NextProtos: c.alpn}})
		check := get()
		check.Version = c.version
		if a := ask(t, line, check, patience); a.Outcome != Success || last.Load() != c.want {
			t.Errorf("%v: %+v by %v", c.alpn, a, last.Load())
		}
	}
	wrong := lineTo(t, at, secure{&tls.Config{RootCAs: ca.Pool, ServerName: "other.test"}})
	if a := ask(t, wrong, get(), patience); a.Outcome != Network || !strings.Contains(a.Why, "other.test") {
		t.Errorf("a wrong certificate: %+v", a)
	}
}

func TestHTTPWithoutReuseAndAfterAClose(t *testing.T) {
	at, conns := web(t, nil, func(http.ResponseWriter, *http.Request) {})
	line := lineTo(t, at, nil)
	line.Reuse = false
	ask(t, line, get(), patience)
	ask(t, line, get(), patience)
	if n := conns.Load(); n != 2 || line.conn != nil {
		t.Errorf("%d connections without reuse", n)
	}
	// over one connection as much may come as there are answers
	at, conns = web(t, nil, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 4000)) })
	line = lineTo(t, at, nil)
	for range 2 * maxAnswer / 4000 {
		if a := ask(t, line, get(), patience); a.Outcome != Success {
			t.Fatalf("%+v", a)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	// one that closes after each answer, and does not say so
	n := 0
	at = serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			n++
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	line = lineTo(t, at, nil)
	for range 3 {
		if a := ask(t, line, get(), patience); a.Outcome != Success {
			t.Errorf("after a close: %+v", a)
		}
	}
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

// mongod is a server of a replica set that answers every message with doc.
func mongod(t *testing.T, doc bson.D) string {
	body, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		for {
			var head [16]byte
			if _, err := io.ReadFull(c, head[:]); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, c, int64(binary.LittleEndian.Uint32(head[:])-16)); err != nil {
				return
			}
			var b []byte
			for _, n := range []uint32{uint32(21 + len(body)), 7, binary.LittleEndian.Uint32(head[4:]), 2013, 0} {
				b = binary.LittleEndian.AppendUint32(b, n)
			}
			if _, err := c.Write(append(append(b, 0), body...)); err != nil {
				return
			}
		}
	})
}

// wrote is when a member of the set wrote last.
func wrote(ago time.Duration) bson.E {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(-ago)
	return bson.E{Key: "lastWrite", Value: bson.D{{Key: "lastWriteDate", Value: bson.NewDateTimeFromTime(at)}}}
}

func primaryAnswer() bson.D {
	return bson.D{{Key: "isWritablePrimary", Value: true}, {Key: "secondary", Value: false}, {Key: "setName", Value: "rs0"}, wrote(0), {Key: "ok", Value: 1.0}}
}

func TestMongo(t *testing.T) {
	primary := mongod(t, primaryAnswer())
	secondary := mongod(t, bson.D{{Key: "isWritablePrimary", Value: false}, {Key: "secondary", Value: true}, {Key: "setName", Value: "rs0"}, wrote(3 * time.Second), {Key: "ok", Value: 1.0}})
	starting := mongod(t, bson.D{{Key: "isWritablePrimary", Value: false}, {Key: "secondary", Value: false}, {Key: "setName", Value: "rs0"}, {Key: "ok", Value: 1.0}})
	arbiter := mongod(t, bson.D{{Key: "arbiterOnly", Value: true}, {Key: "setName", Value: "rs0"}, {Key: "ok", Value: 1.0}})
	refusing := mongod(t, bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: 91}, {Key: "codeName", Value: "ShutdownInProgress"}})
	mongos, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mongos.Close() })
	checks := map[string]*Mongo{}
	for _, role := range []string{"any", "primary", "secondary", "mongos"} {
		checks[role] = &Mongo{Role: role}
	}
	for _, c := range []struct {
		at, role string
		outcome  Outcome
		why, tag string
		lag      time.Duration
	}{
		{primary, "any", Success, "primary", "primary", 0},
		{secondary, "any", Success, "secondary", "secondary", 3 * time.Second},
		{mongos.Addr(), "any", Success, "mongos", "mongos", -1},
		{starting, "any", Failure, "it is neither primary, secondary nor mongos", "other", -1},
		{arbiter, "any", Failure, "it is neither primary, secondary nor mongos", "arbiter", -1},
		{primary, "primary", Success, "primary", "primary", 0},
		{secondary, "primary", Failure, "it is secondary, not primary", "secondary", 3 * time.Second},
		{secondary, "secondary", Success, "secondary", "secondary", 0}, // the only one that this check has seen
		{mongos.Addr(), "primary", Failure, "it is mongos, not primary", "mongos", -1},
		{mongos.Addr(), "mongos", Success, "mongos", "mongos", -1},
		{refusing, "any", Failure, "error 91 ShutdownInProgress", "", -1},
	} {
		line := lineTo(t, c.at, nil)
		for range 2 { // the second time over the same connection
			a := ask(t, line, checks[c.role], patience)
			if a.Outcome != c.outcome || a.Why != c.why || a.Tags[TagRole] != c.tag || a.Lag != c.lag {
				t.Errorf("%s: %+v", c.role, a)
			}
		}
		if line.conn == nil {
			t.Error("the connection is not kept")
		}
	}
}

// A length is not believed.
func TestLongReply(t *testing.T) {
	_, err := readReply(strings.NewReader("\x00\x00\x00\x40\x07\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00"))
	if err == nil || !strings.Contains(err.Error(), "no answer of MongoDB") {
		t.Error(err)
	}
}

// FuzzReply holds that no answer brings the reader down, and that nothing but a
// document of the answer's own length is taken.
func FuzzReply(f *testing.F) {
	f.Add([]byte("\x26\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00\x11\x00\x00\x00\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00"))
	f.Add([]byte("\x26\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00\x12\x00\x00\x00\x01ok\x00\x00\x00\x00\x00\x00\x00\xf0\x3f\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := readReply(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		if len(doc) > len(b) {
			t.Fatalf("a document of %d bytes in %d", len(doc), len(b))
		}
		a := new(Mongo).judge(doc)
		if a.Outcome == Success {
			t.Fatalf("no role was asked for: %+v", a)
		}
	})
}
