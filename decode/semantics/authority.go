package semantics

import "bytes"

// SplitPort takes an authority apart: host without brackets, and port, which
// is 0 when there is none that can be read.
func SplitPort(authority []byte) (host []byte, port uint16) {
	host = authority
	if len(host) > 0 && host[0] == '[' {
		end := bytes.IndexByte(host, ']')
		if end < 0 {
			return host, 0
		}
		return host[1:end], parsePort(host[end+1:])
	}
	c := bytes.IndexByte(host, ':')
	if c < 0 || bytes.IndexByte(host[c+1:], ':') >= 0 {
		return host, 0
	}
	return host[:c], parsePort(host[c:])
}

// parsePort reads ":80".
func parsePort(b []byte) uint16 {
	if len(b) < 2 || len(b) > 6 || b[0] != ':' || !digits(b[1:]) {
		return 0
	}
	n := 0
	for _, c := range b[1:] {
		n = n*10 + int(c-'0')
	}
	if n > 65535 {
		return 0
	}
	return uint16(n)
}

func digits(b []byte) bool {
	for _, c := range b {
		if !digit(c) {
			return false
		}
	}
	return true
}
