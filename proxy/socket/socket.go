// Package socket is a connection as the proxy holds it: one of the kernel's
// stream sockets, and what is spoken over it.
package socket

import (
	"crypto/tls"
	"net"
	"net/netip"
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
}

// Plain is the stream of a socket without TLS.
func Plain(c Conn) *Stream { return &Stream{Conn: c, Socket: c} }

// Secured is the stream of a TLS session over a socket.
func Secured(t *tls.Conn, c Conn) *Stream { return &Stream{Conn: t, Socket: c, TLS: t} }

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
func (s *Stream) Abort() { Abort(s.Socket) }

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
