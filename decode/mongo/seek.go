package mongo

import (
	"fmt"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// seek looks in b for a place where a message plausibly begins, and returns
// how many bytes it is done with. A place may lie in the bytes carried over
// from the call before.
func (c *conn) seek(d event.Dir, at int64, off int, b []byte, emit event.Emitter) (int, error) {
	h := &c.half[d]
	if k := len(h.carried()); k > 0 {
		var joined [2*lookLen - 2]byte
		n := copy(joined[:], h.carried())
		n += copy(joined[n:], b[:min(len(b), lookLen-1)])
		if i := c.find(d, joined[:n]); i >= 0 {
			h.found()
			c.regather(d, at, off-(k-i), joined[i:k], emit)
			return 0, nil
		}
		if len(b) < lookLen {
			c.carry(d, joined[k:n])
			return len(b), c.overSeek(h, len(b))
		}
	}
	if i := c.find(d, b); i >= 0 {
		h.found()
		return i, nil
	}
	h.carry = 0
	c.carry(d, b)
	return len(b), c.overSeek(h, len(b))
}

// overSeek gives up after as many bytes as the longest message can have.
func (c *conn) overSeek(h *half, n int) error {
	if h.sought += n; h.sought > c.Limits.Document {
		return fmt.Errorf("mongo: no message in %d bytes: %w", h.sought, decode.ErrLost)
	}
	return nil
}

// find is the first place in b where a message plausibly begins; -1 when there
// is none among those that have enough bytes after them.
func (c *conn) find(d event.Dir, b []byte) int {
	for i := 0; i+lookLen <= len(b); i++ {
		p := b[i : i+lookLen]
		if p[14]|p[15] != 0 || p[13] != 0 && p[13] != opMsg>>8 || p[3] > maxMessage>>24 {
			continue
		}
		h := parseHeader(p)
		if h.sane(d, c.Limits.Document) && paired(h, d) && begins(h, p[headerLen:min(len(p), h.length)]) {
			return i
		}
	}
	return -1
}

// carry keeps the last bytes of what was carried already and b.
func (c *conn) carry(d event.Dir, b []byte) {
	h := &c.half[d]
	var joined [2 * lookLen]byte
	b = b[max(0, len(b)-(lookLen-1)):]
	n := copy(joined[:], h.carried())
	n += copy(joined[n:], b)
	h.carry = copy(h.window[:], joined[max(0, n-(lookLen-1)):n])
}

// regather takes bytes that were carried for a part of a message.
func (c *conn) regather(d event.Dir, at int64, off int, b []byte, emit event.Emitter) {
	for len(b) > 0 {
		if c.half[d].seeking {
			c.carry(d, b)
			return
		}
		n := c.gather(d, at, off, b, emit)
		b, off = b[n:], off+n
	}
}
