package h1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

const brief = 200 * time.Millisecond

// A client that sends its head byte after byte is cut at the timeout, and
// however busy it keeps us.
func TestSlowHead(t *testing.T) {
	o := serveRaw(t, func(*net.TCPConn, *bufio.Reader) {})
	p := start(t, o.addr, func(o *Options, _ *Route) { o.Header = brief })
	c := p.dial()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for _, b := range []byte(get + strings.Repeat("X: y\r\n", 1000)) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	if resp, body := c.answer("GET"); resp.StatusCode != 408 || !resp.Close || !strings.Contains(body, "request_header_timeout") {
		t.Errorf("answer %s %q, close %v", resp.Status, body, resp.Close)
	}
	if x := p.spans.server(t, 1); x.HTTP.StatusCode != 408 || x.StatusMessage != "request_header_timeout" {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
	if o.conns.Load() != 0 {
		t.Error("the upstream was connected to")
	}
}

func TestIdleConnectionIsClosedQuietly(t *testing.T) {
	p := start(t, serveHTTP(t, hello), func(o *Options, _ *Route) { o.Idle = brief })
	c := p.dial()
	c.send(get + "\r\n")
	c.answer("GET")
	c.ends()
	if n := p.stats.idle.Load(); n != 1 {
		t.Errorf("%d idle timeouts counted, want 1", n)
	}
	never := p.dial()
	never.ends()
}

func TestTimeouts(t *testing.T) {
	stuck := func(_ *net.TCPConn, r *bufio.Reader) { io.Copy(io.Discard, r) }
	for _, c := range []struct {
		name, request string
		change        func(*Options, *Route)
		status        int
		flags         event.ResponseFlags
		detail        string
	}{
		{"route", get + "\r\n", func(_ *Options, r *Route) { r.Timeout = brief }, 504, event.FlagUT, "response_timeout"},
		{"route after an upload", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n|a", func(_ *Options, r *Route) { r.Timeout = brief }, 504, event.FlagUT, "response_timeout"},
		{"nothing moves, answer", get + "\r\n", func(o *Options, r *Route) { o.StreamIdle = brief }, 504, event.FlagSI, "stream_idle_timeout"},
		{"nothing moves, request", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", func(o *Options, r *Route) { o.StreamIdle = brief }, 408, event.FlagSI, "stream_idle_timeout"},
		{"whole request", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", func(o *Options, r *Route) { o.Request = brief }, 408, 0, "request_overall_timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := make(chan bool, 1)
			o := serveRaw(t, func(u *net.TCPConn, r *bufio.Reader) {
				head(r)
				seen <- true
				stuck(u, r)
			})
			p := start(t, o.addr, c.change)
			cl := p.dial()
			first, rest, split := strings.Cut(c.request, "|")
			cl.send(first)
			if split {
				<-seen
				cl.send(rest)
			}
			if resp, body := cl.answer("GET"); resp.StatusCode != c.status || !strings.Contains(body, c.detail) {
				t.Errorf("answer %s %q, want %d %s", resp.Status, body, c.status, c.detail)
			}
			if x := p.spans.server(t, 1); x.Flags != c.flags || x.StatusMessage != c.detail {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
			if n := stat(p, "upstream_cx_active"); n != 0 {
				t.Errorf("%d upstream connections are left", n)
			}
		})
	}
}

// A route's timeout is for the answer's head; a body that flows may take longer.
func TestRouteTimeoutLeavesStreamsAlone(t *testing.T) {
	p := start(t, serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		for range 8 {
			io.WriteString(w, "tick")
			w.(http.Flusher).Flush()
			time.Sleep(brief / 4)
		}
	}), func(_ *Options, r *Route) { r.Timeout = brief })
	c := p.dial()
	c.send(get + "\r\n")
	if resp, body := c.answer("GET"); resp.StatusCode != 200 || len(body) != 32 {
		t.Errorf("answer %s %q", resp.Status, body)
	}
}

func TestStalledAnswerIsReset(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
		io.Copy(io.Discard, r)
	})
	p := start(t, o.addr, func(o *Options, _ *Route) { o.StreamIdle = brief })
	c := p.dial()
	c.send(get + "\r\n")
	if b, err := io.ReadAll(c.r); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client read %q, %v; want a reset", b, err)
	}
	if x := p.spans.server(t, 1); x.Flags != event.FlagSI || x.HTTP.StatusCode != 200 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// When a client goes away, so does its exchange at the upstream.
func TestClientGone(t *testing.T) {
	for name, request := range map[string]string{
		"while waiting":   get + "\r\n",
		"while uploading": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
	} {
		t.Run(name, func(t *testing.T) {
			seen, gone := make(chan bool, 1), make(chan error, 1)
			o := serveRaw(t, func(_ *net.TCPConn, r *bufio.Reader) {
				head(r)
				seen <- true
				_, err := io.Copy(io.Discard, r)
				gone <- err
			})
			p := start(t, o.addr)
			c := p.dial()
			c.send(request)
			<-seen
			c.Close()
			select {
			case <-gone:
			case <-time.After(patience):
				t.Fatal("the upstream was left waiting")
			}
			x := p.spans.server(t, 1)
			if x.Flags != event.FlagDC || x.ErrorType != event.ErrUnanswered || x.HTTP.StatusCode != 0 || x.Decode&event.NoResponse == 0 {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
		})
	}
}

func TestClientGoneInAnswer(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
		io.Copy(c, io.LimitReader(zeros{}, 1000000000))
	})
	p := start(t, o.addr)
	c := p.dial()
	c.send(get + "\r\n")
	head(c.r)
	c.Close()
	if x := p.spans.server(t, 1); x.Flags != event.FlagDC || x.HTTP.StatusCode != 200 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// A client that closes its side is noticed while its connection waits, also
