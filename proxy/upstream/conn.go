package upstream

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/pitot-io/pitot/proxy/socket"
)

// Conn is one connection to a host. It has one user at a time, who hands it
// back with Host.Put or closes it.
type Conn struct {
	socket.Stream     // the socket to the host, or TLS over it
	Used          int // exchanges that it has served, counted by Host.Put
	State         any // the protocol server's own, kept while the connection is idle

	host   *Host
	source Source // whose it is, where the cluster's connections are PerClient
	high   bool   // by whose breaker of connections it is counted
	local  netip.AddrPort
	remote netip.AddrPort
	raw    syscall.RawConn
	probe  func(fd uintptr) // bound once, so that a look allocates nothing
	alive  bool             // what the probe found
	spare  [1]byte          // for a look inside of TLS
	closed atomic.Bool

	idle       time.Time // when it was put back; from here on guarded by the pool, while c is in it
	prev, next *Conn     // all open connections of the host
	retire     func()    // what OnRetire was given
}

var errClosed = errors.New("cluster is closed")

func newConn(h *Host, s *socket.Stream, source Source, high bool) (*Conn, error) {
	raw, err := s.Socket.SyscallConn()
	if err != nil {
		_ = s.Close() // the first error tells more
		return nil, err
	}
	c := &Conn{Stream: *s, host: h, raw: raw, source: source, high: high}
	c.local, c.remote = socket.AddrPort(s.LocalAddr()), socket.AddrPort(s.RemoteAddr())
	if c.probe = c.look; s.TLS != nil {
		c.probe = c.lookInside
	}
	if known := h.known.Load(); known == nil || *known != c.remote {
		h.known.Store(&c.remote)
	}
	if !h.pool.enter(c) {
		_ = s.Close()
		return nil, errClosed
	}
	h.stats.cxTotal.Add(1)
	h.stats.cxActive.Add(1)
	return c, nil
}

// Host is the host that c leads to.
func (c *Conn) Host() *Host { return c.host }

// Local and Remote are the connection's addresses.
func (c *Conn) Local() netip.AddrPort  { return c.local }
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// Raw gives access to the socket without an allocation.
func (c *Conn) Raw() syscall.RawConn { return c.raw }

// Close closes the connection. It may be called more than once.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.host.pool.leave(c)
	c.host.stats.cxActive.Add(-1)
	c.host.stats.cxDestroy.Add(1)
	err := c.Stream.Close()
	c.host.release(c.high) // after the close, so that never more are open than may be
	return err
}

// Alive reports whether an idle connection can still be used: the peer has
// neither closed it nor said anything that nobody asked for.
func (c *Conn) Alive() bool {
	c.alive = false
	return c.raw.Control(c.probe) == nil && c.alive
}

// trusted reports whether c was put back just before now.
func (c *Conn) trusted(now int64) bool {
	d := time.Duration(now - c.idle.UnixNano())
	return -trustFor < d && d < trustFor
}

// look reads nothing, it only peeks: a live idle connection has nothing to give.
func (c *Conn) look(fd uintptr) {
	var b [1]byte
	_, _, errno := syscall.Syscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1,
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	c.alive = errno == syscall.EAGAIN || errno == syscall.EINTR
}

// lookInside is look for TLS, which may have said things of its own since, such
// as new session tickets: it takes those in.
func (c *Conn) lookInside(fd uintptr) {
	_, err := c.TryRead(fd, c.spare[:])
	c.alive = err == socket.ErrAgain
}
