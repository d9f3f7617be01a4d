package wire

import "encoding/binary"

// AppendHeader adds a frame's header.
func AppendHeader(b []byte, h Header) []byte {
	return append(b, byte(h.Length>>16), byte(h.Length>>8), byte(h.Length), byte(h.Type), h.Flags,
		byte(h.Stream>>24), byte(h.Stream>>16), byte(h.Stream>>8), byte(h.Stream))
}

// AppendDataHeader adds the header of a DATA frame whose n bytes the caller
// writes after it; n is at most the other side's SETTINGS_MAX_FRAME_SIZE.
func AppendDataHeader(b []byte, stream uint32, n int, end bool) []byte {
	return AppendHeader(b, Header{n, FrameData, endStream(end), stream})
}

func endStream(end bool) uint8 {
	if end {
		return FlagEndStream
	}
	return 0
}

// AppendData adds a DATA frame.
func AppendData(b []byte, stream uint32, data []byte, end bool) []byte {
	return append(AppendDataHeader(b, stream, len(data), end), data...)
}

// AppendHeaders adds a field block as a HEADERS frame, and CONTINUATION frames
// after it where it is longer than maxFrame, the other side's
// SETTINGS_MAX_FRAME_SIZE.
func AppendHeaders(b []byte, stream uint32, block []byte, end bool, maxFrame int) []byte {
	at := len(b)
	b = append(OpenHeaders(b), block...)
	return CloseHeaders(b, at, stream, end, maxFrame)
}

// OpenHeaders adds room for the header of a HEADERS frame. Whoever writes
// fields in place notes len(b) before, adds the block by an Encoder, and calls
// CloseHeaders.
func OpenHeaders(b []byte) []byte { return append(b, make([]byte, HeaderSize)...) }

// CloseHeaders completes the HEADERS frame that OpenHeaders began at b[at], and
// cuts a block longer than maxFrame into CONTINUATION frames.
func CloseHeaders(b []byte, at int, stream uint32, end bool, maxFrame int) []byte {
	h := Header{len(b) - at - HeaderSize, FrameHeaders, endStream(end), stream}
	if h.Length <= maxFrame {
		h.Flags |= FlagEndHeaders
		AppendHeader(b[:at], h)
		return b
	}
	rest := h.Length - maxFrame
	frames := (rest + maxFrame - 1) / maxFrame
	b = append(b, make([]byte, frames*HeaderSize)...)
	h.Length = maxFrame
	AppendHeader(b[:at], h)
	first := at + HeaderSize + maxFrame // of what the CONTINUATION frames carry
	for k := frames - 1; k >= 0; k-- {  // the last first, so that nothing is overwritten
		from := first + k*maxFrame
		n := min(maxFrame, first+rest-from)
		to := from + k*HeaderSize
		copy(b[to+HeaderSize:], b[from:from+n])
		c := Header{n, FrameContinuation, 0, stream}
		if k == frames-1 {
			c.Flags = FlagEndHeaders
		}
		AppendHeader(b[:to], c)
	}
	return b
}

// AppendSettings adds a SETTINGS frame.
func AppendSettings(b []byte, settings ...Setting) []byte {
	b = AppendHeader(b, Header{Length: len(settings) * settingSize, Type: FrameSettings})
	for _, s := range settings {
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(s.ID)), s.Value)
	}
	return b
}

// AppendSettingsAck adds the acknowledgement of a SETTINGS frame.
func AppendSettingsAck(b []byte) []byte {
	return AppendHeader(b, Header{Type: FrameSettings, Flags: FlagAck})
}

// AppendWindowUpdate adds a WINDOW_UPDATE frame; stream 0 is the connection's.
func AppendWindowUpdate(b []byte, stream, increment uint32) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(b, Header{4, FrameWindowUpdate, 0, stream}), increment)
}

// AppendPing adds a PING frame, or the answer to one.
func AppendPing(b []byte, ack bool, data [8]byte) []byte {
	h := Header{Length: len(data), Type: FramePing}
	if ack {
		h.Flags = FlagAck
	}
	return append(AppendHeader(b, h), data[:]...)
}

// AppendRSTStream adds an RST_STREAM frame.
func AppendRSTStream(b []byte, stream uint32, c Code) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(b, Header{4, FrameRSTStream, 0, stream}), uint32(c))
}

// AppendGoAway adds a GOAWAY frame; debug is for people who look at captures.
func AppendGoAway(b []byte, last uint32, c Code, debug string) []byte {
	b = AppendHeader(b, Header{Length: 8 + len(debug), Type: FrameGoAway})
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, last), uint32(c))
	return append(b, debug...)
}
