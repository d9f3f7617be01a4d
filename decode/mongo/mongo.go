// Package mongo follows a connection that speaks MongoDB's wire protocol:
// OP_MSG with every kind of section, OP_COMPRESSED, and the legacy opcodes.
//
// What it tells holds no literal of a query: commands are told as shapes, with
// ? for every value. Facts are from the MongoDB wire protocol documentation,
// and from the specifications of the drivers (OP_MSG, OP_COMPRESSED, handshake).
package mongo

import (
	"sync"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/callsite"
	"github.com/pitot-io/pitot/internal/event"
)

// Options of the protocol. The zero value has the defaults.
type Options struct {
	// Cursors is how many open cursors are remembered, of all connections
	// together, so that a getMore is told with the call site of its query.
	// 0 means 16384.
	Cursors int

	// Comment says how much of a free-text comment is kept.
	Comment callsite.Options
}

const defaultCursors = 16384

// Protocol is MongoDB for the list of protocols. The decoders of one value share
// only what saves work; what connections have in common, the cursors that
// drivers spread over them, its Stage looks after.
func Protocol(o Options) decode.Protocol {
	s, t := newShared(o), newCursors(o)
	return decode.Protocol{
		Name:   "mongodb",
		Detect: Detect,
		New:    func(c decode.Conn) decode.Decoder { return newConn(c, s) },
		Stage:  func(next event.Emitter) event.Emitter { return &stage{t, next} },
	}
}

// shared is what the connections of one Protocol have in common. Pools keep
// idle connections small: what a request needs is taken when it comes.
type shared struct {
	comment   callsite.Options
	sites     siteTable
	plans     planTable
	exchanges sync.Pool // of *exchange
	buffers   sync.Pool // of *[]byte
	inflaters sync.Pool // of *inflater
}

func newShared(o Options) *shared {
	s := &shared{comment: o.Comment}
	s.exchanges.New = func() any { return new(exchange) }
	s.buffers.New = func() any { return new([]byte) }
	s.inflaters.New = func() any { return new(inflater) }
	return s
}
