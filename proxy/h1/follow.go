package h1

import (
	"io"
	"net"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/tap"
)

// follow is what decodes the tunnel that e became; nil when nothing does, and
// its bytes need not be looked at.
func (c *conn) follow(e *exchange) *tap.Flow {
	if c.srv.o.WebSocket == nil || e.p.Upgrade != "websocket" {
		return nil
	}
	f := hop.Followed{
		Conn:   decode.Conn{Client: c.info.Client, Server: c.info.Server, Stream: c.info.ID, Limits: decode.DefaultLimits()},
		Answer: &e.resp, Names: c.srv.o.Names, Out: c.out,
	}
	return f.Flow(c.srv.o.WebSocket, &e.x)
}

// followed is one direction of a tunnel whose bytes are decoded on their way,
// before they are passed on.
type followed struct {
	flow *tap.Flow
	d    event.Dir
	from io.Reader
}

func (f followed) Read(b []byte) (int, error) {
	n, err := f.from.Read(b)
	if n > 0 {
		f.flow.Feed(f.d, time.Now().UnixNano(), b[:n])
	}
	if err == io.EOF {
		f.flow.End(f.d, time.Now().UnixNano())
	}
	return n, err
}

// reader is where the bytes of direction d come from: src itself, so that they
// may move in the kernel, unless somebody looks at them.
func (c *conn) reader(d event.Dir, src net.Conn, flow *tap.Flow) io.Reader {
	var from io.Reader = src
	if c.srv.o.Plain.On() {
		from = shown{c, d, src}
	}
	if flow != nil {
		from = followed{flow, d, from}
	}
	return from
}
