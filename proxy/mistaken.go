package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/pitot-io/pitot/proxy/socket"
)

// A client that asks in the clear where TLS is spoken is told so, and has
// mistakenTime to take it in and to stop talking, for mistakenBytes at most.
const (
	mistakenTime  = time.Second
	mistakenBytes = 64 << 10
	mistakenReply = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 45\r\n\r\n" +
		"pitot: TLS is spoken here, and this was none\n"
)

// asksPlainly reports whether a handshake failed because of a request of HTTP.
func asksPlainly(err error) bool {
	r, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH", "PRI *"}, string(r.RecordHeader[:]))
}

// correct tells a client that it is mistaken.
func correct(c socket.Conn) {
	_ = c.SetDeadline(time.Now().Add(mistakenTime)) // fails only when closed, and then so does the rest
	if _, err := io.WriteString(c, mistakenReply); err != nil || c.CloseWrite() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, mistakenBytes) // a close with unread bytes would reset the answer away
}
