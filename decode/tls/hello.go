package tls

import (
	"bytes"
	"slices"
)

// Kinds of handshake messages that are looked into (RFC 8446, 4).
const (
	kindClientHello = 1
	kindServerHello = 2
	kindEndOfEarly  = 5
	kindExtensions  = 8
	kindFinished    = 20
	kindKeyUpdate   = 24
)

// Extensions that are looked into.
const (
	extServerName   = 0
	extSignatures   = 13
	extALPN         = 16
	extPreShared    = 41
	extEarlyData    = 42
	extVersions     = 43
	extECH          = 0xfe0d
	maxServerName   = 255
	maxALPNsOffered = 32
)

const (
	versionSSL2  = 0x0002
	versionTLS12 = 0x0303
	versionTLS13 = 0x0304
)

// clientHello is what a ClientHello says.
type clientHello struct {
	version    uint16 // of the handshake message
	random     [32]byte
	session    []byte
	suites     []uint16
	extensions []uint16
	versions   []uint16 // of supported_versions; nil where that is missing
	signatures []uint16
	alpn       []string
	serverName string
	named      bool // has the extension server_name, also an empty one
	ech        bool
	early      bool
	v2         bool // in the form of SSL 2.0
}

// serverHello is what a ServerHello, and what follows it, says.
type serverHello struct {
	version uint16 // agreed
	random  [32]byte
	suite   uint16
	alpn    string
	resumed bool
	retry   bool
}

// parseClientHello reads the body of a ClientHello (RFC 8446, 4.1.2). One that
// ends early, or whose extensions do, is told as far as it goes; nil means
// that it is none.
func parseClientHello(b []byte) *clientHello {
	c := cursor{b: b}
	h := &clientHello{version: uint16(c.number(2))}
	copy(h.random[:], c.take(32))
	session := c.vector(1)
	h.session = bytes.Clone(session.b)
	h.suites = c.numbers(2)
	c.vector(1) // compression methods
	if c.bad {
		return nil
	}
	extensions := c.vector(2)
	for len(extensions.b) > 0 && !extensions.bad {
		kind := uint16(extensions.number(2))
		body := extensions.vector(2)
		if !extensions.bad {
			h.extension(kind, body)
		}
	}
	return h
}

func (h *clientHello) extension(kind uint16, b cursor) {
	h.extensions = append(h.extensions, kind)
	switch kind {
	case extServerName:
		h.named = true
		h.serverName = hostName(b)
	case extALPN:
		list := b.vector(2)
		for len(list.b) > 0 && !list.bad && len(h.alpn) < maxALPNsOffered {
			name := list.vector(1)
			h.alpn = append(h.alpn, string(name.b))
		}
	case extSignatures:
		h.signatures = b.numbers(2)
	case extVersions:
		h.versions = b.numbers(1)
	case extECH:
		h.ech = true
	case extEarlyData:
		h.early = true
	}
}

// hostName is the first name of type host_name (RFC 6066, 3).
func hostName(b cursor) string {
	list := b.vector(2)
	for len(list.b) > 0 {
		kind := list.number(1)
		name := list.vector(2)
		if kind == 0 && !list.bad && len(name.b) <= maxServerName {
			return printable(name.b)
		}
	}
	return ""
}

// printable is b with ? for everything that is no visible ASCII.
func printable(b []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, b))
}

// v2HelloLen is the length of what stands before the lists of a ClientHello in
// the form of SSL 2.0.
const v2HelloLen = 11

// parseV2Hello reads a ClientHello in the form of SSL 2.0 (RFC 5246, E.2).
// With head only what stands before its lists is looked at.
func parseV2Hello(b []byte, head bool) (*clientHello, bool) {
	if len(b) < v2HelloLen {
		return nil, false
	}
	c := cursor{b: b}
	size := c.number(2) & 0x7fff
	c.take(1)
	h := &clientHello{version: uint16(c.number(2)), v2: true}
	suites, session, challenge := c.number(2), c.number(2), c.number(2)
	if suites == 0 || suites%3 != 0 || session > 32 || challenge < 16 || challenge > 32 || size != v2HelloLen-2+suites+session+challenge {
		return nil, false
	}
	if head {
		return h, true
	}
	for list := (cursor{b: c.take(suites)}); len(list.b) > 0; {
		if s := list.number(3); s <= 0xffff {
			h.suites = append(h.suites, uint16(s))
		}
	}
	c.take(session)
	copy(h.random[32-challenge:], c.take(challenge))
	return h, !c.bad
}

// retryRandom marks a HelloRetryRequest: SHA-256 of that name (RFC 8446, 4.1.3).
const retryRandom = "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C"

// parseServerHello reads the body of a ServerHello; asked is the hello that it
// answers, nil where that was not seen. nil means that it is none.
func parseServerHello(b []byte, asked *clientHello) *serverHello {
	c := cursor{b: b}
	h := &serverHello{version: uint16(c.number(2))}
	copy(h.random[:], c.take(32))
	session := c.vector(1)
	h.suite = uint16(c.number(2))
	c.take(1) // compression method
	if c.bad || h.version>>8 != 3 {
		return nil
	}
	h.retry = string(h.random[:]) == retryRandom
	h.resumed = asked != nil && len(session.b) > 0 && bytes.Equal(session.b, asked.session)
	shared := false
	extensions := c.vector(2)
	for len(extensions.b) > 0 && !extensions.bad {
		kind := extensions.number(2)
		body := extensions.vector(2)
		switch kind {
		case extVersions:
			h.version = uint16(body.number(2))
		case extPreShared:
			shared = true
		case extALPN:
			h.alpn = chosenALPN(body)
		}
	}
	if h.version >= versionTLS13 {
		h.resumed = shared
	}
	return h
}

// chosenALPN is the protocol that a server's extension names (RFC 7301, 3.1).
func chosenALPN(b cursor) string {
	list := b.vector(2)
	name := list.vector(1)
	return printable(name.b)
}

// encryptedExtensions reads what TLS 1.3 tells after the ServerHello.
func encryptedExtensions(b []byte) (alpn string, early bool) {
	c := cursor{b: b}
	extensions := c.vector(2)
	for len(extensions.b) > 0 && !extensions.bad {
		kind := extensions.number(2)
		body := extensions.vector(2)
		switch kind {
		case extALPN:
			alpn = chosenALPN(body)
		case extEarlyData:
			early = true
		}
	}
	return alpn, early
}

// highest is the version that a client offers at best.
func (h *clientHello) highest() uint16 {
	if h.versions == nil {
		return h.version
	}
	known := slices.DeleteFunc(slices.Clone(h.versions), grease)
	if len(known) == 0 {
		return 0
	}
	return slices.Max(known)
}

// grease reports whether v is a value that means nothing (RFC 8701).
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }
