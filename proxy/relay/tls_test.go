package relay_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay/h1"
	"github.com/pitot-io/pitot/proxy/socket"
)

// secured serves clients of HTTP/1.1 over TLS with p's engine, and gives the
// address and what clients trust.
func (p *proxy) secured() (addr string, trust *tls.Config) {
	given := httptest.NewTLSServer(nil) // for its certificate
	defer given.Close()
	config := &tls.Config{Certificates: given.TLS.Certificates}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	s := h1.NewServer(p.engine, h1.ServerOptions{})
	done := make(chan struct{})
	go func() {
		c, err := l.Accept()
		if err != nil {
			close(done)
			return
		}
		session := tls.Server(socket.Over(c.(*net.TCPConn)), config)
		if session.Handshake() == nil {
			s.Serve(context.Background(), socket.Secured(session, c.(*net.TCPConn)), nil, hop.Info{ID: 7, Client: socket.AddrPort(c.RemoteAddr())}, func() { close(done) })
		} else {
			close(done)
		}
	}()
	p.t.Cleanup(func() { l.Close(); p.engine.Close(); <-done })
	return l.Addr().String(), given.Client().Transport.(*http.Transport).TLSClientConfig
}

// A client that leaves by TLS's goodbye while it waits ends its request at the
// upstream: under TLS there are bytes before the end of the connection.
func TestClientOfTLSGoes(t *testing.T) {
	gone, seen := make(chan bool, 1), make(chan bool, 1)
	p := start(t, origin(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- true
		<-r.Context().Done()
		gone <- true
	}), 1)
	addr, trust := p.secured()
	c, err := tls.Dial("tcp", addr, trust)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	<-seen
	c.Close()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("the upstream was not told")
	}
	x := p.spans.find(t, ofKind(event.Server))
	if x.Flags != event.FlagDC || x.HTTP.Scheme != "https" {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}
