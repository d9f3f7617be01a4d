package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A host of HTTP/2 that knows no extended CONNECT (RFC 8441) takes no
// WebSocket: the client hears of it at once.
func TestAWebSocketToAHostThatTakesNoneIsRefused(t *testing.T) {
	e := startEvery(t, "", "", "")
	c, err := net.Dial("tcp", e.at("plain"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, "GET /h2/socket HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, _ := io.ReadAll(a.Body)
	if want := "pitot: http2.upgrade_not_supported\n"; a.StatusCode != http.StatusBadGateway || string(b) != want {
		t.Errorf("status %s, %q", a.Status, b)
	}
}
