package wire

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

// What the Append functions write, golang.org/x/net reads.
func TestFramesAreReadByOthers(t *testing.T) {
	var b []byte
	b = AppendSettings(b, Setting{SettingMaxFrameSize, 1 << 15}, Setting{SettingInitialWindowSize, 77})
	b = AppendSettingsAck(b)
	b = AppendHeaders(b, 3, []byte{0x82, 0x86, 0x84}, true, DefaultMaxFrame)
	b = AppendData(b, 5, []byte("hello"), false)
	b = AppendData(b, 1<<31-1, nil, true)
	b = AppendWindowUpdate(b, 0, 1<<31-1)
	b = AppendWindowUpdate(b, 7, 1)
	b = AppendPing(b, true, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	b = AppendRSTStream(b, 9, Cancel)
	b = AppendGoAway(b, 11, EnhanceYourCalm, "calm")
	want := []string{
		"[FrameHeader SETTINGS len=12]", "[FrameHeader SETTINGS flags=ACK len=0]", "[FrameHeader HEADERS flags=END_STREAM|END_HEADERS stream=3 len=3]",
		"[FrameHeader DATA stream=5 len=5]", "[FrameHeader DATA flags=END_STREAM stream=2147483647 len=0]", "[FrameHeader WINDOW_UPDATE len=4]",
		"[FrameHeader WINDOW_UPDATE stream=7 len=4]", "[FrameHeader PING flags=ACK len=8]", "[FrameHeader RST_STREAM stream=9 len=4]", "[FrameHeader GOAWAY len=12]",
	}
	f := http2.NewFramer(nil, bytes.NewReader(b))
	for i, w := range want {
		x, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		h := ParseHeader(b)
		if got := x.Header().String(); got != w || h.Stream != x.Header().StreamID || h.Length != int(x.Header().Length) || h.Type.String() != x.Header().Type.String() {
			t.Errorf("frame %d is %s (here %+v), want %s", i, got, h, w)
		}
		if err := h.Check(DefaultMaxFrame); err != nil {
			t.Errorf("frame %d: %v", i, err)
		}
		p := b[HeaderSize : HeaderSize+h.Length]
		switch x := x.(type) {
		case *http2.SettingsFrame:
			for i := range x.NumSettings() {
				s, rest, ok := ParseSetting(p)
				if p = rest; !ok || http2.SettingID(s.ID) != x.Setting(i).ID || s.Value != x.Setting(i).Val {
					t.Errorf("setting %d is %v", i, s)
				}
			}
		case *http2.GoAwayFrame:
			if last, c, debug := ParseGoAway(p); last != 11 || c != EnhanceYourCalm || string(debug) != "calm" || x.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("%d %v %q", last, c, debug)
			}
		case *http2.RSTStreamFrame:
			if c := ParseRSTStream(p); c != Cancel || x.ErrCode != http2.ErrCodeCancel {
				t.Errorf("reset by %v", c)
			}
		case *http2.WindowUpdateFrame:
			if n, err := h.ParseWindowUpdate(p); err != nil || n != x.Increment {
				t.Errorf("window grows by %d: %v", n, err)
			}
		}
		b = b[HeaderSize+h.Length:]
	}
}

// A field block is the same whatever it is cut into.
func TestContinuations(t *testing.T) {
	block := make([]byte, 100)
	for i := range block {
		block[i] = byte(i)
	}
	for maxFrame := 1; maxFrame <= len(block)+1; maxFrame++ {
		b := AppendHeaders([]byte("before"), 5, block, true, maxFrame)
		b = b[len("before"):]
		var got []byte
		for n := 0; len(b) > 0; n++ {
			h := ParseHeader(b)
			last := len(b) == HeaderSize+h.Length
			if h.Length > maxFrame || h.Stream != 5 || (h.Type == FrameHeaders) != (n == 0) || n > 0 && h.Type != FrameContinuation ||
				h.Has(FlagEndHeaders) != last || h.Has(FlagEndStream) != (n == 0) {
				t.Fatalf("cut at %d: frame %d is %+v", maxFrame, n, h)
			}
			got = append(got, b[HeaderSize:HeaderSize+h.Length]...)
			b = b[HeaderSize+h.Length:]
		}
		if !bytes.Equal(got, block) {
			t.Fatalf("cut at %d: %x", maxFrame, got)
		}
	}
}

