package proxyproto

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
)

// parseV1 reads a line as "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n" (the
// text, 2.1).
func parseV1(b []byte) (h Header, n int, err error) {
	end := bytes.IndexByte(b[:min(len(b), maxV1)], '\n')
	switch {
	case end < 0 && len(b) >= maxV1:
		return h, 0, fmt.Errorf("%w: line of more than %d bytes", ErrWrong, maxV1)
	case end < 0:
		return h, 0, nil
	case end == 0 || b[end-1] != '\r':
		return h, 0, fmt.Errorf("%w: line that ends in LF alone", ErrWrong)
	}
	h.Version = 1
	words := bytes.Split(b[len(v1):end-1], []byte{' '})
	if string(words[0]) == "UNKNOWN" { // the rest of the line is to be ignored
		h.Local = true
		return h, end + 1, nil
	}
	if len(words) != 5 {
		return h, 0, fmt.Errorf("%w: %d words, not 6", ErrWrong, len(words)+1)
	}
	if h.Source, err = address(words[0], words[1], words[3]); err == nil {
		h.Destination, err = address(words[0], words[2], words[4])
	}
	if err != nil {
		return Header{}, 0, err
	}
	return h, end + 1, nil
}

func address(family, ip, port []byte) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(string(ip))
	switch {
	case err != nil || a.Zone() != "":
		return netip.AddrPort{}, fmt.Errorf("%w: %q is no address", ErrWrong, ip)
	case string(family) == "TCP4" && a.Is4(), string(family) == "TCP6" && a.Is6():
	default:
		return netip.AddrPort{}, fmt.Errorf("%w: %q is no address of %q", ErrWrong, ip, family)
	}
	p, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' || port[0] == '+' {
		return netip.AddrPort{}, fmt.Errorf("%w: %q is no port", ErrWrong, port)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), nil
}

// AppendV1 adds a header of version 1. Where the addresses are not both known it
// says so.
func AppendV1(b []byte, source, destination netip.AddrPort) []byte {
	source, destination, family := pair(source, destination)
	switch family {
	case inet:
		b = append(b, "PROXY TCP4 "...)
	case inet6:
		b = append(b, "PROXY TCP6 "...)
	default:
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	b = append(source.Addr().AppendTo(b), ' ')
	b = append(destination.Addr().AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(source.Port()), 10), ' ')
	b = strconv.AppendUint(b, uint64(destination.Port()), 10)
	return append(b, "\r\n"...)
}

// pair makes both addresses ones of the same family.
func pair(a, b netip.AddrPort) (x, y netip.AddrPort, family byte) {
	if !a.IsValid() || !b.IsValid() {
		return a, b, unspecified
	}
	p, q := a.Addr().Unmap().WithZone(""), b.Addr().Unmap().WithZone("")
	family = inet
	if p.Is6() || q.Is6() {
		p, q, family = netip.AddrFrom16(p.As16()), netip.AddrFrom16(q.As16()), inet6
	}
	return netip.AddrPortFrom(p, a.Port()), netip.AddrPortFrom(q, b.Port()), family
}
