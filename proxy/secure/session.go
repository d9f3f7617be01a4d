package secure

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	"github.com/pitot-io/pitot/proxy/socket"
)

// Session is what a listener knows of a client's TLS session.
type Session struct {
	Hello *tls.ClientHelloInfo // nil when none came; gone after Forget
	State tls.ConnectionState  // of a handshake that went well; without what only the handshake needs

	server   *Server
	local    *x509.Certificate // that was shown
	deadline time.Time
	holds    bool // a slot
	element  string
}

func sessionOf(c net.Conn) *Session {
	l, ok := c.(*socket.Link)
	if !ok {
		return nil
	}
	n, _ := l.State.(*Session)
	return n
}

// settle keeps of the state what is asked for later.
func (n *Session) settle(c *tls.ConnectionState) {
	n.State = tls.ConnectionState{
		Version: c.Version, HandshakeComplete: true, DidResume: c.DidResume, CipherSuite: c.CipherSuite,
		NegotiatedProtocol: c.NegotiatedProtocol, ServerName: c.ServerName, PeerCertificates: c.PeerCertificates,
	}
	if n.local == nil {
		n.local = n.server.localOf(c.ServerName)
	}
	if len(c.PeerCertificates) > 0 && n.server.forwards() {
		n.element = n.describe()
	}
}

// Forget drops the client's hello, which is large.
func (n *Session) Forget() { n.Hello = nil }

// ServerName is the name that the client asked for, also when the handshake
// failed.
func (n *Session) ServerName() string {
	if n.Hello != nil {
		return n.Hello.ServerName
	}
	return n.State.ServerName
}
