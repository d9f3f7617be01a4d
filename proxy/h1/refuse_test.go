package h1

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

const get = "GET / HTTP/1.1\r\nHost: x\r\n"

// What two programs might take for different requests gets its own answer, the
// connection is closed, and the upstream sees nothing of it.
func TestAmbiguousRequestsAreRefused(t *testing.T) {
	long := strings.Repeat("a", 64<<10)
	for _, c := range []struct {
		name, request string
		status        int
	}{
		{"length and chunked", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400},
		{"list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\nabcd", 400},
		{"signed length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd", 400},
		{"length that is no number", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4x\r\n\r\nabcd", 400},
		{"length without end", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
		{"chunked twice", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
		{"chunked, then gzip", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
		{"unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
		{"chunked in 1.0", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"space before colon", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\nabcd", 400},
		{"folded", get + "X: a\r\n b\r\n\r\n", 400},
		{"bare LF", "GET / HTTP/1.1\nHost: x\n\n", 400},
		{"bare CR", get + "X: a\rb\r\n\r\n", 400},
		{"NUL", get + "X: a\x00b\r\n\r\n", 400},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two hosts", get + "Host: y\r\n\r\n", 400},
		{"bad host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		{"two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		{"HTTP/2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
		{"0.9", "GET /\r\n\r\n", 400},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400},
		{"bad chunk size", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
		{"chunk size with 0x", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400},
		{"chunk longer than said", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400},
		{"chunk with bare LF", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", 400},
		{"connection names the framing", "POST / HTTP/1.1\r\nHost: x\r\nConnection: content-length\r\nContent-Length: 4\r\n\r\nabcd", 400},
		{"long target", "GET /" + long + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
		{"long head", get + "X: " + long + "\r\n\r\n", 431},
		{"many fields", get + strings.Repeat("X: y\r\n", 200) + "\r\n", 431},
		{"CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := serveRaw(t, func(_ *net.TCPConn, r *bufio.Reader) { io.Copy(io.Discard, r) })
			p := start(t, o.addr)
			cl := p.dial()
			go io.WriteString(cl.TCPConn, c.request) // all of it may not be taken
			resp, body := cl.answer("GET")
			if resp.StatusCode != c.status || !resp.Close || !strings.HasPrefix(body, "pitot: ") {
				t.Errorf("answer %s, close %v, %q; want %d", resp.Status, resp.Close, body, c.status)
			}
			cl.CloseWrite()
			cl.ends()
			x := p.spans.server(t, 1)
			if x.HTTP.StatusCode != c.status || x.StatusMessage == "" || c.status != 405 && x.Flags != event.FlagDPE {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
			if n := o.bytes.Load() + o.conns.Load(); n != 0 {
				t.Errorf("the upstream saw it: %d connections, %d bytes", o.conns.Load(), o.bytes.Load())
			}
		})
	}
}

func TestRefusedAfterAGoodRequest(t *testing.T) {
	p := start(t, serveHTTP(t, hello))
	c := p.dial()
	c.send(get + "\r\nGET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
		t.Errorf("the good request got %s", resp.Status)
	}
	if resp, _ := c.answer("GET"); resp.StatusCode != 400 {
		t.Errorf("the bad request got %s", resp.Status)
	}
}

func TestBodyLimit(t *testing.T) {
	for _, c := range []struct{ name, request string }{
		{"length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"},
		{"chunks with the head", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, serveHTTP(t, hello), func(o *Options, _ *Route) { o.Body = 10 })
			cl := p.dial()
			cl.send(c.request)
			if resp, _ := cl.answer("POST"); resp.StatusCode != 413 {
				t.Errorf("answer %s, want 413", resp.Status)
			}
			if x := p.spans.server(t, 1); x.StatusMessage != "request_payload_too_large" {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
		})
	}
}

func TestBodyLimitWhileStreaming(t *testing.T) {
	seen, gone := make(chan string, 1), make(chan error, 1)
	o := serveRaw(t, func(_ *net.TCPConn, r *bufio.Reader) {
		seen <- head(r)
		_, err := io.Copy(io.Discard, r)
		gone <- err
	})
	p := start(t, o.addr, func(o *Options, _ *Route) { o.Body = 10 })
	c := p.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	<-seen
	for range 4 {
		c.send("4\r\nabcd\r\n")
	}
	if resp, _ := c.answer("POST"); resp.StatusCode != 413 {
		t.Errorf("answer %s, want 413", resp.Status)
	}
	<-gone // the upstream's connection is ended too
}

func TestBadChunkWhileStreaming(t *testing.T) {
	seen := make(chan string, 1)
	o := serveRaw(t, func(_ *net.TCPConn, r *bufio.Reader) {
		seen <- head(r)
		io.Copy(io.Discard, r)
	})
	p := start(t, o.addr)
	c := p.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	<-seen
	c.send("zzz\r\n")
	if resp, _ := c.answer("POST"); resp.StatusCode != 400 {
		t.Errorf("answer %s, want 400", resp.Status)
	}
	if x := p.spans.server(t, 1); x.Flags != event.FlagDPE {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// What an upstream does wrong.
func TestUpstreamFailures(t *testing.T) {
	for _, c := range []struct {
		name, answer string // and then the connection is closed
		reset        bool
		status       int
		flags        event.ResponseFlags
	}{
		{"closes", "", false, 503, event.FlagUC},
		{"resets", "", true, 503, event.FlagUR},
		{"closes in the head", "HTTP/1.1 200 OK\r\nContent-Le", false, 503, event.FlagUC},
		{"garbage", "SSH-2.0-OpenSSH_9\r\n\r\n", false, 502, event.FlagUPE},
		{"head too large", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", false, 502, event.FlagUPE},
		{"too many fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 200) + "\r\n", false, 502, event.FlagUPE},
		{"two framings", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false, 502, event.FlagUPE},
		{"bad first chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, 502, event.FlagUPE},
		{"unasked 101", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", false, 502, event.FlagUPE},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := serveRaw(t, func(u *net.TCPConn, r *bufio.Reader) {
				head(r)
				io.WriteString(u, c.answer)
				if c.reset {
					u.SetLinger(0)
				}
			})
			p := start(t, o.addr)
			cl := p.dial()
			cl.send(get + "\r\n")
			resp, _ := cl.answer("GET")
			if resp.StatusCode != c.status || resp.Close {
				t.Errorf("answer %s, close %v; want %d", resp.Status, resp.Close, c.status)
			}
			if x := p.spans.server(t, 1); x.Flags != c.flags || x.Status != event.Error || x.ErrorType != fmt.Sprint(c.status) {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
			if a := p.spans.all(t, event.Client, 1)[0]; a.Flags != c.flags || a.Status != event.Error {
				t.Errorf("attempt %s", a.AppendJSON(nil))
			}
			cl.send(get + "\r\n") // the client's connection goes on
			if resp, _ := cl.answer("GET"); resp.StatusCode != c.status {
				t.Errorf("the second answer is %s", resp.Status)
			}
		})
	}
}

func TestUpstreamRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	p := start(t, l.Addr().String())
	c := p.dial()
	c.send(get + "\r\n")
	if resp, body := c.answer("GET"); resp.StatusCode != 503 || !strings.Contains(body, "connection_failure") {
		t.Errorf("answer %s %q", resp.Status, body)
	}
	if x := p.spans.server(t, 1); x.Flags != event.FlagUF {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
	if a := p.spans.all(t, event.Client, 1)[0]; a.Flags != event.FlagUF || a.Server.String() != l.Addr().String() {
		t.Errorf("attempt %s", a.AppendJSON(nil))
	}
}

// While one host of a cluster is down, every request gets through all the same,
// with a body too, and the attempt that could not connect is told.
func TestAHostThatRefusesIsPassedOver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %d", r.Method, len(body))
	}))
	defer o.Close()
	cluster := upstream.New(upstream.Options{Name: "pair", Endpoints: upstream.Addresses(l.Addr().String(), o.Listener.Addr().String()), Backoff: upstream.Backoff{Base: -1}})
	defer cluster.Close()
	p := start(t, "127.0.0.1:1", func(_ *Options, r *Route) { r.Cluster = cluster })
	c := p.dial()
	const n = 6
	for range n {
		c.send("POST /pay HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\ncard")
		if resp, body := c.answer("POST"); resp.StatusCode != 200 || body != "POST 4" {
			t.Fatalf("answer %s %q", resp.Status, body)
		}
	}
	refused := 0
	for _, a := range p.spans.all(t, event.Client, n+n/2) {
		if a.Flags == event.FlagUF {
			refused++
		}
		if again := a.Attempt > 0; again != (a.Retried == "no connection") || !strings.HasPrefix(a.Picked, "round_robin") {
			t.Errorf("attempt %d was picked by %q, and made for %q", a.Attempt, a.Picked, a.Retried)
		}
	}
	if refused != n/2 {
		t.Errorf("%d attempts could not connect, want %d of round robin", refused, n/2)
	}
	if x := p.spans.server(t, n); x.Flags != 0 || x.Endpoint != o.Listener.Addr().String() {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

func TestNoWay(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Options, *Route)
		status int
		flags  event.ResponseFlags
	}{
		{"no route", func(o *Options, _ *Route) { o.Route = func(*http1.Head) *Route { return nil } }, 404, event.FlagNR},
		{"no cluster", func(_ *Options, r *Route) { r.Cluster = nil }, 503, event.FlagNC},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, "127.0.0.1:1", c.change)
			cl := p.dial()
			cl.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + get + "\r\n")
			if resp, body := cl.answer("HEAD"); resp.StatusCode != c.status || body != "" || resp.ContentLength <= 0 {
				t.Errorf("answer to HEAD %s %q", resp.Status, body)
			}
			if resp, body := cl.answer("GET"); resp.StatusCode != c.status || body == "" {
				t.Errorf("answer to GET %s %q", resp.Status, body)
			}
			if x := p.spans.server(t, 1); x.Flags != c.flags {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
		})
	}
}

// An answer that breaks off must not look whole.
func TestUpstreamBreaksOffInTheBody(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		o := serveRaw(t, func(u *net.TCPConn, r *bufio.Reader) { head(r); io.WriteString(u, answer) })
		p := start(t, o.addr)
		c := p.dial()
		c.send(get + "\r\n")
		if b, err := io.ReadAll(c.r); err == nil {
			t.Errorf("the client read %q and an orderly end", b)
		}
		x := p.spans.server(t, 1)
		if x.Flags != event.FlagUC || x.HTTP.StatusCode != 200 || x.Status != event.Error || x.Decode&event.BodyCut == 0 {
			t.Errorf("span %s", x.AppendJSON(nil))
		}
	}
}
