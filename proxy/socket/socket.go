// Package socket is a connection as the proxy holds it: one of the kernel's
// stream sockets, and what is spoken over it.
package socket

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Conn is a stream socket of the kernel: TCP or Unix.
type Conn interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
	SyscallConn() (syscall.RawConn, error)
}

var (
	_ Conn = (*net.TCPConn)(nil)
	_ Conn = (*net.UnixConn)(nil)
)

// Stream is a socket, or TLS over it. Reads, writes, deadlines and the close
// go through the embedded Conn.
type Stream struct {
	net.Conn
	Socket Conn      // under it; the same as Conn where nothing is encrypted
	TLS    *tls.Conn // nil where nothing is encrypted
	link   *Link     // what TLS goes over
}

// Plain is the stream of a socket without TLS.
func Plain(c Conn) *Stream { return &Stream{Conn: c, Socket: c} }

// Secured is the stream of a TLS session over a socket. The session is one
// over a Link to the socket; without it, TryRead cannot be used.
func Secured(t *tls.Conn, c Conn) *Stream {
	s := &Stream{Conn: t, Socket: c, TLS: t}
	s.link, _ = t.NetConn().(*Link)
	return s
}

// Link is what a session goes over, nil where there is none.
func (s *Stream) Link() *Link { return s.link }

// TryRead reads what is there into b, as much as fits, without waiting; it
// fails with ErrAgain when nothing is. It is for the function that
// Socket.SyscallConn().Read or Control calls with fd, so that who waits need
// hold no buffer. Like Read, it has one caller at a time.
func (s *Stream) TryRead(fd uintptr, b []byte) (n int, err error) {
	switch {
	case s.TLS == nil:
		return readNow(fd, b)
	case s.link == nil:
		return 0, errors.New("socket: TLS was not made over a link")
	}
	s.link.fd, s.link.trying = fd, true
	for n < len(b) && err == nil { // one read gives one record
		var m int
		m, err = s.TLS.Read(b[n:])
		n += m
	}
	s.link.trying = false
	if n > 0 {
		return n, nil // an error is told again
	}
	return 0, err
}

// Close closes the stream. The peer of a TLS session is told, where the
// socket takes that at once.
func (s *Stream) Close() error {
	if s.link != nil {
		s.link.closing.Store(true)
	}
	return s.Conn.Close()
}

// CloseWrite tells the peer that nothing more comes, and goes on reading.
func (s *Stream) CloseWrite() error {
	if s.TLS == nil {
		return s.Socket.CloseWrite()
	}
	if err := s.TLS.CloseWrite(); err != nil { // close_notify; a peer may wait for the end of TCP's stream, too
		return err
	}
	return s.Socket.CloseWrite()
}

// Abort has the close that follows be a reset, where the socket knows resets:
// the peer must not take it for an end in order.
func (s *Stream) Abort() {
	if s.link != nil {
		s.link.aborted.Store(true) // no close_notify either
	}
	Abort(s.Socket)
}

// Abort is Stream.Abort for a bare socket.
func Abort(c Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // fails only on a closed socket
	}
}

// AddrPort is a as a value; invalid for a Unix socket.
func AddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// UnixPath is the path in the address of a Unix socket, as unix:/run/a.sock;
// "@" begins the name of an abstract one, as unix:@a.
func UnixPath(address string) (path string, ok bool) { return strings.CutPrefix(address, "unix:") }

// Path is the path of a Unix socket's address; empty for other addresses.
func Path(a net.Addr) string {
	if u, ok := a.(*net.UnixAddr); ok {
		return u.Name
	}
	return ""
}
