// Package decode says what a decoder is: something that follows one
// connection's bytes and tells the exchanges in them. A decoder opens nothing,
// starts nothing, logs nothing and asks no clock, so a live proxy and a capture
// from last year share it.
package decode

import (
	"errors"
	"net/netip"
	"unsafe"

	"github.com/pitot-io/pitot/internal/event"
)

// ErrLost says that a decoder has lost its place and will find nothing more on
// this connection. Bytes go on being forwarded; they are only watched no longer.
// Decoders wrap it: fmt.Errorf("mongo: message length %d: %w", n, decode.ErrLost).
var ErrLost = errors.New("decoder lost its place")

// Decoder follows one connection. Calls come from one goroutine at a time.
//
// Times are nanoseconds since the Unix epoch and never go backwards. Exchanges
// and notices are lent to emit for the length of the call.
type Decoder interface {
	// Feed consumes b, the next bytes in direction d. b is valid only during
	// the call and is never written to. Any split of the same bytes gives the
	// same exchanges. After an error that is ErrLost nothing more is fed.
	Feed(d event.Dir, at int64, b []byte, emit event.Emitter) error

	// Gap says that n bytes in direction d were never seen (n > 0; 0 means an
	// unknown number). The decoder goes on where framing allows, else it
	// looks for the next message that it can recognise.
	Gap(d event.Dir, at int64, n int64, emit event.Emitter)

	// End says that direction d has been shut in order (FIN): a body that
	// lasts until the end of the connection is complete now.
	End(d event.Dir, at int64, emit event.Emitter)

	// Close says that the connection is over, both directions, in order or
	// not. What never got its answer is reported. Nothing is fed after it.
	Close(at int64, emit event.Emitter)
}

// Conn is what a decoder may know of its connection.
type Conn struct {
	Client, Server netip.AddrPort
	Stream         int64 // number of the connection
	MidStream      bool  // joined after its start: the first bytes may be anything
	Secure         bool  // the bytes come out of TLS
	Depth          int   // how often the connection's bytes were handed on
	Limits         Limits
	Keep           Keep

	// Position, where set, tells the TCP sequence number of the byte that is
	// being fed at offset off of the current Feed call. Captures set it.
	Position func(d event.Dir, off int) uint32

	// Unwatched, where set, tells at Close whether only the watching ends: the
	// capture stops, and the connection went on. Captures set it.
	Unwatched func() bool

	// Inspect, where set, is told every message that a decoder finds.
	Inspect func(*Message)

	// Switch, where set, is the decoder of what follows on the same bytes.
	// Decoders call it through Hand. NewDetector sets it.
	Switch func(Conn, Handover) Decoder
}

// Limits bound what one connection may hold.
type Limits struct {
	Detect        int // bytes kept per direction before a protocol is known
	Head          int // bytes of one HTTP message head, or of an HTTP/2 field block
	Headers       int // fields of one HTTP message head
	HeaderList    int // bytes of an HTTP/2 field section as SETTINGS_MAX_HEADER_LIST_SIZE counts them
	Continuations int // CONTINUATION frames of one HTTP/2 field block
	Table         int // bytes kept of an HPACK dynamic table
	Streams       int // streams of one HTTP/2 connection that are open at once
	Document      int // bytes of one MongoDB message, before and after decompression
	Keep          int // bytes of a MongoDB message that are looked into; the rest is counted
	Pending       int // requests of one connection that wait for their answer
	Ahead         int // bytes of one connection that come before the answer which says how to read them
	Text          int // bytes of any one text that goes into an exchange
}

// DefaultLimits are generous for real traffic and small for an attacker.
func DefaultLimits() Limits {
	return Limits{
		Detect:        4 << 10,
		Head:          64 << 10,
		Headers:       256,
		HeaderList:    256 << 10,
		Continuations: 64,
		Table:         64 << 10,
		Streams:       1024,
		Document:      48_000_000, // the protocol's maxMessageSizeBytes
		Keep:          256 << 10,
		Pending:       4096,
		Ahead:         64 << 10,
		Text:          4 << 10,
	}
}

// Verdict of a look at a connection's first bytes.
type Verdict uint8

const (
	No    Verdict = iota // these bytes are not of the protocol
	Maybe                // more bytes are needed to tell
	Yes                  // they are
)

// Protocol is one entry of the visible list in internal/builtin.
type Protocol struct {
	Name string

	// Detect looks at the first bytes seen in direction d.
	Detect func(d event.Dir, b []byte) Verdict

	// New makes the decoder of one connection.
	New func(c Conn) Decoder

	// Take makes the decoder of a connection that another protocol hands over.
	// Where it is nil, New does.
	Take func(c Conn, h Handover) Decoder

	// Stage, where set, makes a stage behind the decoders: an Emitter that
	// completes what one connection alone cannot tell, such as the call site of
	// a getMore whose cursor another connection opened, and passes it on to
	// next within the call. All stages of one Protocol value share what they
	// know, so that connections may each have their own next.
	//
	// Decoders share nothing that shows in what they tell: they may run in any
	// order, side by side. A stage has to see exchanges in order of their end.
	Stage func(next event.Emitter) event.Emitter
}

// Stages puts the stages of protocols before next.
func Stages(protocols []Protocol, next event.Emitter) event.Emitter {
	for i := range protocols {
		if p := &protocols[i]; p.Stage != nil {
			next = p.Stage(next)
		}
	}
	return next
}

// View is b as a string, without a copy: valid as long as b is not changed.
// Decoders use it to lend text to an Emitter.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
