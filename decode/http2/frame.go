package http2

import (
	"encoding/binary"
	"strconv"
)

const (
	headSize   = 9
	frameLimit = 1 << 14 // SETTINGS_MAX_FRAME_SIZE before anything is said (RFC 9113, 6.5.2)
	maxFrame   = 1<<24 - 1
	preface    = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // RFC 9113, 3.4
)

// Types of frames (RFC 9113, 6; RFC 7838, 8336, 9218 for the extensions).
const (
	frameData           = 0x0
	frameHeaders        = 0x1
	framePriority       = 0x2
	frameReset          = 0x3
	frameSettings       = 0x4
	framePushPromise    = 0x5
	framePing           = 0x6
	frameGoAway         = 0x7
	frameWindowUpdate   = 0x8
	frameContinuation   = 0x9
	frameAltSvc         = 0xa
	frameOrigin         = 0xc
	framePriorityUpdate = 0x10
)

const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Settings that matter here (RFC 9113, 6.5.2).
const (
	settingTable    = 0x1
	settingMaxFrame = 0x5
)

// frame is a frame's header.
type frame struct {
	length int
	kind   uint8
	flags  uint8
	stream uint32
	odd    bool // the reserved bit is set
}

func parseFrame(b []byte) frame {
	id := binary.BigEndian.Uint32(b[5:])
	return frame{int(b[0])<<16 | int(b[1])<<8 | int(b[2]), b[3], b[4], id &^ (1 << 31), id>>31 != 0}
}

func (f frame) has(flag uint8) bool { return f.flags&flag != 0 }

// rule is what RFC 9113, 6 asks of the frames of a type.
type rule struct {
	name     string
	flags    uint8 // those that are defined
	onStream bool  // belongs to a stream; else to the connection
	either   bool  // to both
	min, max int   // bytes
}

var rules = [...]rule{
	frameData:           {"DATA", flagEndStream | flagPadded, true, false, 0, maxFrame},
	frameHeaders:        {"HEADERS", flagEndStream | flagEndHeaders | flagPadded | flagPriority, true, false, 0, maxFrame},
	framePriority:       {"PRIORITY", 0, true, false, 5, 5},
	frameReset:          {"RST_STREAM", 0, true, false, 4, 4},
	frameSettings:       {"SETTINGS", flagAck, false, false, 0, maxFrame},
	framePushPromise:    {"PUSH_PROMISE", flagEndHeaders | flagPadded, true, false, 4, maxFrame},
	framePing:           {"PING", flagAck, false, false, 8, 8},
	frameGoAway:         {"GOAWAY", 0, false, false, 8, maxFrame},
	frameWindowUpdate:   {"WINDOW_UPDATE", 0, false, true, 4, 4},
	frameContinuation:   {"CONTINUATION", flagEndHeaders, true, false, 0, maxFrame},
	frameAltSvc:         {"ALTSVC", 0, false, true, 2, maxFrame},
	frameOrigin:         {"ORIGIN", 0, false, false, 0, maxFrame},
	framePriorityUpdate: {"PRIORITY_UPDATE", 0, false, false, 4, maxFrame},
}

// rule is what is known of the frame's type; nil for one that is not known,
// which is passed over (RFC 9113, 4.1).
func (f frame) rule() *rule {
	if int(f.kind) < len(rules) && rules[f.kind].name != "" {
		return &rules[f.kind]
	}
	return nil
}

// broken is why the frame cannot be what it says, "" for one in order.
func (f frame) broken() string {
	if f.stream > 0 && (f.kind == frameData || f.kind == frameHeaders) {
		return "" // most: of any length
	}
	r := f.rule()
	switch {
	case r == nil:
		return ""
	case f.length < r.min || f.length > r.max:
		return "a frame's length does not fit its type"
	case r.either:
		return ""
	case r.onStream && f.stream == 0:
		return "a frame of a stream names none"
	case !r.onStream && f.stream != 0:
		return "a frame of the connection names a stream"
	case f.kind == frameSettings && (f.length%6 != 0 || f.has(flagAck) && f.length > 0):
		return "a frame's length does not fit its type"
	}
	return ""
}

// codes are the error codes of RFC 9113, 7.
var codes = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
	"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// codeName is the name of an error code, its number where it has none.
func codeName(c uint32) string {
	if c < uint32(len(codes)) {
		return codes[c]
	}
	return "0x" + strconv.FormatUint(uint64(c), 16)
}
