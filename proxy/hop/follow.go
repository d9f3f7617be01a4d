package hop

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap"
)

// Followed is a tunnel that an exchange has become, whose bytes are decoded.
type Followed struct {
	Conn   decode.Conn // the client's
	Answer *http1.Head // that agreed to it
	Names  tap.Names   // may be nil
	Out    event.Emitter
}

// Flow follows the WebSocket session that x asked for.
func (f *Followed) Flow(take func(decode.Conn, decode.Handover) decode.Decoder, x *event.Exchange) *tap.Flow {
	h := decode.Handover{
		Protocol: "websocket", Request: x,
		Extensions:  decode.View(f.Answer.Get("sec-websocket-extensions")),
		Subprotocol: decode.View(f.Answer.Get("sec-websocket-protocol")),
	}
	return tap.NewFlow(take(f.Conn, h), f.Conn, tap.Meta{
		Listener: x.Listener, Route: x.Route, Cluster: x.Cluster, Endpoint: x.Endpoint, Unix: x.Unix, Service: x.Service,
		Names: f.Names, IDs: tap.RandomIDs{},
	}, f.Out)
}
