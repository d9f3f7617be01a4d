package hop

import (
	"bytes"
	"net/netip"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
)

// remote is the client's address as far as x-forwarded-for is believed (Envoy's
// rules): the peer's at an edge; with trusted hops N the Nth from the right,
// at an inner hop the one after these. Where there are not so many, or it is
// no address, it is the peer's.
func (p *Passage) remote(h *http1.Head) netip.AddrPort {
	n := p.rules.Hops
	if p.rules.Trust {
		n++
	}
	if n == 0 {
		return p.peer
	}
	for i := len(h.Fields) - 1; i >= 0; i-- {
		f := &h.Fields[i]
		if f.ID != http1.XForwardedFor || f.Hop {
			continue
		}
		for list := f.Value; ; {
			c := bytes.LastIndexByte(list, ',')
			if n--; n == 0 {
				return p.address(bytes.TrimSpace(list[c+1:]))
			}
			if c < 0 {
				break
			}
			list = list[:c]
		}
	}
	return p.peer
}

// address reads an address of x-forwarded-for, with or without port.
func (p *Passage) address(b []byte) netip.AddrPort {
	s := decode.View(b)
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a.Unmap(), 0)
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return p.peer
}

// passed counts how often name stands in Via as who received the message (RFC
// 9110, 7.6.3).
func passed(h *http1.Head, name string) (n int) {
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != http1.Via {
			continue
		}
		for list := f.Value; len(list) > 0; {
			e := list
			if c := bytes.IndexByte(list, ','); c >= 0 {
				e, list = list[:c], list[c+1:]
			} else {
				list = nil
			}
			_, by, _ := bytes.Cut(bytes.TrimSpace(e), []byte(" "))
			by = bytes.TrimLeft(by, " \t")
			if end := bytes.IndexAny(by, " \t("); end >= 0 {
				by = by[:end]
			}
			if string(by) == name {
				n++
			}
		}
	}
	return n
}

var (
	viaName            = []byte("via")
	xForwardedHostName = []byte("x-forwarded-host")
)

// addVia adds who received a message of that version of HTTP.
func (p *Passage) addVia(fields []http1.Field, version string) []http1.Field {
	v := p.scratch.Text(func(b []byte) []byte {
		for i := range fields {
			if f := &fields[i]; f.ID == http1.Via && !f.Hop {
				b = append(append(b, f.Value...), ", "...)
			}
		}
		return append(append(append(b, version...), ' '), p.rules.Via...)
	})
	return put(fields, viaName, http1.Via, v)
}

// put has one field of that id, with that value.
func put(fields []http1.Field, name []byte, id http1.FieldID, value []byte) []http1.Field {
	n := 0
	for i := range fields {
		if f := &fields[i]; f.ID != id || f.Hop {
			fields[n] = *f
			n++
		}
	}
	return append(fields[:n], http1.Field{Name: name, Value: value, ID: id})
}

// tellHost tells the host that was asked for, unless a hop that is believed has
// told it already.
func (p *Passage) tellHost(h *http1.Head, fields []http1.Field) []http1.Field {
	for i := range fields {
		if fields[i].ID == http1.XForwardedHost && p.KeepProto {
			return fields
		}
	}
	host := h.Host
	if asked, changed := p.scratch.AskedHost(); changed {
		host = asked
	}
	if len(host) == 0 {
		return fields
	}
	return put(fields, xForwardedHostName, http1.XForwardedHost, host)
}
