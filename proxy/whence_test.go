package proxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pitot-io/pitot/decode/proxyproto"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testca"
)

// accepting has the listener read PROXY headers of this machine.
func accepting(accept, protocol string, trusted ...string) func(*config.Config) {
	return func(c *config.Config) {
		l := &c.Listeners[0]
		l.Protocol = protocol
		l.ProxyProtocol = config.ProxyProtocol{Accept: accept, Trusted: trusted, Timeout: patience}
		c.Tracing.AttemptSpans = false
	}
}

const header1 = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"

var from, to = netip.MustParseAddrPort("192.0.2.1:56324"), netip.MustParseAddrPort("192.0.2.2:443")

func header2() string { return string(proxyproto.AppendV2(nil, from, to)) }

// notice waits for a notice of that name.
func (r *rig) notice(name string) event.Notice {
	r.t.Helper()
	late := time.After(patience)
	for {
		select {
		case b := <-r.sub.C():
			for _, n := range b.Notices {
				if n.Name == name {
					return n
				}
			}
		case <-late:
			r.t.Fatalf("no %s was told", name)
		}
	}
}

// The addresses in a header are the connection's, however it comes cut.
func TestProxyHeaderOfTCP(t *testing.T) {
	for _, header := range []string{header1, header2()} {
		r := run(t, accepting(config.Required, config.TCP), serve(t, echo))
		for _, cut := range []int{0, 1, 5, 13, len(header) - 1, len(header)} {
			c := r.dial()
			say(t, c, header[:cut])
			time.Sleep(time.Millisecond) // so that the pieces mostly come apart
			say(t, c, header[cut:]+"hello")
			hear(t, c, "hello")
			c.Close()
			if x := r.next(); x.Client != from || x.Server != to || x.RequestBytes != 5 {
				t.Errorf("cut at %d: from %s to %s, %d bytes", cut, x.Client, x.Server, x.RequestBytes)
			}
		}
		if n := r.listeners[0].stats.ProxyFound.Load(); n != 6 {
			t.Errorf("%d headers were counted, want 6", n)
		}
	}
}

func TestProxyHeaderOfHTTP(t *testing.T) {
	var seen atomic.Value
	up := serveForwarded(t, &seen)
	for _, header := range []string{header1, header2(), "PROXY UNKNOWN\r\n"} {
		r := run(t, accepting(config.Required, config.HTTP), up)
		c := r.dial()
		say(t, c, header+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatal(err)
		}
		want := from
		if strings.Contains(header, "UNKNOWN") {
			want = c.LocalAddr().(*net.TCPAddr).AddrPort()
		}
		if got := seen.Load(); got != want.Addr().String() {
			t.Errorf("%q: x-forwarded-for is %s, want %s", header, got, want.Addr())
		}
		if x := r.next(); x.Client != want {
			t.Errorf("%q: client %s, want %s", header, x.Client, want)
		}
	}
}

// serveForwarded answers, and keeps x-forwarded-for.
func serveForwarded(t *testing.T, seen *atomic.Value) string {
	return serve(t, func(c *net.TCPConn) {
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			seen.Store(req.Header.Get("X-Forwarded-For"))
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		}
	})
}

