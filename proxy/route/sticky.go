package route

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// cookie is one that clients are given.
type cookie struct {
	name   []byte
	made   bool   // where a client has none
	suffix []byte // of a field that sets it, after the value
}

func newCookie(c *config.Cookie) *cookie {
	k := &cookie{name: []byte(c.Name), made: c.Made()}
	if c.TTL > 0 {
		k.suffix = strconv.AppendInt(append(k.suffix, "; Max-Age="...), int64((c.TTL+time.Second-1)/time.Second), 10)
	}
	k.suffix = append(append(k.suffix, "; Path="...), c.Path...)
	for _, a := range c.Attributes {
		k.suffix = append(append(k.suffix, "; "...), a.Name...)
		if a.Value != "" {
			k.suffix = append(append(k.suffix, '='), a.Value...)
		}
	}
	k.suffix = append(k.suffix, "; HttpOnly"...)
	return k
}

var (
	cookieField = []byte("cookie")
	setCookie   = []byte("set-cookie")
	dquote      = []byte{'"'}
)

// value is what a request says the cookie is (RFC 6265, 5.4); empty for none.
func (c *cookie) value(h *http1.Head) []byte {
	for i := range h.Fields {
		f := &h.Fields[i]
		if !same(f, cookieField) {
			continue
		}
		for rest := f.Value; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte{';'})
			name, value, _ := bytes.Cut(bytes.TrimLeft(pair, " \t"), []byte{'='})
			if bytes.Equal(name, c.name) {
				return bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimRight(value, " \t"), dquote), dquote)
			}
		}
	}
	return nil
}

// set adds the field that has a client keep the cookie.
func (c *cookie) set(value []byte, s *Scratch, answer []http1.Field) []http1.Field {
	text := s.Text(func(b []byte) []byte {
		b = append(append(append(b, c.name...), '='), value...)
		return append(b, c.suffix...)
	})
	return append(answer, http1.Field{Name: setCookie, Value: text, ID: http1.IDOf(setCookie)})
}

// sticky has the requests of a client stay with the host that served the first.
type sticky struct {
	cookie *cookie // that holds the host's address, encoded
	header []byte  // or the field that does, as it is
	strict bool
}

func newSticky(c *config.Sticky) *sticky {
	if c == nil {
		return nil
	}
	s := &sticky{strict: c.Strict, header: []byte(lower(c.Header))}
	if c.Cookie != nil {
		s.cookie = newCookie(c.Cookie)
	}
	return s
}

// maxOverride bounds what a client may say of the host that it wants, in bytes.
const maxOverride = 1024

// want notes in w which host served the client before.
func (k *sticky) want(h *http1.Head, w *upstream.Want, s *Scratch) {
	if k.cookie == nil {
		if v := h.Get(decode.View(k.header)); len(v) <= maxOverride {
			w.Override = decode.View(v)
		}
	} else if v := k.cookie.value(h); len(v) > 0 && len(v) <= maxOverride {
		address := s.Text(func(b []byte) []byte {
			at := len(b)
			b, err := base64.RawURLEncoding.AppendDecode(b, v)
			if err != nil {
				return b[:at]
			}
			return b
		})
		w.Override = decode.View(address)
	}
	w.Strict = k.strict && w.Override != ""
}

// Keep adds to answer what has the client come back to the host of that address,
// where it did not want that one anyway.
func (r *Route) Keep(address string, w *upstream.Want, s *Scratch, answer []http1.Field) []http1.Field {
	k := r.aim.sticky
	if k == nil || address == "" || address == w.Override {
		return answer
	}
	if k.cookie == nil {
		value := s.Text(func(b []byte) []byte { return append(b, address...) })
		return append(answer, http1.Field{Name: k.header, Value: value, ID: http1.IDOf(k.header)})
	}
	var buf [128]byte
	return k.cookie.set(base64.RawURLEncoding.AppendEncode(buf[:0], []byte(address)), s, answer)
}
