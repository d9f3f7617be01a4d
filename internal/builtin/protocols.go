// Package builtin lists what this pitot is built with.
package builtin

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/mongo"
)

// Protocols are all protocols that pitot decodes, in the order in which a
// connection's first bytes are shown to them.
func Protocols() []decode.Protocol {
	return []decode.Protocol{
		http1.Protocol(),
		mongo.Protocol(mongo.Options{}),
	}
}
