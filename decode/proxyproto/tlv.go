package proxyproto

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"unicode/utf8"
)

// Types of what follows the addresses (the text, 2.2.1 to 2.2.7).
const (
	tlvALPN      = 0x01
	tlvAuthority = 0x02
	tlvCRC32C    = 0x03
	tlvUniqueID  = 0x05
	tlvSSL       = 0x20

	tlvSSLVersion = 0x21
	tlvSSLCN      = 0x22
	tlvSSLCipher  = 0x23

	maxUniqueID = 128
	maxText     = 255 // bytes of one text that are kept
)

// next cuts the first entry off b.
func next(b []byte) (kind byte, value, rest []byte, err error) {
	if len(b) < 3 {
		return 0, nil, nil, fmt.Errorf("%w: entry of %d bytes", ErrWrong, len(b))
	}
	end := 3 + int(binary.BigEndian.Uint16(b[1:]))
	if end > len(b) {
		return 0, nil, nil, fmt.Errorf("%w: entry %#02x is longer than the header", ErrWrong, b[0])
	}
	return b[0], b[3:end], b[end:], nil
}

// tlvs reads the entries in header from at on.
func (h *Header) tlvs(header []byte, at int) error {
	for rest := header[at:]; len(rest) > 0; {
		kind, value, after, err := next(rest)
		if err != nil {
			return err
		}
		switch kind {
		case tlvALPN:
			h.ALPN = text(value)
		case tlvAuthority:
			h.Authority = text(value)
		case tlvUniqueID:
			if len(value) > maxUniqueID {
				return fmt.Errorf("%w: unique id of %d bytes", ErrWrong, len(value))
			}
			h.UniqueID = append([]byte(nil), value...)
		case tlvSSL:
			err = h.ssl(value)
		case tlvCRC32C:
			err = checksum(header, len(header)-len(after)-len(value), value)
		}
		if err != nil {
			return err
		}
		rest = after
	}
	return nil
}

// ssl reads what is said of the client's TLS: flags, the result of the
// verification (0 for success), and entries of its own.
func (h *Header) ssl(b []byte) error {
	if len(b) < 5 {
		return fmt.Errorf("%w: entry for TLS of %d bytes", ErrWrong, len(b))
	}
	const spoken, certConn, certSession = 1, 2, 4
	if b[0]&spoken == 0 {
		return nil
	}
	t := &TLS{Verified: b[0]&(certConn|certSession) != 0 && binary.BigEndian.Uint32(b[1:]) == 0}
	for rest := b[5:]; len(rest) > 0; {
		kind, value, after, err := next(rest)
		if err != nil {
			return err
		}
		switch kind {
		case tlvSSLVersion:
			t.Version = text(value)
		case tlvSSLCN:
			t.CommonName = text(value)
		case tlvSSLCipher:
			t.Cipher = text(value)
		}
		rest = after
	}
	h.TLS = t
	return nil
}

// checksum compares the CRC-32C of the header, taken with the checksum itself,
// at that place, zero.
func checksum(header []byte, at int, sum []byte) error {
	if len(sum) != 4 {
		return fmt.Errorf("%w: checksum of %d bytes", ErrWrong, len(sum))
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	c := crc32.Update(0, table, header[:at])
	c = crc32.Update(c, table, make([]byte, 4))
	if c = crc32.Update(c, table, header[at+4:]); c != binary.BigEndian.Uint32(sum) {
		return fmt.Errorf("%w: checksum %08x, not %08x", ErrWrong, sum, c)
	}
	return nil
}

// text is b as text that can be told, bounded.
func text(b []byte) string {
	s := string(b[:min(len(b), maxText)])
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