// when the end came together with the request.
func TestHalfClose(t *testing.T) {
	p := start(t, serveHTTP(t, hello))
	for range 20 {
		c := p.dial()
		c.send(get + "\r\n")
		c.CloseWrite()
		if resp, body := c.answer("GET"); resp.StatusCode != 200 {
			t.Fatalf("answer %s %q", resp.Status, body)
		}
		c.ends()
	}
}

// A kept connection that its peer closes just when it is used again is
// replaced, if that does no harm.
func TestStaleConnection(t *testing.T) {
	for _, c := range []struct {
		method string
		status int
		tries  int
	}{{"GET", 200, 2}, {"PUT", 200, 2}, {"POST", 503, 1}} {
		t.Run(c.method, func(t *testing.T) {
			var o *origin
			o = serveRaw(t, func(u *net.TCPConn, r *bufio.Reader) {
				head(r)
				io.WriteString(u, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				if o.conns.Load() == 1 {
					head(r) // and no answer
					return
				}
				head(r)
			})
			p := start(t, o.addr)
			cl := p.dial()
			cl.send(get + "\r\n")
			cl.answer("GET")
			cl.send(c.method + " / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			if resp, body := cl.answer(c.method); resp.StatusCode != c.status {
				t.Fatalf("answer %s %q, want %d", resp.Status, body, c.status)
			}
			if x := p.spans.server(t, 2); int(x.Attempt) != c.tries-1 {
				t.Errorf("span %s", x.AppendJSON(nil))
			}
			all := p.spans.all(t, event.Client, 1+c.tries)
			if first := all[1]; first.Flags != event.FlagUC || first.Attempt != 0 {
				t.Errorf("attempt %s", first.AppendJSON(nil))
			}
			if last := all[len(all)-1]; c.tries == 2 && (last.Flags != 0 || last.Attempt != 1 || last.ParentID != all[1].ParentID) {
				t.Errorf("attempt %s", last.AppendJSON(nil))
			}
		})
	}
}

// A connection that the upstream closed while it was kept is not used at all.
func TestClosedWhileKept(t *testing.T) {
	closed := make(chan bool, 10)
	o := serveRaw(t, func(u *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(u, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		u.Close()
		closed <- true
	})
	p := start(t, o.addr)
	c := p.dial()
	for i := range 5 {
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		if resp, body := c.answer("POST"); resp.StatusCode != 200 {
			t.Fatalf("answer %d: %s %q", i, resp.Status, body)
		}
		<-closed
	}
}

func TestDrain(t *testing.T) {
	release, seen := make(chan bool), make(chan bool, 1)
	p := start(t, serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			seen <- true
			<-release
		}
		hello(w, r)
	}))
	waiting, at := p.dial(), p.dial()
	waiting.send(get + "\r\n")
	waiting.answer("GET")
	at.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-seen
	p.srv.Drain()
	waiting.ends()
	close(release)
	if resp, body := at.answer("GET"); body != "hello /slow" || !resp.Close {
		t.Errorf("answer %q, close %v; want the answer and the end", body, resp.Close)
	}
	at.ends()
}

func TestCloseBreaksOff(t *testing.T) {
	seen := make(chan bool, 2)
	p := start(t, serveHTTP(t, func(_ http.ResponseWriter, r *http.Request) {
		seen <- true
		<-r.Context().Done()
	}))
	c := p.dial()
	c.send(get + "\r\n")
	<-seen
	p.srv.Close()
	if x := p.spans.server(t, 1); x.Flags != event.FlagLR {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// A head that broke off leaves no trace in the next answer.
func TestAnswerAfterABrokenOne(t *testing.T) {
	var o *origin
	o = serveRaw(t, func(u *net.TCPConn, r *bufio.Reader) {
		head(r)
		if o.conns.Load() == 1 {
			io.WriteString(u, "HTTP/1.1 200 OK\r\nServer: a server with a long name\r\nContent-Le")
			return
		}
		io.WriteString(u, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		head(r)
	})
	p := start(t, o.addr)
	c := p.dial()
	c.send(get + "\r\n" + get + "\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 503 {
		t.Fatalf("the first answer is %s", resp.Status)
	}
	if resp, body := c.answer("GET"); resp.StatusCode != 200 || body != "ok" {
		t.Fatalf("the second answer is %s %q", resp.Status, body)
	}
}

// A client that does not read its answer is cut, and that is not its leaving.
func TestClientThatDoesNotRead(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
		io.Copy(c, io.LimitReader(zeros{}, 1000000000))
	})
	p := start(t, o.addr, func(o *Options, _ *Route) { o.StreamIdle = brief })
	c := p.dial()
	c.send(get + "\r\n")
	if x := p.spans.server(t, 1); x.Flags != event.FlagSI || x.HTTP.StatusCode != 200 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// A connection on which the upstream says more than its answer is not kept.
func TestUnaskedAnswer(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		for head(r) != "" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmineHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nothers")
		}
	})
	p := start(t, o.addr)
	c := p.dial()
	for i := range 3 {
		c.send(get + "\r\n")
		if _, body := c.answer("GET"); body != "mine" {
			t.Fatalf("answer %d is %q", i, body)
		}
		if n := o.conns.Load(); n != int64(i+1) {
			t.Errorf("%d connections after answer %d, want one each", n, i)
		}
	}
}