// A header that is wrong, missing or somebody else's resets the connection, and
// is counted and told; nothing reaches the upstream.
func TestProxyHeaderRefused(t *testing.T) {
	var reached atomic.Int32
	up := serve(t, func(*net.TCPConn) { reached.Add(1) })
	for name, c := range map[string]struct {
		change func(*config.Config)
		say    string
	}{
		"wrong":            {accepting(config.Required, config.TCP), "PROXY TCP4 a b 1 2\r\n"},
		"wrong though one": {accepting(config.Optional, config.TCP, "127.0.0.0/8"), "PROXY TCP4 a b 1 2\r\n"},
		"missing":          {accepting(config.Required, config.HTTP), "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		"not trusted":      {accepting(config.Required, config.TCP, "192.0.2.0/24"), header1},
	} {
		r := run(t, c.change, up)
		if err := r.ends(c.say); !isReset(err) {
			t.Errorf("%s: the connection ended with %v", name, err)
		}
		if n := r.notice(event.EventOrigin); n.Severity != event.Warn || n.Body == "" {
			t.Errorf("%s: told as %+v", name, n)
		}
		if n := r.listeners[0].stats.ProxyError.Load(); n != 1 {
			t.Errorf("%s: %d errors", name, n)
		}
	}
	if reached.Load() != 0 {
		t.Error("the upstream was reached")
	}
}

func TestProxyHeaderThatNeverEnds(t *testing.T) {
	r := run(t, func(c *config.Config) {
		accepting(config.Required, config.TCP)(c)
		c.Listeners[0].ProxyProtocol.Timeout = brief
	}, serve(t, echo))
	for _, part := range []string{"", "PROXY TCP4"} {
		if err := r.ends(part); !isReset(err) {
			t.Errorf("after %q: %v", part, err)
		}
	}
	c := r.dial()
	say(t, c, "PROXY")
	_ = c.CloseWrite() // told at once, not by the timeout
	if _, err := c.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("after an end: %v", err)
	}
}

// Where headers are optional, who sends none is a client of its own, and who
// is not trusted has his taken for what he says.
func TestProxyHeaderOptional(t *testing.T) {
	r := run(t, accepting(config.Optional, config.TCP, "127.0.0.1"), serve(t, echo))
	for text, want := range map[string]string{header1 + "x": "x", "PROPFIND": "PROPFIND", "PROXIES": "PROXIES"} {
		c := r.dial()
		say(t, c, text)
		hear(t, c, want)
		c.Close()
		if x := r.next(); (x.Client == from) != (want == "x") {
			t.Errorf("%q: client %s", text, x.Client)
		}
	}
	r = run(t, accepting(config.Optional, config.TCP, "192.0.2.0/24"), serve(t, echo))
	c := r.dial()
	say(t, c, header1)
	hear(t, c, header1)
}

func TestProxyHeaderWithMore(t *testing.T) {
	r := run(t, accepting(config.Required, config.TCP), serve(t, echo))
	c := r.dial()
	b := header2() + "\x02\x00\x03a.b\x05\x00\x02\x00i"
	b = b[:15] + string([]byte{byte(12 + 6 + 5)}) + b[16:]
	say(t, c, b+"x")
	hear(t, c, "x")
	n := r.notice(event.EventProxied)
	got := map[string]string{}
	for _, kv := range n.Attributes {
		got[kv.Key] = kv.Value
	}
	if got["authority"] != "a.b" || got["unique_id"] != `\x00i` || got["client"] != from.String() || n.Severity != event.Info {
		t.Errorf("told as %+v", n)
	}
}

// host is an upstream that keeps the header it gets, and how many connections.
type host struct {
	conns   atomic.Int32
	headers chan string
}

func (u *host) serve(c *net.TCPConn) {
	u.conns.Add(1)
	r := bufio.NewReader(c)
	line, _ := r.ReadString('\n')
	u.headers <- line
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(req.URL.Path), req.URL.Path)
	}
}

