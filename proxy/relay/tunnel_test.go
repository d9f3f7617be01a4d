package relay_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
)

// sockets is a server of WebSocket whose sessions are f's.
func sockets(f func(*websocket.Conn)) http.HandlerFunc {
	return websocket.Server{Handler: func(c *websocket.Conn) { c.MaxPayloadBytes = 16 << 20; f(c) }}.ServeHTTP
}

// mirror says everything back.
func mirror(c *websocket.Conn) {
	for {
		var m string
		if websocket.Message.Receive(c, &m) != nil || websocket.Message.Send(c, m) != nil {
			return
		}
	}
}

func dialSocket(t *testing.T, p *proxy) *websocket.Conn {
	t.Helper()
	c, err := websocket.Dial("ws://"+p.addr+"/chat", "", "http://"+p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.MaxPayloadBytes = 16 << 20
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// A WebSocket passes in HTTP/1.1 all the way, and by way of HTTP/2 between two
// proxies, whose codecs translate the handshake both ways (RFC 8441).
func TestWebSocket(t *testing.T) {
	for _, between := range []int{1, 2} {
		t.Run(fmt.Sprintf("by HTTP %d", between), func(t *testing.T) {
			inner := start(t, origin(t, sockets(mirror)), 1)
			outer := start(t, inner.addr, between)
			c := dialSocket(t, outer)
			for _, size := range []int{0, 1, 1000, 100_000, 1 << 20} {
				m := strings.Repeat("x", size)
				if err := websocket.Message.Send(c, m); err != nil {
					t.Fatal(err)
				}
				var got string
				if err := websocket.Message.Receive(c, &got); err != nil || got != m {
					t.Fatalf("%d bytes came back of %d, %v", len(got), size, err)
				}
			}
			if err := c.WriteClose(1000); err != nil {
				t.Error(err)
			}
			c.Close()
			for _, p := range []*proxy{outer, inner} {
				x := p.spans.find(t, func(x *event.Exchange) bool { return x.WebSocket != nil })
				if x.WebSocket.ClientMessages != 5 || x.WebSocket.ServerMessages != 5 || x.WebSocket.CloseCode != 1000 {
					t.Errorf("session %s", x.AppendJSON(nil))
				}
				h := p.spans.find(t, func(x *event.Exchange) bool { return x.Kind == event.Server && x.WebSocket == nil })
				want, method := 101, "GET"
				if p == inner && between == 2 {
					want, method = 200, "CONNECT"
				}
				if h.HTTP.StatusCode != want || h.HTTP.Method != method || h.HTTP.Upgrade != "websocket" || h.Flags != 0 {
					t.Errorf("handshake %s", h.AppendJSON(nil))
				}
			}
		})
	}
}

// The end of one direction passes, and the other goes on, for longer than it takes
// to notice that a client has left.
func TestTunnelHalfCloses(t *testing.T) {
	const tick = 50 * time.Millisecond
	quick := func(o *relay.Options, _ *hop.Route) { o.Request = 4 * tick }
	for _, between := range []int{1, 2} {
		t.Run(fmt.Sprintf("by HTTP %d", between), func(t *testing.T) {
			inner := start(t, raw(t, func(c *net.TCPConn, r *bufio.Reader) {
				key := keyIn(skipHead(r))
				fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
					relay.AppendAccept(nil, []byte(key)))
				b, _ := io.ReadAll(r)
				time.Sleep(3 * tick)
				fmt.Fprintf(c, "%d bytes", len(b))
			}), 1, quick)
			outer := start(t, inner.addr, between, quick)
			c, err := net.Dial("tcp", outer.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			r := bufio.NewReader(c)
			if h := skipHead(r); !strings.Contains(strings.ToLower(h), "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=") {
				t.Fatalf("head %q", h)
			}
			io.WriteString(c, strings.Repeat("y", 100_000))
			c.(*net.TCPConn).CloseWrite()
			if b, err := io.ReadAll(r); err != nil || string(b) != "100000 bytes" {
				t.Errorf("after the end of ours: %q, %v", b, err)
			}
		})
	}
}

// A tunnel breaks on the other side, too, when one side does.
func TestTunnelBreaks(t *testing.T) {
	for _, between := range []int{1, 2} {
		t.Run(fmt.Sprintf("by HTTP %d", between), func(t *testing.T) {
			gone := make(chan error, 1)
			inner := start(t, origin(t, sockets(func(c *websocket.Conn) {
				var m string
				gone <- websocket.Message.Receive(c, &m)
			})), 1)
			dialSocket(t, start(t, inner.addr, between)).Close()
			select {
			case <-gone:
			case <-time.After(patience):
				t.Error("the server was not told")
			}
		})
	}
}

// An upgrade that the upstream does not want is answered as any request.
func TestUnwantedUpgrade(t *testing.T) {
	for _, between := range []int{1, 2} {
		inner := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusUpgradeRequired) }), 1)
		outer := start(t, inner.addr, between)
		r, _ := http.NewRequest("GET", outer.url("/"), nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
		a, err := outer.client(1).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if b := body(t, a); a.StatusCode != http.StatusUpgradeRequired || b != "no\n" {
			t.Errorf("by HTTP %d: %s %q", between, a.Status, b)
		}
	}
}

// keyIn is the value of Sec-WebSocket-Key.
func keyIn(head string) string {
	for line := range strings.Lines(head) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "sec-websocket-key") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// skipHead reads a message's head.
func skipHead(r *bufio.Reader) string {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}
