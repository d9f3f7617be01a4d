package http2

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
)

// unknown stands for text that HPACK cannot tell.
const unknown = wire.Unknown

// begin is the decoder of field blocks at the start of a connection, or of one
// that is joined in its middle.
func begin(c *decode.Conn, mid bool) (d wire.Decoder) {
	l := &c.Limits
	d.Begin(wire.Late, wire.Limits{Table: l.Table, List: l.HeaderList, Fields: l.Headers})
	if mid {
		d.Forget()
	}
	return d
}
