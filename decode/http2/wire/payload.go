package wire

import "encoding/binary"

// The functions here read the payload p of a frame whose header passed Check,
// so that p has the header's length.

// Unpad takes the padding off the payload of a DATA frame. pad is how many
// bytes of the frame are not data, its Pad Length field included: they count
// against flow control windows (RFC 9113, 6.1).
func (h Header) Unpad(p []byte) (data []byte, pad int, err *Error) {
	if !h.Has(FlagPadded) {
		return p, 0, nil
	}
	if len(p) == 0 || int(p[0]) >= len(p) {
		return nil, 0, errPadding
	}
	n := int(p[0])
	return p[1 : len(p)-n], n + 1, nil
}

var errPadding = &Error{Code: ProtocolError, Reason: "a frame's padding is longer than the frame"}

// Fragment is the part of a field block that a HEADERS or CONTINUATION frame
// carries: padding and priority are taken off (RFC 9113, 6.2).
func (h Header) Fragment(p []byte) ([]byte, *Error) {
	if h.Type == FrameContinuation {
		return p, nil
	}
	p, _, err := h.Unpad(p)
	switch {
	case err != nil:
		return nil, err
	case !h.Has(FlagPriority):
		return p, nil
	case len(p) < 5:
		return nil, &Error{Code: FrameSizeError, Reason: "a HEADERS frame is too short for its priority"}
	case depends(p) == h.Stream: // RFC 7540, 5.3.1, which h2spec still asks for
		return nil, &Error{Code: ProtocolError, Stream: h.Stream, Reason: "a stream depends on itself"}
	}
	return p[5:], nil
}

func depends(p []byte) uint32 { return binary.BigEndian.Uint32(p) &^ (1 << 31) }

// CheckPriority says what is wrong with a PRIORITY frame, nil for one in order.
func (h Header) CheckPriority(p []byte) *Error {
	if depends(p) == h.Stream {
		return &Error{Code: ProtocolError, Stream: h.Stream, Reason: "a stream depends on itself"}
	}
	return nil
}

// ParseWindowUpdate is a WINDOW_UPDATE frame's increment, which is not 0
// (RFC 9113, 6.9.1).
func (h Header) ParseWindowUpdate(p []byte) (increment uint32, err *Error) {
	increment = binary.BigEndian.Uint32(p) &^ (1 << 31)
	if increment == 0 {
		return 0, &Error{Code: ProtocolError, Stream: h.Stream, Reason: "a window is to grow by nothing"}
	}
	return increment, nil
}

// ParseRSTStream is the code that an RST_STREAM frame gives.
func ParseRSTStream(p []byte) Code { return Code(binary.BigEndian.Uint32(p)) }

// ParseGoAway takes a GOAWAY frame apart: the last stream that its sender took
// up, why it goes, and what it says of that.
func ParseGoAway(p []byte) (last uint32, c Code, debug []byte) {
	return binary.BigEndian.Uint32(p) &^ (1 << 31), Code(binary.BigEndian.Uint32(p[4:])), p[8:]
}
