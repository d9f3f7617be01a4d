package h1

import (
	"io"
	"net"
	"sync"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// carryTunnel moves the bytes of a connection that has become opaque, both ways
// and unseen, until both sides have ended. What the buffers still hold goes
// first.
func (c *conn) carryTunnel(up *upstream.Conn) {
	defer func() { _ = up.Close() }()
	if !c.enterTunnel(up) {
		return
	}
	defer c.detach()
	e := c.e
	_, err1 := up.Write(c.in.bytes())
	c.show(event.ToClient, e.up.bytes())
	_, err2 := c.net.Write(e.up.bytes())
	c.in.release(&c.srv.buffers)
	c.recycle()
	if err1 != nil || err2 != nil {
		return
	}
	var toServer, toClient int64
	var other sync.WaitGroup
	other.Go(func() { toServer = c.pour(event.ToServer, up.TCPConn, c.net) })
	toClient = c.pour(event.ToClient, c.net, up.TCPConn)
	other.Wait()
	c.srv.o.Stats.Transferred(toServer, toClient)
	up.Host().Transferred(toClient, toServer)
}

// pour moves bytes from src to dst until src ends, in the kernel where that
// can and nobody listens to them when they begin, and passes the end on. When
// one direction breaks, so does the other.
func (c *conn) pour(d event.Dir, dst, src *net.TCPConn) int64 {
	var from io.Reader = src
	if c.srv.o.Plain.On() {
		from = shown{c, d, src}
	}
	n, err := io.Copy(dst, from)
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		_ = src.SetDeadline(past)
		_ = dst.SetDeadline(past)
	}
	return n
}
