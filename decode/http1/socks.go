package http1

import (
	"bytes"

	"github.com/pitot-io/pitot/internal/event"
)

// maxPreamble bounds what goes before HTTP on a connection through a SOCKS
// proxy: greeting, user and password, and the name of the host.
const maxPreamble = 1 << 10

// open looks at the very first bytes of a direction, and skips the preamble of
// a SOCKS proxy.
func (t *conn) open(d event.Dir, at int64, in []byte, emit event.Emitter) int {
	h := &t.half[d]
	had := len(h.buf)
	if had == 0 && preamble(d, in[:1]) < 0 {
		h.state = between // as nearly always
		return 0
	}
	if had == 0 {
		h.at = at
	}
	in = in[:min(len(in), maxPreamble-had)]
	h.buf = append(h.buf, in...)
	h.pos += int64(len(in))
	switch n := preamble(d, h.buf); {
	case n > 0:
		h.pos -= int64(len(h.buf) - n)
		h.buf, h.state = h.buf[:0], between
		return n - had
	case n < 0 || len(h.buf) == maxPreamble:
		t.noPreamble(d, emit)
	}
	return len(in)
}

// noPreamble reads what was taken for a preamble as HTTP after all.
func (t *conn) noPreamble(d event.Dir, emit event.Emitter) {
	h := &t.half[d]
	kept, position := h.buf, t.c.Position
	h.buf, h.state = nil, between
	h.pos -= int64(len(kept))
	t.c.Position = nil // what was kept is no part of the call under way
	t.err = t.Feed(d, h.at, kept, emit)
	t.c.Position = position
}

// preamble is the length of a SOCKS dialogue's one side at the start of b: 0
// when b ends before it does, -1 when there is none.
func preamble(d event.Dir, b []byte) int {
	r := reader{b: b}
	switch first := r.byte(); {
	case d == event.ToServer && first == 5:
		r.socks5Client()
	case d == event.ToServer && first == 4:
		r.socks4Client()
	case d == event.ToClient && first == 5:
		r.socks5Server()
	case d == event.ToClient && first == 0:
		r.want(r.byte() == 0x5a) // request granted
		r.skip(6)
	default:
		return -1
	}
	switch {
	case r.bad:
		return -1
	case r.short:
		return 0
	}
	return r.at
}

// reader walks through b; reading past its end sets short, and yields zeros.
type reader struct {
	b          []byte
	at         int
	short, bad bool
}

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.short = true
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) skip(n int) {
	r.at += n
	r.short = r.short || r.at > len(r.b)
}

// want notes a byte that must not be, unless it was never there.
func (r *reader) want(ok bool) { r.bad = r.bad || !ok && !r.short }

// text skips one that ends in NUL.
func (r *reader) text() {
	if r.short {
		return
	}
	k := bytes.IndexByte(r.b[r.at:], 0)
	r.short = k < 0
	r.at += k + 1
}

// socks5Client is greeting, perhaps user and password (RFC 1929), and request
// (RFC 1928, 3 and 4).
func (r *reader) socks5Client() {
	n := r.byte()
	r.want(n > 0)
	r.skip(int(n))
	v := r.byte()
	if v == 1 {
		r.skip(int(r.byte()))
		r.skip(int(r.byte()))
		v = r.byte()
	}
	r.want(v == 5)
	r.want(r.byte() == 1) // CONNECT
	r.address()
}

// socks5Server is the answers to these (RFC 1928, 3 and 6).
func (r *reader) socks5Server() {
	method := r.byte()
	r.want(method == 0 || method == 2)
	if method == 2 {
		r.want(r.byte() == 1)
		r.want(r.byte() == 0)
	}
	r.want(r.byte() == 5)
	r.want(r.byte() == 0)
	r.address()
}

func (r *reader) address() {
	r.want(r.byte() == 0)
	switch kind := r.byte(); kind {
	case 1:
		r.skip(4)
	case 3:
		r.skip(int(r.byte()))
	case 4:
		r.skip(16)
	default:
		r.want(false)
	}
	r.skip(2)
}

func (r *reader) socks4Client() {
	r.want(r.byte() == 1)
	r.skip(2)
	named := r.byte() == 0 && r.byte() == 0 && r.byte() == 0 && r.byte() != 0 // 4a: 0.0.0.x
	if !named {
		r.at = min(8, len(r.b))
		r.short = r.short || len(r.b) < 8
	}
	r.text()
	if named {
		r.text()
	}
}
