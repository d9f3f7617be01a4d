package packet

// fragments collects the pieces of IP datagrams. Both the number of datagrams
// and the size of each are bounded; the oldest makes room.
type fragments struct {
	limits Limits
	byKey  map[fragmentKey]*datagram
	order  []fragmentKey // oldest first, as long as byKey
}

type fragmentKey struct {
	src, dst Endpoint
	id       uint32
	protocol uint8
}

type datagram struct {
	since int64
	total int // -1 until the last fragment came
	holes []hole
	buf   []byte
}

// hole is a range that has not come: RFC 815's way.
type hole struct{ from, to int }

const openEnd = 1 << 20

func newFragments(l Limits) fragments {
	return fragments{limits: l, byKey: make(map[fragmentKey]*datagram)}
}

// fragment keeps c's bytes, which lie at offset of their datagram, and goes on
// with the datagram when it is whole.
func (c *cursor) fragment(protocol uint8, id uint32, offset int, more bool) layer {
	c.p.Counts.Fragments++
	f := &c.p.fragments
	end := offset + len(c.b)
	if c.cut > 0 || len(c.b) == 0 || end > f.limits.Datagram || more && len(c.b)%8 != 0 {
		return broken
	}
	key := fragmentKey{c.seg.Src, c.seg.Dst, id, protocol}
	d := f.datagram(key, c.at)
	d.add(offset, c.b, more)
	if len(d.holes) > 0 {
		return waits
	}
	f.forget(key)
	c.p.Counts.Reassembled++
	c.b, c.cut = d.buf[:d.total], 0
	if c.seg.Src.Family == 6 {
		return c.extensions(protocol)
	}
	return protocolLayer(protocol)
}

func (f *fragments) datagram(key fragmentKey, at int64) *datagram {
	for len(f.order) > 0 && at-f.byKey[f.order[0]].since > f.limits.Wait {
		f.forget(f.order[0])
	}
	d := f.byKey[key]
	if d == nil {
		if len(f.order) > 0 && len(f.order) >= f.limits.Fragments {
			f.forget(f.order[0])
		}
		d = &datagram{since: at, total: -1, holes: []hole{{0, openEnd}}}
		f.byKey[key] = d
		f.order = append(f.order, key)
	}
	return d
}

func (f *fragments) forget(key fragmentKey) {
	delete(f.byKey, key)
	for i := range f.order {
		if f.order[i] == key {
			f.order = append(f.order[:i], f.order[i+1:]...)
			return
		}
	}
}

// add puts b in the holes it fits; what has come already stays as it is.
func (d *datagram) add(offset int, b []byte, more bool) {
	end := offset + len(b)
	if !more && d.total < 0 {
		d.total = end
		d.endAt(end)
	}
	if need := end; need > len(d.buf) {
		d.buf = append(d.buf, make([]byte, need-len(d.buf))...)
	}
	var left []hole
	for _, h := range d.holes {
		from, to := max(h.from, offset), min(h.to, end)
		if from >= to {
			left = append(left, h)
			continue
		}
		copy(d.buf[from:to], b[from-offset:to-offset])
		if h.from < from {
			left = append(left, hole{h.from, from})
		}
		if to < h.to {
			left = append(left, hole{to, h.to})
		}
	}
	d.holes = left
}

// endAt says that the datagram ends at end: nothing is missing behind it.
func (d *datagram) endAt(end int) {
	kept := d.holes[:0]
	for _, h := range d.holes {
		h.to = min(h.to, end)
		if h.from < h.to {
			kept = append(kept, h)
		}
	}
	d.holes = kept
	if len(d.buf) < end {
		d.buf = append(d.buf, make([]byte, end-len(d.buf))...)
	}
}
