package wire

import (
	"encoding/binary"
	"strconv"
)

// Setting is one parameter of a SETTINGS frame.
type Setting struct {
	ID    SettingID
	Value uint32
}

// SettingID names a parameter (RFC 9113, 6.5.2; RFC 8441, 9218).
type SettingID uint16

const (
	SettingHeaderTableSize       SettingID = 0x1
	SettingEnablePush            SettingID = 0x2
	SettingMaxConcurrentStreams  SettingID = 0x3
	SettingInitialWindowSize     SettingID = 0x4
	SettingMaxFrameSize          SettingID = 0x5
	SettingMaxHeaderListSize     SettingID = 0x6
	SettingEnableConnectProtocol SettingID = 0x8
	SettingNoRFC7540Priorities   SettingID = 0x9
)

const settingSize = 6

var settingNames = [...]string{
	1: "HEADER_TABLE_SIZE", 2: "ENABLE_PUSH", 3: "MAX_CONCURRENT_STREAMS", 4: "INITIAL_WINDOW_SIZE", 5: "MAX_FRAME_SIZE",
	6: "MAX_HEADER_LIST_SIZE", 8: "ENABLE_CONNECT_PROTOCOL", 9: "NO_RFC7540_PRIORITIES",
}

// String is the parameter's name, its number where it has none.
func (id SettingID) String() string {
	if int(id) < len(settingNames) && settingNames[id] != "" {
		return settingNames[id]
	}
	return "0x" + strconv.FormatUint(uint64(id), 16)
}

// ParseSetting reads the setting at the start of p, a SETTINGS frame's payload,
// and is what comes after it; ok is false at the end of p.
func ParseSetting(p []byte) (s Setting, rest []byte, ok bool) {
	if len(p) < settingSize {
		return Setting{}, nil, false
	}
	return Setting{SettingID(binary.BigEndian.Uint16(p)), binary.BigEndian.Uint32(p[2:])}, p[settingSize:], true
}

// Check says what is wrong with a value, nil for one in order (RFC 9113, 6.5.2;
// RFC 8441, 3; RFC 9218, 2.1).
func (s Setting) Check() *Error {
	wrong := func(c Code) *Error {
		return &Error{Code: c, Reason: s.ID.String() + " is " + strconv.FormatUint(uint64(s.Value), 10)}
	}
	switch s.ID {
	case SettingEnablePush, SettingEnableConnectProtocol, SettingNoRFC7540Priorities:
		if s.Value > 1 {
			return wrong(ProtocolError)
		}
	case SettingInitialWindowSize:
		if s.Value > LargestWindow {
			return wrong(FlowControlError)
		}
	case SettingMaxFrameSize:
		if s.Value < DefaultMaxFrame || s.Value > LargestMaxFrame {
			return wrong(ProtocolError)
		}
	}
	return nil
}
