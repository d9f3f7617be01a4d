package tls

import (
	"fmt"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// show tells a record to who inspects the connection. b is its content where
// that could be read.
func (k *conn) show(d event.Dir, r *heldRecord, kind byte, b []byte, deciphered bool) {
	if k.Inspect == nil {
		return
	}
	name, text := recordName(kind), fmt.Sprintf("%d bytes", r.n-headerLen)
	switch {
	case b == nil:
	case kind == typeAlert && len(b) == 2:
		text = alertName(b[1])
	default:
		text = fmt.Sprintf("%d bytes of content", len(b))
	}
	if b == nil && k.half[d].changed {
		name += " (encrypted)"
	}
	k.inspect(d, r, name, text, b, deciphered)
}

func recordName(kind byte) string {
	switch kind {
	case typeChange:
		return "ChangeCipherSpec"
	case typeAlert:
		return "Alert"
	case typeHandshake:
		return "Handshake"
	case typeData:
		return "ApplicationData"
	case typeHeartbeat:
		return "Heartbeat"
	}
	return fmt.Sprintf("Record_%d", kind)
}

// showHandshake tells a record with messages of these kinds, of which the
// first may have begun before it.
func (k *conn) showHandshake(d event.Dir, r *heldRecord, kinds, b []byte, deciphered bool) {
	if k.Inspect == nil {
		return
	}
	name, text := "Handshake", ""
	for i, kind := range kinds {
		if i == 0 {
			name = kindName(kind)
		} else {
			name += ", " + kindName(kind)
		}
		switch {
		case kind == kindClientHello && k.first != nil:
			text = fmt.Sprintf("server name %q, offers %q, JA4 %s", k.first.serverName, k.offered(), k.first.ja4())
		case kind == kindServerHello && k.server != nil:
			text = k.versionText() + ", " + suiteName(k.server.suite)
		}
	}
	k.inspect(d, r, name, text, b, deciphered)
}

// inspect tells a record whose content b is.
func (k *conn) inspect(d event.Dir, r *heldRecord, name, text string, b []byte, deciphered bool) {
	m := decode.Message{Dir: d, At: r.at, Offset: r.offset, Size: int64(r.n), Protocol: "tls", Kind: name, Text: text}
	if deciphered {
		m.Kind += " (decrypted)"
		m.Unpacked, m.Inner = unpacked, b
	}
	k.Inspect(&m)
}

// unpacked is decode.Message's word for what was enciphered.
const unpacked = "decrypted"
