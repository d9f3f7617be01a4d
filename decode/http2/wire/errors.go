package wire

import (
	"errors"
	"strconv"
)

// Code says why a stream or a connection ended (RFC 9113, 7).
type Code uint32

const (
	NoError Code = iota
	ProtocolError
	InternalError
	FlowControlError
	SettingsTimeout
	StreamClosed
	FrameSizeError
	RefusedStream
	Cancel
	CompressionError
	ConnectError
	EnhanceYourCalm
	InadequateSecurity
	HTTP11Required
)

var codes = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
	"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// Known reports whether the code has a name.
func (c Code) Known() bool { return c < Code(len(codes)) }

// String is the name of a code, its number where it has none.
func (c Code) String() string {
	if c.Known() {
		return codes[c]
	}
	return "0x" + strconv.FormatUint(uint64(c), 16)
}

// Error is an error of a stream or, where Stream is 0, of the connection
// (RFC 9113, 5.4).
type Error struct {
	Code   Code
	Stream uint32
	Reason string
}

func (e *Error) Error() string {
	if e.Stream > 0 {
		return "http2: stream " + strconv.FormatUint(uint64(e.Stream), 10) + ": " + e.Code.String() + ": " + e.Reason
	}
	return "http2: " + e.Code.String() + ": " + e.Reason
}

// Errors of HPACK. All but ErrTooLarge leave the connection's compression in
// ruins: each is, or wraps, ErrCompression or ErrShort, and the connection ends
// with CompressionError.
var (
	ErrCompression = errors.New("field block cannot be read")
	ErrShort       = errors.New("field block is cut")

	// ErrTooLarge says that a section is over the Decoder's Limits. The block
	// was read to its end, so the connection may go on.
	ErrTooLarge = errors.New("field section is larger than allowed")
)

// broken is an ErrCompression with its reason.
type broken string

func (b broken) Error() string { return ErrCompression.Error() + ": " + string(b) }
func (b broken) Unwrap() error { return ErrCompression }

const (
	errIndex       = broken("it refers to an entry that does not exist")
	errInteger     = broken("an integer is larger than anything it may mean")
	errHuffman     = broken("a Huffman-coded text is in disorder")
	errUpdatePlace = broken("the table's size is updated after a field")
	errUpdateSize  = broken("the table is made larger than allowed")
	errNoUpdate    = broken("the table was to be made smaller and is not")
)
