package h1

import (
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/tap"
)

// inline describes the connection for who listens to its bytes.
func (c *conn) inline() tap.Inline { return hop.Inline(&c.info.Info, c.srv.engine.Listener()) }

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
