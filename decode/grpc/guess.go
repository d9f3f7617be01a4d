package grpc

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/internal/event"
)

// On a connection that was joined in the middle HPACK cannot tell the content
// type, which every call has from the table. Bodies tell all the same: a body
// that is messages with their prefixes, exactly to its end, is no other thing.

// untold reports whether f may be the request of a call: a POST, as far as is
// known, of which no content type is known.
func untold(f decode.Fields) bool {
	if f == nil {
		return false
	}
	if _, told := value(f, wire.RoleContentType); told {
		return false
	}
	m, told := value(f, wire.RoleMethod)
	return !told || m == "POST"
}

// convincing reports whether what was seen can only be a call: at least one
// message of the client, whose bytes were all seen, and nothing else from the
// server.
func (k *call) convincing(x *event.Exchange) bool {
	in, out := &k.body[event.ToServer], &k.body[event.ToClient]
	if in.messages == 0 || in.cut() || in.gap || out.cut() || out.gap {
		return false
	}
	return out.messages > 0 || x.HTTP == nil || x.HTTP.ResponseBody == 0
}
