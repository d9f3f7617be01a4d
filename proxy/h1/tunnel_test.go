package h1

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/decode/websocket"
	"github.com/pitot-io/pitot/internal/event"
)

// An upgrade is passed on, and then bytes go both ways untouched.
func TestUpgrade(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		if h := head(r); !strings.Contains(strings.ToLower(h), "connection: upgrade\r\nupgrade: websocket\r\n") {
			t.Errorf("the upstream got %q", h)
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nhi")
		io.Copy(c, r)
		c.CloseWrite()
	})
	p := start(t, o.addr)
	c := p.dial()
	c.send("GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nahead")
	if h := head(c.r); !strings.HasPrefix(h, "HTTP/1.1 101 ") || !strings.Contains(h, "connection: upgrade\r\nupgrade: websocket\r\n") {
		t.Fatalf("the client got %q", h)
	}
	want := "hiahead"
	for i := range 100 {
		s := fmt.Sprintf("frame %d;", i)
		c.send(s)
		want += s
	}
	c.CloseWrite()
	c.ends2(want)
	x := p.spans.server(t, 1)
	if x.Protocol != event.HTTP11 || x.HTTP.Upgrade != "websocket" || x.HTTP.StatusCode != 101 || x.Flags != 0 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// What follows an upgrade to WebSocket is decoded on its way, from the first
// byte that came along with either head, and told when it is over.
func TestWebSocketIsDecoded(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81\x02hi")
		io.Copy(io.Discard, r)
		io.WriteString(c, "\x88\x02\x03\xe8")
		c.CloseWrite()
	})
	p := start(t, o.addr, func(o *Options, _ *Route) { o.WebSocket = websocket.Protocol().Take })
	c := p.dial()
	c.send("GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x85\x00\x00\x00\x00ahead")
	head(c.r)
	c.send("\x81\x84\x00\x00\x00\x00more")
	c.send("\x88\x82\x00\x00\x00\x00\x03\xe8")
	c.CloseWrite()
	c.ends2("\x81\x02hi\x88\x02\x03\xe8")
	handshake, session := p.spans.server(t, 1), p.spans.server(t, 2)
	if handshake.Protocol != event.HTTP11 || handshake.WebSocket != nil {
		t.Errorf("handshake %s", handshake.AppendJSON(nil))
	}
	w := session.WebSocket
	if w.ClientMessages != 2 || w.ServerMessages != 1 || w.CloseCode != 1000 || w.ClosedBy != "client" || w.Subprotocol != "chat" ||
		session.TraceID != handshake.TraceID || session.ParentID != handshake.SpanID || session.Listener != "front" || session.Cluster != "origin" {
		t.Errorf("session %s of %s", session.AppendJSON(nil), handshake.AppendJSON(nil))
	}
}

// Offers of newer HTTP or of TLS come with any request, and are not passed on.
func TestOptionalUpgradeGoesOnWithout(t *testing.T) {
	p := start(t, serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if u := r.Header.Get("Upgrade") + r.Header.Get("Connection"); u != "" {
			t.Errorf("the upstream was asked for %q", u)
		}
		hello(w, r)
	}))
	c := p.dial()
	for _, offer := range []string{"h2c", "H2C", "TLS/1.3", "TLS/1.2, h2c", ","} {
		c.send("GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + offer + "\r\n\r\n")
		if resp, body := c.answer("GET"); body != "hello /chat" || resp.Close {
			t.Errorf("answer %q, close %v", body, resp.Close)
		}
	}
}

func TestConnectWhereAllowed(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		io.Copy(c, r)
		c.CloseWrite()
	})
	p := start(t, o.addr, func(_ *Options, r *Route) { r.Connect = true })
	c := p.dial()
	c.send("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n")
	if h := head(c.r); !strings.HasPrefix(h, "HTTP/1.1 200 ") {
		t.Fatalf("the client got %q", h)
	}
	c.send("opaque")
	c.CloseWrite()
	c.ends2("opaque")
}

// What a route does not allow is refused, and what follows on the connection
// is not taken for a request: the client may have begun to speak the other
// protocol.
func TestUpgradeThatIsNotAllowed(t *testing.T) {
	o := serveRaw(t, func(*net.TCPConn, *bufio.Reader) {})
	p := start(t, o.addr)
	for _, request := range []string{
		"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket/13\r\n\r\n",
		"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n",
	} {
		c := p.dial()
		c.send(request + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
		want, method := http.StatusForbidden, "GET"
		if request[0] == 'C' {
			want, method = http.StatusMethodNotAllowed, "POST"
		}
		if resp, _ := c.answer(method); resp.StatusCode != want || !resp.Close {
			t.Errorf("%q is answered %d, close %v", request, resp.StatusCode, resp.Close)
		}
		c.ends()
	}
	if n := o.conns.Load(); n != 0 {
		t.Errorf("the upstream got %d connections", n)
	}
}

// Of several protocols the allowed one is asked for, and no other is taken.
func TestUpgradeToOneOfSeveral(t *testing.T) {
	for answer, want := range map[string]int{"WebSocket": 101, "other": 502, "websocket, other": 502, "": 502} {
		o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
			if h := head(r); !strings.Contains(h, "\r\nupgrade: websocket\r\n") {
				t.Errorf("the upstream got %q", h)
			}
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: "+answer+"\r\nConnection: Upgrade\r\n\r\n")
		})
		p := start(t, o.addr)
		c := p.dial()
		c.send("GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: other, websocket\r\n\r\n")
		if h := head(c.r); !strings.HasPrefix(h, fmt.Sprintf("HTTP/1.1 %d ", want)) {
			t.Errorf("after %q the client got %q", answer, h)
		}
	}
}

// Closing the server ends tunnels.
func TestCloseEndsTunnels(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		io.Copy(io.Discard, r)
	})
	p := start(t, o.addr, func(_ *Options, r *Route) { r.Upgrades = []string{"x"} })
	c := p.dial()
	c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	head(c.r)
	c.send("x")
	for { // until the tunnel is open, which the client cannot see
		p.srv.Close()
		_ = c.SetReadDeadline(time.Now().Add(brief))
		if _, err := c.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}
