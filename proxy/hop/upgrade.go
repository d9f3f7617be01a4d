package hop

import (
	"bytes"

	"github.com/pitot-io/pitot/decode/http1"
)

// Change decides about a request that wants the connection to become
// something else, and gives the protocol that the upstream is to be asked
// for, if any. Of several that are offered (RFC 9110, 7.8) it is the first that
// the route allows. Clients that speak newer HTTP or TLS offer these with any
// request, which is then served without; who wants anything else has no use for
// that, and may have begun to speak it: nothing more is read from it.
func Change(r *Route, h *http1.Head) (protocol []byte, f *Failure) {
	if h.Form == http1.Authority {
		if !r.Connect {
			return nil, ConnectRefused
		}
		return nil, nil
	}
	for list := h.Upgrade; len(list) > 0; {
		var name []byte
		name, list = nextOf(list)
		switch {
		case r.Allows(name):
			return name, nil
		case len(name) > 0 && !optional(name):
			f = UpgradeRefused
		}
	}
	return nil, f
}

// optional reports whether a protocol is HTTP all the same: over HTTP/2 (RFC
// 7540, 3.2) or TLS (RFC 2817).
func optional(name []byte) bool {
	return bytes.EqualFold(name, []byte("h2c")) || len(name) > 4 && bytes.EqualFold(name[:4], []byte("tls/"))
}

// nextOf cuts a list at its first comma.
func nextOf(list []byte) (first, rest []byte) {
	first, rest, _ = bytes.Cut(list, []byte{','})
	return bytes.Trim(first, " \t"), rest
}
