package proxyproto

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Families of addresses, and the transport that is meant here (the text, 2.2).
const (
	unspecified byte = 0
	inet        byte = 1
	inet6       byte = 2
	unixFamily  byte = 3
	stream      byte = 1
)

const (
	fixedLen  = 16 // signature, command, family and length
	inetLen   = 4 + 4 + 2 + 2
	inet6Len  = 16 + 16 + 2 + 2
	unixLen   = 108 + 108
	versioned = 0x20
	local     = versioned | 0
	proxied   = versioned | 1
)

func parseV2(b []byte, limit int) (h Header, n int, err error) {
	if len(b) > 12 && b[12] != local && b[12] != proxied {
		return h, 0, fmt.Errorf("%w: version and command %#02x", ErrWrong, b[12])
	}
	if len(b) < fixedLen {
		return h, 0, nil
	}
	n = fixedLen + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case n > limit:
		return h, 0, fmt.Errorf("%w: %d bytes, more than %d", ErrWrong, n, limit)
	case len(b) < n:
		return h, 0, nil
	}
	h.Version = 2
	if b[12] == local { // whatever follows is to be skipped
		h.Local = true
		return h, n, nil
	}
	rest, err := h.addresses(b[13], b[fixedLen:n])
	if err == nil {
		err = h.tlvs(b[:n], n-len(rest))
	}
	if err != nil {
		return Header{}, 0, err
	}
	return h, n, nil
}

// addresses reads both addresses and gives what follows them. Those that no
// TCP connection can have are skipped: the real ones stand, then.
func (h *Header) addresses(kind byte, b []byte) ([]byte, error) {
	family, transport := kind>>4, kind&0xf
	if family > unixFamily || transport > 2 {
		return nil, fmt.Errorf("%w: family and protocol %#02x", ErrWrong, kind)
	}
	size := [...]int{0, inetLen, inet6Len, unixLen}[family]
	if len(b) < size {
		return nil, fmt.Errorf("%w: %d bytes of addresses, not %d", ErrWrong, len(b), size)
	}
	switch {
	case transport != stream || family != inet && family != inet6:
		h.Local = true
	default:
		ip := (size - 4) / 2
		from, _ := netip.AddrFromSlice(b[:ip])
		to, _ := netip.AddrFromSlice(b[ip : 2*ip])
		h.Source = netip.AddrPortFrom(from.Unmap(), binary.BigEndian.Uint16(b[2*ip:]))
		h.Destination = netip.AddrPortFrom(to.Unmap(), binary.BigEndian.Uint16(b[2*ip+2:]))
	}
	return b[size:], nil
}

// AppendV2 adds a header of version 2. Where the addresses are not both known it
// says so.
func AppendV2(b []byte, source, destination netip.AddrPort) []byte {
	source, destination, family := pair(source, destination)
	b = append(append(b, v2...), proxied)
	switch family {
	case inet:
		b = append(b, inet<<4|stream, 0, inetLen)
	case inet6:
		b = append(b, inet6<<4|stream, 0, inet6Len)
	default:
		return append(b, 0, 0, 0)
	}
	b = append(append(b, source.Addr().AsSlice()...), destination.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, source.Port())
	return binary.BigEndian.AppendUint16(b, destination.Port())
}
