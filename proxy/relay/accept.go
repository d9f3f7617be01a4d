package relay

import (
	"crypto/sha1"
	"encoding/base64"
)

// AppendAccept adds the value of Sec-WebSocket-Accept that answers a
// Sec-WebSocket-Key (RFC 6455, 4.2.2).
func AppendAccept(b, key []byte) []byte {
	var room [128]byte
	sum := sha1.Sum(append(append(room[:0], key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	return base64.StdEncoding.AppendEncode(b, sum[:])
}
