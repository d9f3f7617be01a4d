package http2

import (
	"encoding/binary"
	"strconv"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/semantics"
	"github.com/pitot-io/pitot/internal/event"
)

// inspectLayer passes on what a layer found in the frame that it was shown.
func (t *conn) inspectLayer(m *decode.Message) {
	m.Offset, m.Stream = t.shown.offset, t.shown.stream
	t.c.Inspect(m)
}

// inspectTunnel is Inspect of what a stream carries.
func (t *conn) inspectTunnel(s *stream) func(*decode.Message) {
	id := s.id
	return s.tunnel.shown.Inspect("out of its frames", func(m *decode.Message) {
		m.Stream = id
		t.c.Inspect(m)
	})
}

func (t *conn) inspectPreface(d event.Dir, at int64) {
	if t.c.Inspect != nil {
		h := &t.half[d]
		t.c.Inspect(&decode.Message{Dir: d, At: at, Offset: h.offset, Size: int64(len(preface)), Protocol: "http2", Kind: "PREFACE"})
	}
}

// inspectSkipped tells bytes in which no frame was found.
func (t *conn) inspectSkipped(d event.Dir, at, offset int64, n int) {
	if t.c.Inspect != nil && n > 0 {
		t.c.Inspect(&decode.Message{Dir: d, At: at, Offset: offset, Size: int64(n), Protocol: "http2", Kind: "skipped", Flags: gapFlag(d)})
	}
}

// inspectFrame tells a frame whose payload begins with p.
func (t *conn) inspectFrame(d event.Dir, at int64, p []byte) {
	t.text = t.appendFrame(t.text[:0], d, p)
	t.message(d, at, 0)
}

// inspectFragment tells a frame whose fields go on in the next.
func (t *conn) inspectFragment(d event.Dir, at int64) {
	t.text = t.half[d].frame.appendFlags(t.text[:0])
	t.message(d, at, 0)
}

// inspectFields tells the frame that completed a section.
func (t *conn) inspectFields(d event.Dir, at int64) {
	h := &t.half[d]
	b := h.frame.appendFlags(t.text[:0])
	if h.block.push {
		b = strconv.AppendUint(append(b, " promises="...), uint64(h.block.promised), 10)
	}
	for i := range h.fields.Fields {
		f := &h.fields.Fields[i]
		b = append(append(append(b, ' '), f.Name...), '=')
		at := len(b)
		b = printable(semantics.AppendValue(b, view(f.Name), view(f.Value)), at)
	}
	t.text = b
	var flags event.DecodeFlags
	if h.fields.Unsure() {
		flags = event.HPACKUnsure
	}
	t.message(d, at, flags)
}

// printable quotes the text from at on where it has blanks or control characters.
func printable(b []byte, at int) []byte {
	for _, c := range b[at:] {
		if c <= ' ' || c >= 0x7f || c == '"' {
			return append(b[:at], strconv.Quote(string(b[at:]))...)
		}
	}
	return b
}

func (t *conn) message(d event.Dir, at int64, flags event.DecodeFlags) {
	h := &t.half[d]
	if h.hole {
		flags |= gapFlag(d)
	}
	t.c.Inspect(&decode.Message{
		Dir: d, At: at, Offset: h.offset, Size: int64(headSize + h.frame.length), Protocol: "http2",
		Kind: h.frame.name(), Stream: h.frame.stream, Text: decode.View(t.text), Flags: flags,
	})
}

// name is the frame's type in words.
func (f frame) name() string {
	if r := f.rule(); r != nil {
		return r.name
	}
	return "type 0x" + strconv.FormatUint(uint64(f.kind), 16)
}

// appendFlags adds the names of the flags that are set.
func (f frame) appendFlags(b []byte) []byte {
	add := func(flag uint8, name string) {
		if r := f.rule(); r != nil && r.flags&flag != 0 && f.has(flag) {
			if len(b) > 0 {
				b = append(b, ' ')
			}
			b = append(b, name...)
		}
	}
	if f.kind == frameSettings || f.kind == framePing {
		add(flagAck, "ACK")
	} else {
		add(flagEndStream, "END_STREAM")
	}
	add(flagEndHeaders, "END_HEADERS")
	add(flagPadded, "PADDED")
	add(flagPriority, "PRIORITY")
	return b
}

// settingNames are the settings of RFC 9113, 8441 and 9218 by number.
var settingNames = [...]string{
	1: "HEADER_TABLE_SIZE", 2: "ENABLE_PUSH", 3: "MAX_CONCURRENT_STREAMS", 4: "INITIAL_WINDOW_SIZE", 5: "MAX_FRAME_SIZE",
	6: "MAX_HEADER_LIST_SIZE", 8: "ENABLE_CONNECT_PROTOCOL", 9: "NO_RFC7540_PRIORITIES",
}

// appendFrame says in one line what a frame other than one with fields is.
func (t *conn) appendFrame(b []byte, d event.Dir, p []byte) []byte {
	f := t.half[d].frame
	b = f.appendFlags(b)
	pair := func(name string, v uint64) {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(append(append(b, name...), '='), v, 10)
	}
	switch {
	case f.kind == frameData:
		pair("length", uint64(f.length))
	case f.kind == frameReset && len(p) >= 4:
		b = append(b, codeName(binary.BigEndian.Uint32(p))...)
	case f.kind == frameWindowUpdate && len(p) >= 4:
		pair("increment", uint64(binary.BigEndian.Uint32(p)&^(1<<31)))
	case f.kind == frameGoAway && len(p) >= 8:
		pair("last_stream", uint64(binary.BigEndian.Uint32(p)&^(1<<31)))
		b = append(append(b, ' '), codeName(binary.BigEndian.Uint32(p[4:]))...)
	case f.kind == framePriority && len(p) >= 5:
		pair("depends_on", uint64(binary.BigEndian.Uint32(p)&^(1<<31)))
		pair("weight", uint64(p[4])+1)
	case f.kind == frameSettings:
		for ; len(p) >= 6; p = p[6:] {
			pair(settingName(binary.BigEndian.Uint16(p)), uint64(binary.BigEndian.Uint32(p[2:])))
		}
	}
	return b
}

func settingName(id uint16) string {
	if int(id) < len(settingNames) && settingNames[id] != "" {
		return settingNames[id]
	}
	return "0x" + strconv.FormatUint(uint64(id), 16)
}
