package tls

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// handshake reads the messages of a record.
func (k *conn) handshake(d event.Dir, r *heldRecord, b []byte, deciphered bool) {
	h := &k.half[d]
	var kinds []byte
	if h.messages.have > 0 {
		kinds = append(kinds, h.messages.header[0])
	}
	h.messages.feed(b, k.Limits.Head, func(kind byte) {
		kinds = append(kinds, kind)
	}, func(kind byte, body []byte) {
		k.message(d, r.at, kind, body, deciphered)
	})
	k.showHandshake(d, r, kinds, b, deciphered)
}

func (k *conn) message(d event.Dir, at int64, kind byte, body []byte, deciphered bool) {
	h := &k.half[d]
	switch {
	case kind == kindClientHello && d == event.ToServer:
		k.helloClient(parseClientHello(body))
	case kind == kindServerHello && d == event.ToClient:
		k.helloServer(at, parseServerHello(body, k.client))
	case !deciphered || k.server.version < versionTLS13:
	case kind == kindExtensions && h.gen.epoch == handshake:
		k.server.alpn, k.accepted = encryptedExtensions(body)
		k.settled = true
	case kind == kindFinished && h.gen.epoch == handshake,
		kind == kindEndOfEarly && h.gen.epoch == early,
		kind == kindKeyUpdate && h.gen.epoch == traffic:
		k.turn(d)
	}
}

func (k *conn) helloClient(h *clientHello) {
	if h == nil {
		return
	}
	k.client, k.retried = h, false
	if k.first == nil {
		k.first = h
	}
}

func (k *conn) helloServer(at int64, s *serverHello) {
	if s == nil {
		return
	}
	if s.retry && k.server == nil {
		k.retried = true
		k.half[event.ToServer].held = held{} // early data that the server did not take
		return
	}
	if k.server == nil {
		k.toldAt = at
	}
	k.server = s
	k.suite, k.openable = suiteOf(s.suite)
	k.openable = k.openable && s.version >= versionTLS12
	k.settled = k.settled || s.version < versionTLS13 || !k.openable || k.Keys == nil
}

func (k *conn) helloV2(d event.Dir, r *heldRecord, rec []byte) {
	if h, ok := parseV2Hello(rec, false); ok && d == event.ToServer {
		k.client, k.first = h, h
		k.showHandshake(d, r, []byte{kindClientHello}, nil, false)
	}
}

// handover names the decoder of an ALPN protocol (RFC 7301, RFC 9113).
func handover(alpn string) decode.Handover {
	switch alpn {
	case "h2", "grpc-exp":
		return decode.Handover{Protocol: "http2"}
	case "http/1.1", "http/1.0":
		return decode.Handover{Protocol: "http1"}
	}
	return decode.Handover{}
}
