package h1

import (
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/tap"
)

// inline is this connection for who listens to its bytes.
func (c *conn) inline() tap.Inline { return hop.Inline(&c.info, c.srv.o.Listener) }

// show shows bytes from or to the client, before they go on.
func (c *conn) show(d event.Dir, b []byte) {
	if p := c.srv.o.Plain; p.On() {
		p.Passed(c.inline(), &c.passed, d, time.Now().UnixNano(), b)
	}
}

// showOpen and showClose tell of the connection's beginning and end.
func (c *conn) showOpen() {
	if p := c.srv.o.Plain; p.On() {
		p.Opened(c.inline(), c.info.Accepted)
	}
}

func (c *conn) showClose() {
	if p := c.srv.o.Plain; p.On() {
		p.Closed(c.inline(), time.Now().UnixNano(), c.abort)
	}
}

// shown is one direction of a tunnel, whose bytes are shown.
type shown struct {
	c    *conn
	d    event.Dir
	from interface{ Read([]byte) (int, error) }
}

func (s shown) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	s.c.show(s.d, b[:n])
	return n, err
}
