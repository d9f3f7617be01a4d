package decode

import "github.com/pitot-io/pitot/internal/event"

// Message is one unit of a protocol as its decoder saw it: a head or a body of
// HTTP/1, a frame of HTTP/2, a message of MongoDB, a record of TLS. Decoders
// tell them only where Conn.Inspect is set. Text is lent for the length of the
// call.
type Message struct {
	Dir      event.Dir
	At       int64  // time of its last byte
	Offset   int64  // of its first byte among all bytes in its direction, missing ones included
	Size     int64  // bytes, framing included
	Protocol string // of the decoder: "http1", "mongo"
	Kind     string // in the protocol's own words: "request", "HEADERS", "OP_MSG"
	Stream   uint32 // of HTTP/2; request id of MongoDB; 0 elsewhere
	Text     string // what it says, in one line
	Flags    event.DecodeFlags

	// Unpacked says what was done to the connection's bytes before the message
	// could be read in them: "decrypted", "decompressed"; empty where nothing
	// was. Inner is what it came to then, its first bytes at least; lent.
	Unpacked string
	Inner    []byte

	// Swapped says that the decoder had taken the sides the wrong way round:
	// the message went in direction Dir.Other() of the connection as it was
	// first taken. NewDetector sets it.
	Swapped bool
}

// Keep says what a decoder keeps of an exchange beyond its attributes: nothing,
// unless somebody asked. It goes to HTTPDetail.
type Keep struct {
	Headers bool
	Body    int // bytes of each body, after its content coding is undone
}