// Upstream connections say first whose they are, carry one client's requests
// only, and go when he goes.
func TestProxyHeaderOut(t *testing.T) {
	u := &host{headers: make(chan string, 8)}
	r := run(t, func(c *config.Config) {
		c.Listeners[0].Protocol = config.HTTP
		c.Clusters[0].ProxyProtocol = config.V1
	}, serve(t, u.serve))
	for n := range int32(2) {
		c := r.dial()
		br := bufio.NewReader(c)
		for range 3 {
			say(t, c, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		client, server := c.LocalAddr().(*net.TCPAddr), c.RemoteAddr().(*net.TCPAddr)
		if got, want := <-u.headers, fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n", client.Port, server.Port); got != want {
			t.Errorf("header %q, want %q", got, want)
		}
		if got := u.conns.Load(); got != n+1 {
			t.Errorf("%d upstream connections after client %d", got, n)
		}
		if n == 0 {
			defer c.Close() // while the second asks
			continue
		}
		c.Close()
		waitFor(t, func() bool { return r.clusters["main"].Hosts()[0].Idle() == 1 }) // that of the first
	}
}

// What a header said is passed on.
func TestProxyHeaderInAndOut(t *testing.T) {
	got := make(chan string, 1)
	r := run(t, func(c *config.Config) {
		accepting(config.Required, config.TCP)(c)
		c.Clusters[0].ProxyProtocol = config.V2
	}, serve(t, func(c *net.TCPConn) {
		b, _ := io.ReadAll(c)
		got <- string(b)
	}))
	c := r.dial()
	say(t, c, header1+"hello")
	_ = c.CloseWrite()
	if b := <-got; b != header2()+"hello" {
		t.Errorf("the upstream got %q", b)
	}
}

// A cluster without endpoints goes where the header says, but not to the proxy.
func TestOriginalDestinationOfAHeader(t *testing.T) {
	up := netip.MustParseAddrPort(serve(t, echo))
	r := run(t, func(c *config.Config) {
		accepting(config.Required, config.TCP)(c)
		c.Clusters[0].Endpoints = config.Addresses(config.OriginalDestination)
	}, "")
	c := r.dial()
	say(t, c, string(proxyproto.AppendV1(nil, from, up))+"hello")
	hear(t, c, "hello")
	c.Close()
	if x := r.next(); x.Endpoint != up.String() || x.Flags != 0 {
		t.Errorf("exchange at %s, flags %s", x.Endpoint, x.Flags)
	}
	c = r.dial()
	say(t, c, string(proxyproto.AppendV1(nil, from, c.RemoteAddr().(*net.TCPAddr).AddrPort())))
	if _, err := c.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("a loop ended with %v", err)
	}
	if x := r.next(); x.Flags != event.FlagUH || !strings.Contains(x.StatusMessage, "the proxy itself") {
		t.Errorf("a loop is told as %s %q", x.Flags, x.StatusMessage)
	}
}

// Who comes to a transparent listener by himself is turned away.
func TestTransparentListenerIsNobodysDestination(t *testing.T) {
	r := run(t, func(c *config.Config) {
		c.Listeners[0].Transparent, c.Listeners[0].Protocol = config.Redirected, config.TCP
		c.Clusters[0].Endpoints = config.Addresses(config.OriginalDestination)
	}, "")
	if err := r.turnedAway(); !isReset(err) {
		t.Errorf("the connection ended with %v", err)
	}
	if n := r.notice(event.EventOrigin); !strings.Contains(n.Body, "only redirected connections") || r.listeners[0].stats.CxLoop.Load() != 1 {
		t.Errorf("told as %+v", n)
	}
}

// brief is a timeout that a test waits for.
const brief = 50 * time.Millisecond

// ends connects, says text, and gives what ends the connection, which may come
// at any time.
func (r *rig) ends(text string) error {
	c, err := net.Dial("tcp", r.Addr("main").String())
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it does not come")
		}
	}
}

// The header comes before TLS, in and out.
func TestProxyHeaderBeforeTLS(t *testing.T) {
	cert := testca.New(t).Issue("x", testca.Year(), "127.0.0.1")
	u := &host{headers: make(chan string, 1)}
	r := run(t, func(c *config.Config) {
		accepting(config.Required, config.HTTP)(c)
		l := &c.Listeners[0]
		l.TLS = config.NewListenerTLS()
		l.TLS.Certificates = []config.Certificate{{Cert: cert.Cert, Key: cert.Key}}
		c.Clusters[0].ProxyProtocol = config.V1
	}, serve(t, u.serve))
	plain := r.dial()
	say(t, plain, header2())
	c := tls.Client(plain, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	say(t, c, "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("answer %v, %v", resp, err)
	}
	if got := <-u.headers; got != header1 {
		t.Errorf("the upstream was told %q, want %q", got, header1)
	}
	if x := r.next(); x.Client != from || x.Server != to {
		t.Errorf("an exchange from %s to %s", x.Client, x.Server)
	}
}
