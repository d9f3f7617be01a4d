package websocket

import (
	"encoding/binary"
	"net/netip"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

const ms = 1_000_000

// raw is a frame of those bits, masked or not.
func raw(first byte, mask bool, payload string) string {
	b := []byte{first}
	m := byte(0)
	if mask {
		m = masked
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, m|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, m|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, m|127), uint64(n))
	}
	if !mask {
		return string(append(b, payload...))
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i&3])
	}
	return string(b)
}

// c and s are whole frames of the client and of the server.
func c(op byte, payload string) string { return raw(final|op, true, payload) }
func s(op byte, payload string) string { return raw(final|op, false, payload) }

// code is a close frame's payload.
func code(n uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, n)) + reason
}

func testConn() decode.Conn {
	return decode.Conn{
		Client: netip.MustParseAddrPort("10.0.0.1:50000"), Server: netip.MustParseAddrPort("10.0.0.2:80"), Stream: 3, Limits: decode.DefaultLimits(),
	}
}

// upgraded is a handshake as HTTP/1.1 leaves it.
func upgraded() decode.Handover {
	return decode.Handover{
		Protocol: Name, Extensions: "permessage-deflate; server_no_context_takeover", Subprotocol: "chat",
		Request: &event.Exchange{
			TraceID: event.TraceID{1}, SpanID: event.SpanID{2}, ParentID: event.SpanID{9}, Protocol: event.HTTP11, Name: "GET /rooms/{id}",
			Client: testConn().Client, Server: testConn().Server, Stream: 3, Start: 990 * ms, FirstByte: 994 * ms, End: 995 * ms,
			RequestBytes: 200, ResponseBytes: 100,
			HTTP: &event.HTTP{
				Method: "GET", Scheme: "http", Host: "chat.example", Path: "/rooms/7", Version: "1.1", Template: "/rooms/{id}", StatusCode: 101,
				Upgrade: "websocket", Interim: 1,
			},
		},
	}
}

func session() decode.Decoder { return Take(testConn(), upgraded()) }
