package h1

import (
	"io"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// carryTunnel moves the bytes of a connection that has become another
// protocol's, both ways and unseen but for WebSocket, until both sides have
// ended. What the buffers still hold goes first.
func (c *conn) carryTunnel(up *upstream.Conn) {
	defer func() { _ = up.Close() }()
	if !c.enterTunnel(up) {
		return
	}
	defer c.detach()
	e := c.e
	flow := c.follow(e)
	if flow != nil {
		now := time.Now().UnixNano()
		flow.Feed(event.ToServer, now, c.in.bytes())
		flow.Feed(event.ToClient, now, e.up.bytes())
		defer func() { flow.Close(time.Now().UnixNano()) }()
	}
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
	other.Go(func() { toServer = c.pour(up.Socket, c.net, c.reader(event.ToServer, c.net, flow)) })
	toClient = c.pour(c.net, up.Socket, c.reader(event.ToClient, up.Socket, flow))
	other.Wait()
	c.srv.o.Stats.Transferred(toServer, toClient)
	up.Host().Transferred(toClient, toServer)
}

// pour moves bytes of src, as from reads them, to dst until src ends, in the
// kernel where that can and nobody looks at them, and passes the end on. When
// one direction breaks, so does the other.
func (c *conn) pour(dst, src socket.Conn, from io.Reader) int64 {
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
