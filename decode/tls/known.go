package tls

import (
	"crypto/tls"
	"slices"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// Hello is what a client's hello says.
type Hello struct{ h *clientHello }

// HelloOf is a hello that crypto/tls has read.
func HelloOf(i *tls.ClientHelloInfo) *Hello {
	h := &clientHello{
		suites: i.CipherSuites, extensions: i.Extensions, versions: i.SupportedVersions,
		alpn: i.SupportedProtos, serverName: printable([]byte(i.ServerName)),
		named: slices.Contains(i.Extensions, extServerName), ech: slices.Contains(i.Extensions, extECH),
	}
	for _, s := range i.SignatureSchemes {
		h.signatures = append(h.signatures, uint16(s))
	}
	return &Hello{h}
}

// maxHello bounds a hello: a chain of records with it may be as long as that.
const maxHello = 64 << 10

// HelloReader looks for a client's hello in the first bytes of a connection.
type HelloReader struct {
	messages messages
	at       int // bytes of records that were read
	hello    *Hello
}

// Read is given all bytes that have come so far. more says that further ones
// are needed to tell; without it and a hello, the bytes are none, or their
// hello is larger than 64 KiB.
func (r *HelloReader) Read(b []byte) (h *Hello, more bool) {
	switch {
	case Detect(event.ToServer, b) == decode.No:
		return nil, false
	case len(b) > 0 && b[0]&0x80 != 0:
		return readV2Hello(b)
	}
	for r.hello == nil {
		rest := b[r.at:]
		n, ok := recordLength(rest)
		if !ok || len(rest) > 0 && rest[0] != typeHandshake {
			return nil, false
		}
		if len(rest) < headerLen || len(rest) < headerLen+n {
			return nil, len(b) < maxHello
		}
		r.messages.feed(rest[headerLen:headerLen+n], maxHello, func(byte) {}, r.message)
		r.at += headerLen + n
		if r.messages.rest > maxHello {
			return nil, false
		}
	}
	return r.hello, false
}

func readV2Hello(b []byte) (h *Hello, more bool) {
	if v2, ok := parseV2Hello(b, false); ok {
		return &Hello{v2}, false
	}
	return nil, len(b) < maxHello
}

func (r *HelloReader) message(kind byte, body []byte) {
	if c := parseClientHello(body); kind == kindClientHello && c != nil && r.hello == nil {
		r.hello = &Hello{c}
	}
}

// ServerName is the name that the client asks for, "" where it names none. It
// is visible ASCII, whatever the client sent.
func (h *Hello) ServerName() string { return h.h.serverName }

// Connection is the event of a connection whose TLS somebody else speaks.
func Connection(c decode.Conn, at int64, h *Hello, s *tls.ConnectionState) event.Notice {
	k := &conn{Conn: c, first: h.h, server: &serverHello{version: s.Version, suite: s.CipherSuite, alpn: s.NegotiatedProtocol, resumed: s.DidResume}}
	return event.Notice{Time: at, Name: event.EventTLS, Body: k.sentence(), Attributes: k.attributes()}
}

// Failed is the event of a handshake that failed, which somebody else tried; h
// is nil when no hello came. reason is one word, text says more.
func Failed(c decode.Conn, at int64, h *Hello, reason, text string) event.Notice {
	k := &conn{Conn: c}
	to := ""
	if h != nil {
		if k.first = h.h; h.h.serverName != "" {
			to = " to " + h.h.serverName
		}
	}
	return event.Notice{
		Time: at, Name: event.EventTLSFailed, Severity: event.Warn, Body: "TLS handshake" + to + " failed: " + text,
		Attributes: append(k.attributes(), event.KeyValue{Key: event.AttrTLSFailure, Value: reason}),
	}
}