// Headers of frames that RFC 9113, 6 does not allow.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name   string
		h      Header
		code   Code
		stream uint32
	}{
		{"too long", Header{DefaultMaxFrame + 1, FrameData, 0, 1}, FrameSizeError, 0},
		{"too long, unknown", Header{DefaultMaxFrame + 1, 0x77, 0, 1}, FrameSizeError, 0},
		{"unknown", Header{5, 0x77, 0xff, 1}, NoError, 0},
		{"unknown of the connection", Header{5, 0xb, 0xff, 0}, NoError, 0},
		{"DATA of no stream", Header{1, FrameData, 0, 0}, ProtocolError, 0},
		{"HEADERS of no stream", Header{1, FrameHeaders, 0, 0}, ProtocolError, 0},
		{"CONTINUATION of no stream", Header{1, FrameContinuation, 0, 0}, ProtocolError, 0},
		{"RST_STREAM of no stream", Header{4, FrameRSTStream, 0, 0}, ProtocolError, 0},
		{"RST_STREAM of 3", Header{3, FrameRSTStream, 0, 1}, FrameSizeError, 0},
		{"PRIORITY of 4", Header{4, FramePriority, 0, 1}, FrameSizeError, 1},
		{"SETTINGS of a stream", Header{0, FrameSettings, 0, 1}, ProtocolError, 0},
		{"SETTINGS of 5", Header{5, FrameSettings, 0, 0}, FrameSizeError, 0},
		{"SETTINGS ACK with some", Header{6, FrameSettings, FlagAck, 0}, FrameSizeError, 0},
		{"PING of 9", Header{9, FramePing, 0, 0}, FrameSizeError, 0},
		{"PING of a stream", Header{8, FramePing, 0, 1}, ProtocolError, 0},
		{"GOAWAY of 7", Header{7, FrameGoAway, 0, 0}, FrameSizeError, 0},
		{"GOAWAY of a stream", Header{8, FrameGoAway, 0, 2}, ProtocolError, 0},
		{"WINDOW_UPDATE of 5", Header{5, FrameWindowUpdate, 0, 1}, FrameSizeError, 0},
		{"in order", Header{DefaultMaxFrame, FrameData, 0, 1}, NoError, 0},
	} {
		err := c.h.Check(DefaultMaxFrame)
		if (err == nil) != (c.code == NoError) || err != nil && (err.Code != c.code || err.Stream != c.stream) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPayloads(t *testing.T) {
	for _, c := range []struct {
		name, want string // in hex; or the error's text
		h          Header
		p          string
	}{
		{"plain", "8286", Header{Type: FrameHeaders, Stream: 1}, "8286"},
		{"padded", "82", Header{Type: FrameHeaders, Flags: FlagPadded, Stream: 1}, "02820000"},
		{"all padding", "", Header{Type: FrameHeaders, Flags: FlagPadded, Stream: 1}, "020000"},
		{"too much padding", "http2: PROTOCOL_ERROR: a frame's padding is longer than the frame", Header{Type: FrameHeaders, Flags: FlagPadded, Stream: 1}, "0300"},
		{"no room for a padding", "http2: PROTOCOL_ERROR: a frame's padding is longer than the frame", Header{Type: FrameHeaders, Flags: FlagPadded, Stream: 1}, ""},
		{"priority", "82", Header{Type: FrameHeaders, Flags: FlagPriority, Stream: 1}, "80000003ff82"},
		{"both", "82", Header{Type: FrameHeaders, Flags: FlagPriority | FlagPadded, Stream: 1}, "0180000003ff8200"},
		{"no room for a priority", "http2: FRAME_SIZE_ERROR: a HEADERS frame is too short for its priority", Header{Type: FrameHeaders, Flags: FlagPriority, Stream: 1}, "80000003"},
		{"depends on itself", "http2: stream 3: PROTOCOL_ERROR: a stream depends on itself", Header{Type: FrameHeaders, Flags: FlagPriority, Stream: 3}, "80000003ff82"},
		{"continuation", "0102", Header{Type: FrameContinuation, Flags: 0xff, Stream: 3}, "0102"},
	} {
		want := c.want
		got, err := c.h.Fragment(unhex(t, c.p))
		if err != nil {
			if err.Error() != want {
				t.Errorf("%s: %v", c.name, err)
			}
		} else if !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s: %x", c.name, got)
		}
	}
	if data, pad, err := (Header{Type: FrameData, Flags: FlagPadded}).Unpad([]byte("\x03ab\x00\x00\x00")); string(data) != "ab" || pad != 4 || err != nil {
		t.Errorf("%q %d %v", data, pad, err)
	}
	if _, err := (Header{Stream: 7}).ParseWindowUpdate([]byte{0x80, 0, 0, 0}); err == nil || err.Stream != 7 || err.Code != ProtocolError {
		t.Errorf("window grows by nothing: %v", err)
	}
	for s, want := range map[Setting]Code{
		{SettingEnablePush, 2}: ProtocolError, {SettingEnablePush, 1}: NoError, {SettingInitialWindowSize, 1 << 31}: FlowControlError,
		{SettingMaxFrameSize, 1<<14 - 1}: ProtocolError, {SettingMaxFrameSize, 1 << 24}: ProtocolError, {SettingMaxFrameSize, 1<<24 - 1}: NoError,
		{SettingEnableConnectProtocol, 2}: ProtocolError, {0x77, 1 << 31}: NoError, {SettingHeaderTableSize, 1<<32 - 1}: NoError,
	} {
		if err := s.Check(); (err == nil) != (want == NoError) || err != nil && err.Code != want {
			t.Errorf("%v: %v", s, err)
		}
	}
}
