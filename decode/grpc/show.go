package grpc

import (
	"strconv"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// json is the message that has just ended, as JSON; "" when it cannot be told.
func (k *call) json(d event.Dir, m *body) string {
	b, s := m.kept, &k.layer.schema
	if m.flags()&flagCompressed != 0 {
		var err error
		if b, err = inflate(k.encoding[d], b, s.message); err != nil {
			k.packed = true
			return ""
		}
	}
	if k.isJSON {
		return string(s.bounded(b))
	}
	text, redacted := s.json(k.method.message[d], b)
	k.redacted = k.redacted || redacted
	return string(text)
}

// show tells the message that has just ended to who inspects.
func (k *call) show(d event.Dir, at int64, text string) {
	m := &k.body[d]
	out := decode.Message{Dir: d, At: at, Size: prefix + m.size(), Protocol: "grpc", Kind: "message"}
	if m.trailed {
		out.Kind = "trailers"
	}
	k.line = append(k.line[:0], k.rpc.Method...)
	k.line = append(k.line, " #"...)
	k.line = strconv.AppendInt(k.line, m.messages, 10)
	if m.flags()&flagCompressed != 0 {
		k.line = append(append(k.line, ", compressed "...), k.encoding[d]...)
	}
	if text != "" {
		k.line = append(append(k.line, ' '), text...)
	}
	if !m.trailed && m.whole() {
		out.Unpacked, out.Inner = k.inner(d, m)
	}
	if m.holed {
		out.Flags = [...]event.DecodeFlags{event.RequestGap, event.ResponseGap}[d]
	}
	out.Text = decode.View(k.line)
	k.inspect(&out)
}

// inspected is how many bytes of a message are kept for who inspects, and made
// of it at most, where nothing more is known of its method.
const inspected = 64 << 10

// inner is the message that has just ended, for who inspects it.
func (k *call) inner(d event.Dir, m *body) (how string, b []byte) {
	if m.flags()&flagCompressed == 0 {
		return "out of its frames", m.kept
	}
	b, err := inflate(k.encoding[d], m.kept, max(inspected, m.limit))
	if err != nil {
		return "", nil
	}
	return "decompressed", b
}
