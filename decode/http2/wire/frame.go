package wire

import (
	"encoding/binary"
	"strconv"
)

// Sizes and limits of frames.
const (
	HeaderSize      = 9                                  // bytes of a frame's header
	DefaultMaxFrame = 1 << 14                            // SETTINGS_MAX_FRAME_SIZE before anything is said (RFC 9113, 6.5.2)
	LargestMaxFrame = 1<<24 - 1                          // of any SETTINGS_MAX_FRAME_SIZE
	DefaultWindow   = 1<<16 - 1                          // bytes of a flow-control window before anything is said
	LargestWindow   = 1<<31 - 1                          // of any flow-control window
	LargestStream   = 1<<31 - 1                          // number of any stream
	Preface         = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // what a client begins with (RFC 9113, 3.4)
)

// Type of a frame.
type Type uint8

// Types of frames (RFC 9113, 6; RFC 7838, 8336, 9218 for the extensions).
const (
	FrameData           Type = 0x0
	FrameHeaders        Type = 0x1
	FramePriority       Type = 0x2
	FrameRSTStream      Type = 0x3
	FrameSettings       Type = 0x4
	FramePushPromise    Type = 0x5
	FramePing           Type = 0x6
	FrameGoAway         Type = 0x7
	FrameWindowUpdate   Type = 0x8
	FrameContinuation   Type = 0x9
	FrameAltSvc         Type = 0xa
	FrameOrigin         Type = 0xc
	FramePriorityUpdate Type = 0x10
)

// Flags of frames; which of them a type knows, Header.Has leaves to its caller.
const (
	FlagEndStream  = 0x1 // DATA, HEADERS
	FlagAck        = 0x1 // SETTINGS, PING
	FlagEndHeaders = 0x4 // HEADERS, PUSH_PROMISE, CONTINUATION
	FlagPadded     = 0x8 // DATA, HEADERS, PUSH_PROMISE
	FlagPriority   = 0x20
)

// Header is a frame's header.
type Header struct {
	Length int // bytes of the payload
	Type   Type
	Flags  uint8
	Stream uint32 // 0 for the connection; without the reserved bit
}

// ParseHeader reads the header at the start of b, which has at least HeaderSize
// bytes.
func ParseHeader(b []byte) Header {
	_ = b[HeaderSize-1]
	return Header{int(b[0])<<16 | int(b[1])<<8 | int(b[2]), Type(b[3]), b[4], binary.BigEndian.Uint32(b[5:]) &^ (1 << 31)}
}

// Has reports whether a flag is set.
func (h Header) Has(flag uint8) bool { return h.Flags&flag != 0 }

// place is what a type of frame belongs to.
type place uint8

const (
	ofConnection place = 1 << iota
	ofStream
)

// rule is what RFC 9113, 6 asks of the frames of a type.
type rule struct {
	name     string
	of       place
	min, max int // bytes
}

var rules = [...]rule{
	FrameData:           {"DATA", ofStream, 0, LargestMaxFrame},
	FrameHeaders:        {"HEADERS", ofStream, 0, LargestMaxFrame},
	FramePriority:       {"PRIORITY", ofStream, 5, 5},
	FrameRSTStream:      {"RST_STREAM", ofStream, 4, 4},
	FrameSettings:       {"SETTINGS", ofConnection, 0, LargestMaxFrame},
	FramePushPromise:    {"PUSH_PROMISE", ofStream, 4, LargestMaxFrame},
	FramePing:           {"PING", ofConnection, 8, 8},
	FrameGoAway:         {"GOAWAY", ofConnection, 8, LargestMaxFrame},
	FrameWindowUpdate:   {"WINDOW_UPDATE", ofConnection | ofStream, 4, 4},
	FrameContinuation:   {"CONTINUATION", ofStream, 0, LargestMaxFrame},
	FrameAltSvc:         {"ALTSVC", ofConnection | ofStream, 2, LargestMaxFrame},
	FrameOrigin:         {"ORIGIN", ofConnection, 0, LargestMaxFrame},
	FramePriorityUpdate: {"PRIORITY_UPDATE", ofConnection, 4, LargestMaxFrame},
}

// Known reports whether frames of the type mean anything here; others are
// passed over (RFC 9113, 4.1).
func (t Type) Known() bool { return int(t) < len(rules) && rules[t].name != "" }

// String is the type's name, its number where it has none.
func (t Type) String() string {
	if t.Known() {
		return rules[t].name
	}
	return "type 0x" + strconv.FormatUint(uint64(t), 16)
}

// Check says what is wrong with a header by itself, nil for one in order: a
// frame longer than maxFrame, which is what this side has allowed, of a length
// that its type does not have, or with a stream where none belongs (RFC 9113,
// 4.2 and 6). What hangs on the state of stream or connection it does not see.
func (h Header) Check(maxFrame int) *Error {
	if h.Length > maxFrame {
		return h.wrong(FrameSizeError, "a frame is longer than allowed")
	}
	if !h.Type.Known() {
		return nil
	}
	r := &rules[h.Type]
	switch {
	case h.Stream == 0 && r.of&ofConnection == 0:
		return &Error{Code: ProtocolError, Reason: "a frame of a stream names none"}
	case h.Stream != 0 && r.of&ofStream == 0:
		return &Error{Code: ProtocolError, Reason: "a frame of the connection names a stream"}
	case h.Length < r.min, h.Length > r.max:
		return h.wrong(FrameSizeError, "a frame's length does not fit its type")
	case h.Type == FrameSettings && (h.Length%6 != 0 || h.Has(FlagAck) && h.Length > 0):
		return &Error{Code: FrameSizeError, Reason: "a frame's length does not fit its type"}
	}
	return nil
}

// wrong is an error of the connection, or of the stream alone for a frame that
// cannot have changed anything (RFC 9113, 4.2, 5.3.2 and 5.4).
func (h Header) wrong(c Code, reason string) *Error {
	e := &Error{Code: c, Reason: reason}
	if h.Type == FramePriority {
		e.Stream = h.Stream
	}
	return e
}
