package tls

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

const noJA4 = "000000000000"

// ja4 is the JA4 fingerprint of a ClientHello over TCP; none is defined for
// hellos in the form of SSL 2.0.
func (h *clientHello) ja4() string {
	if h.v2 {
		return ""
	}
	suites := without(h.suites, grease)
	extensions := without(h.extensions, grease)
	name := 'i'
	if h.named {
		name = 'd'
	}
	a := fmt.Sprintf("t%s%c%02d%02d%s", ja4Version(h.highest()), name, min(len(suites), 99), min(len(extensions), 99), h.ja4ALPN())
	hashed := without(extensions, func(e uint16) bool { return e == extServerName || e == extALPN })
	return a + "_" + ja4List(suites, nil) + "_" + ja4List(hashed, without(h.signatures, grease))
}

func without(all []uint16, drop func(uint16) bool) []uint16 {
	return slices.DeleteFunc(slices.Clone(all), drop)
}

func ja4Version(v uint16) string {
	switch v {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case versionSSL2:
		return "s2"
	}
	return "00"
}

// ja4ALPN is the first and the last character of the first protocol offered,
// or of its hexadecimal form where one of them is no letter or digit.
func (h *clientHello) ja4ALPN() string {
	if len(h.alpn) == 0 || h.alpn[0] == "" {
		return "00"
	}
	s := h.alpn[0]
	if !alphanumeric(s[0]) || !alphanumeric(s[len(s)-1]) {
		s = hex.EncodeToString([]byte(s))
	}
	return string([]byte{s[0], s[len(s)-1]})
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// ja4List is the start of the SHA-256 of sorted in order of value, followed by
// then as it stands. An empty list has no hash.
func ja4List(sorted, then []uint16) string {
	if len(sorted) == 0 {
		return noJA4
	}
	slices.Sort(sorted)
	text := appendHex(nil, sorted)
	if len(then) > 0 {
		text = appendHex(append(text, '_'), then)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

func appendHex(b []byte, all []uint16) []byte {
	for i, v := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%04x", v)
	}
	return b
}
