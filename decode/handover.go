package decode

import "github.com/pitot-io/pitot/internal/event"

// maxDepth bounds how often a connection's bytes may be handed on: a tunnel in
// a tunnel, HTTP inside TLS inside CONNECT.
const maxDepth = 6

// Handover is what a decoder leaves to the next one on the same connection:
// after an upgrade, inside a tunnel, inside TLS, inside a stream.
type Handover struct {
	Protocol string // name of the next protocol in the list; empty: find out from the bytes

	// Request is the exchange that asked for the change, with its answer, after
	// it was told: its ids are filled in. Valid during the call only; nil
	// where nothing asked.
	Request *event.Exchange

	// Offset is how many bytes of each direction come before what is handed
	// over, where the next decoder reads the same bytes: after an upgrade, in a
	// tunnel. What was unpacked (TLS, a stream of HTTP/2) counts anew from 0.
	Offset [2]int64

	Settings    []byte // h2c: the payload of HTTP2-Settings, decoded from base64 (RFC 7540, 3.2.1); valid during the call only
	Extensions  string // websocket: Sec-WebSocket-Extensions of the answer; lent
	Subprotocol string // websocket: Sec-WebSocket-Protocol of the answer; lent
}

// Hand is the decoder of what follows on c's bytes. It never fails: what has
// no decoder is opaque.
func (c Conn) Hand(h Handover) Decoder {
	c.Depth++
	if c.Switch == nil || c.Depth > maxDepth {
		return NewOpaque(c)
	}
	c.Inspect = shifted(c.Inspect, h.Offset)
	return c.Switch(c, h)
}

// shifted is tell for messages whose offsets count from base.
func shifted(tell func(*Message), base [2]int64) func(*Message) {
	if tell == nil || base == [2]int64{} {
		return tell
	}
	return func(m *Message) {
		d := m.Dir
		if m.Swapped {
			d = d.Other()
		}
		m.Offset += base[d]
		tell(m)
	}
}

// switcher is Conn.Switch over a list of protocols.
func switcher(protocols []Protocol) func(Conn, Handover) Decoder {
	return func(c Conn, h Handover) Decoder {
		if h.Protocol == "" {
			return NewDetector(protocols, c)
		}
		for i := range protocols {
			p := &protocols[i]
			switch {
			case p.Name != h.Protocol:
			case p.Take != nil:
				return p.Take(c, h)
			default:
				return p.New(c)
			}
		}
		return NewOpaque(c)
	}
}
