// Package proxyproto reads and writes the PROXY protocol, versions 1 and 2: what
// a proxy says first on a connection about the one that it carries on. It is
// HAProxy's, described in doc/proxy-protocol.txt of its sources ("the text"
// below).
package proxyproto

import (
	"bytes"
	"errors"
	"net/netip"
)

// Header is what was said. Text and slices are copies.
type Header struct {
	Version int // 1 or 2

	// Local says that the connection is the proxy's own (a health check), or
	// one whose addresses it does not know. There are none, then.
	Local bool

	Source      netip.AddrPort // the client; invalid when not told, or not TCP
	Destination netip.AddrPort // the address that it connected to

	Authority string // host name that the client asked for (TLS' SNI)
	ALPN      string
	UniqueID  []byte // at most 128 bytes
	TLS       *TLS   // where the client spoke TLS to the proxy
}

// TLS is what the proxy says of its client's TLS session.
type TLS struct {
	Version, Cipher string
	CommonName      string // of the client's certificate
	Verified        bool   // the client's certificate was there, and was good
}

// Rich reports whether h tells more than addresses.
func (h *Header) Rich() bool {
	return h.Authority != "" || h.ALPN != "" || len(h.UniqueID) > 0 || h.TLS != nil
}

// DefaultLimit is how long a header of version 2 may be, in bytes.
const DefaultLimit = 4 << 10

// maxV1 is how long a header of version 1 may be (the text, 2.1).
const maxV1 = 107

var (
	v1 = []byte("PROXY ")
	v2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// Errors of Parse; they come wrapped.
var (
	ErrNone  = errors.New("no PROXY header")
	ErrWrong = errors.New("wrong PROXY header")
)

// Parse reads the header at the start of b, n bytes long. n == 0 without an
// error means that more is needed. A header of version 2 that is longer than
// limit is wrong.
func Parse(b []byte, limit int) (h Header, n int, err error) {
	switch {
	case begins(b, v2):
		return parseV2(b, limit)
	case begins(b, v1):
		return parseV1(b)
	}
	return h, 0, ErrNone
}

// begins reports whether b is a beginning of sign, or goes on after it.
func begins(b, sign []byte) bool {
	n := min(len(b), len(sign))
	return bytes.Equal(b[:n], sign[:n])
}
