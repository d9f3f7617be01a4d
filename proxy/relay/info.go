package relay

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
)

// Info is what is known of a client's connection.
type Info struct {
	hop.Info
	Secure bool // under TLS

	out    event.Emitter
	peer   string      // name of the client's service, where it has one
	riding decode.Conn // for Layers
}
