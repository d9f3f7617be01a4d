package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/net/http2"
)

// A WebSocket through pitot behaves as one without it, whatever carries it.
func TestWebSocketsPassUnharmed(t *testing.T) {
	ca := newAuthority(t)
	server := webSocketEcho(t)
	p := start(t, fmt.Sprintf(`
listeners:
  - name: plain
    address: 127.0.0.1:0
    protocol: http
    cluster: echo
  - name: secure
    address: 127.0.0.1:0
    protocol: http
    cluster: echo
    tls:
      certificates:
        - {cert: %s, key: %s}
clusters:
  - name: echo
    endpoints: [%s]
admin: {address: 127.0.0.1:0}
`, ca.cert("shop.test"), ca.key("shop.test"), server))
	trust := &tls.Config{RootCAs: ca.roots(), ServerName: "shop.test"}
	for name, dial := range map[string]func(*testing.T) io.ReadWriteCloser{
		"no proxy":       func(t *testing.T) io.ReadWriteCloser { return upgrade(t, server, nil) },
		"HTTP1":          func(t *testing.T) io.ReadWriteCloser { return upgrade(t, p.at("plain"), nil) },
		"HTTP1 over TLS": func(t *testing.T) io.ReadWriteCloser { return upgrade(t, p.at("secure"), trust) },
		"HTTP2":          func(t *testing.T) io.ReadWriteCloser { return extendedConnect(t, p.at("plain"), nil) },
		"HTTP2 over TLS": func(t *testing.T) io.ReadWriteCloser { return extendedConnect(t, p.at("secure"), trust) },
	} {
		t.Run(name, func(t *testing.T) { conform(t, dial) })
	}
}

// conform goes through what RFC 6455 lets two ends do to each other.
func conform(t *testing.T, dial func(*testing.T) io.ReadWriteCloser) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20, 16 << 20} {
		t.Run(fmt.Sprintf("message of %d bytes", size), func(t *testing.T) {
			c := dial(t)
			defer c.Close()
			echoed(t, c, ws.OpBinary, random(t, size), 1)
		})
	}
	for _, pieces := range []int{2, 7, 200} {
		t.Run(fmt.Sprintf("message in %d fragments", pieces), func(t *testing.T) {
			c := dial(t)
			defer c.Close()
			echoed(t, c, ws.OpText, bytes.Repeat([]byte("call site "), 100*pieces), pieces)
		})
	}
	t.Run("ping", func(t *testing.T) {
		c := dial(t)
		defer c.Close()
		send(t, c, ws.NewPingFrame([]byte("are you there")))
		if f := receive(t, c); f.Header.OpCode != ws.OpPong || string(f.Payload) != "are you there" {
			t.Errorf("got %v %q, want the ping's payload in a pong", f.Header.OpCode, f.Payload)
		}
	})
	for _, code := range []ws.StatusCode{1000, 1001, 1008, 1011, 3000, 4999} {
		t.Run(fmt.Sprintf("close %d", code), func(t *testing.T) {
			c := dial(t)
			defer c.Close()
			send(t, c, ws.NewCloseFrame(ws.NewCloseFrameBody(code, "bye")))
			f := receive(t, c)
			if got, why := ws.ParseCloseFrameData(f.Payload); f.Header.OpCode != ws.OpClose || got != code || why != "bye" {
				t.Errorf("got %v %d %q, want the close frame back", f.Header.OpCode, got, why)
			}
			if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("after the close: %d bytes and %v, want the end", n, err)
			}
		})
	}
}

// echoed sends a message in so many fragments and wants it back.
func echoed(t *testing.T, c io.ReadWriter, op ws.OpCode, message []byte, pieces int) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { sent <- sendPieces(c, op, message, pieces) }()
	var got []byte
	for {
		f := receive(t, c)
		got = append(got, f.Payload...)
		if f.Header.Fin {
			break
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, message) {
		t.Errorf("%d bytes came back as %d others", len(message), len(got))
	}
}

func sendPieces(c io.Writer, op ws.OpCode, message []byte, pieces int) error {
	for i := range pieces {
		from, to := i*len(message)/pieces, (i+1)*len(message)/pieces
		if i > 0 {
			op = ws.OpContinuation
		}
		if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewFrame(op, i == pieces-1, message[from:to]))); err != nil {
			return err
		}
	}
	return nil
}

func send(t *testing.T, c io.Writer, f ws.Frame) {
	t.Helper()
	if err := ws.WriteFrame(c, ws.MaskFrame(f)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c io.Reader) ws.Frame {
	t.Helper()
	f, err := ws.ReadFrame(c)
	if err != nil {
		t.Fatalf("no frame: %v", err)
	}
	return f
}

func random(t *testing.T, n int) []byte {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// webSocketEcho sends every message back in the fragments it came in.
func webSocketEcho(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echoFrames(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String()
}

func echoFrames(c net.Conn) {
	defer c.Close()
	if _, err := ws.Upgrade(c); err != nil {
		return
	}
	for {
		f, err := ws.ReadFrame(c)
		if err != nil {
			return
		}
		f = ws.UnmaskFrameInPlace(f)
		if f.Header.OpCode == ws.OpPing {
			f.Header.OpCode = ws.OpPong
		}
		if ws.WriteFrame(c, f) != nil || f.Header.OpCode == ws.OpClose {
			return
		}
	}
}

// upgrade opens a WebSocket by RFC 6455.
func upgrade(t *testing.T, address string, secure *tls.Config) io.ReadWriteCloser {
	t.Helper()
	d := ws.Dialer{Timeout: 10 * time.Second, NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}}
	url := "ws://shop.test/echo"
	if secure != nil {
		d.TLSConfig, url = secure, "wss://shop.test/echo"
	}
	c, early, _, err := d.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if early != nil {
		return struct {
			io.Reader
			io.WriteCloser
		}{early, c}
	}
	return struct {
		io.Reader
		io.WriteCloser
	}{bufio.NewReader(c), c}
}

// extendedConnect opens a WebSocket by RFC 8441.
func extendedConnect(t *testing.T, address string, secure *tls.Config) io.ReadWriteCloser {
	t.Helper()
	transport := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, _ string, _ *tls.Config) (net.Conn, error) {
		if secure == nil {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		c := secure.Clone()
		c.NextProtos = []string{"h2"}
		return (&tls.Dialer{Config: c}).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	up, in := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodConnect, "https://shop.test/echo", up)
	if err != nil {
		t.Fatal(err)
	}
	r.Header[":protocol"] = []string{"websocket"}
	r.Header.Set("Sec-WebSocket-Version", "13")
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("extended CONNECT: status %s", answer.Status)
	}
	return &tunnel{answer.Body, in}
}

// tunnel is a stream of HTTP/2 that has become a WebSocket.
type tunnel struct {
	io.ReadCloser
	in *io.PipeWriter
}

func (c *tunnel) Write(b []byte) (int, error) { return c.in.Write(b) }
func (c *tunnel) Close() error                { return errors.Join(c.in.Close(), c.ReadCloser.Close()) }
