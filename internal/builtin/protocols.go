// Package builtin lists what this pitot is built with.
package builtin

import (
	"fmt"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/callsite"
	"github.com/pitot-io/pitot/decode/grpc"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/http2"
	"github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/decode/tls"
	"github.com/pitot-io/pitot/decode/websocket"
)

// ProtocolOptions are what decoders may be told.
type ProtocolOptions struct {
	CommentText string // how much of a comment's free text is kept: off, short or full; empty is short
	GRPC        grpc.Options
	Keys        *tls.Keys // secrets of TLS connections; nil: none
}

// Protocols are all protocols that pitot decodes, in the order in which a
// connection's first bytes are shown to them.
func Protocols(o ProtocolOptions) ([]decode.Protocol, error) {
	text, ok := callsite.ParseText(o.CommentText)
	if !ok {
		return nil, fmt.Errorf("comment text %q is unknown: say off, short or full", o.CommentText)
	}
	layers := Layers(o)
	return []decode.Protocol{
		tls.Protocol(tls.Options{Keys: o.Keys}), // the header of its records is like nothing else
		http1.Protocol(http1.Options{Layers: layers}),
		http2.Protocol(http2.Options{Layers: layers}),
		mongo.Protocol(mongo.Options{Comment: callsite.Options{Text: text}}),
		websocket.Protocol(),
	}, nil
}

// Layers are the protocols that ride on HTTP's exchanges.
func Layers(o ProtocolOptions) []decode.Layer { return []decode.Layer{grpc.New(o.GRPC)} }
