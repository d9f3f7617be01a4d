package tls

import "github.com/pitot-io/pitot/internal/event"

// seek looks for a record in direction d whose place was lost: at anything
// that looks like a header, what follows is taken for a record, and believed
// when it authenticates, or needs not to. It is how much of b it used.
func (k *conn) seek(d event.Dir, at int64, off int, b []byte, emit event.Emitter) (used int, err error) {
	h := &k.half[d]
	if h.buf == nil {
		h.buf = k.buffer()
	}
	if len(*h.buf) == 0 {
		h.seq = k.tcp(d, off)
	}
	for h.seeking && !h.blind {
		size := h.candidate()
		if size > 0 && size <= len(*h.buf) {
			if err := k.found(d, at, size, emit); err != nil {
				return used, err
			}
			continue
		}
		n := min(max(size, headerLen)-len(*h.buf), len(b)-used)
		if n == 0 {
			return used, nil
		}
		*h.buf = append(*h.buf, b[used:used+n]...)
		used += n
		h.offset += int64(n)
	}
	return used, nil
}

// candidate drops bytes from the front of the buffer until the rest looks like
// a record, and is the length of that record; 0 where it is too short to tell.
func (h *half) candidate() int {
	for b, skipped := *h.buf, 0; ; skipped++ {
		if n, ok := recordLength(b[skipped:]); ok {
			h.drop(skipped)
			if len(*h.buf) < headerLen {
				return 0
			}
			return headerLen + n
		}
	}
}

// drop drops n bytes from the front of the buffer.
func (h *half) drop(n int) {
	if n > 0 {
		*h.buf = (*h.buf)[:copy(*h.buf, (*h.buf)[n:])]
		h.seq += uint32(n)
	}
}

// found reads the first size bytes of the buffer if they are a record. If they
// are not, the search goes on behind their first byte.
func (k *conn) found(d event.Dir, at int64, size int, emit event.Emitter) error {
	h := &k.half[d]
	buf := h.buf
	h.buf = nil // so that giving up leaves it alone
	rec := (*buf)[:size]
	r := heldRecord{at: at, seq: h.seq, offset: h.offset - int64(len(*buf)), n: size}
	opened, err := k.attempt(d, r, rec, emit)
	if h.mute && !h.blind || opened || err != nil {
		h.buf = buf
		h.drop(size)
	} else if !h.blind {
		h.buf = buf
		h.drop(1)
	}
	if h.buf == nil {
		k.free(buf)
	} else if len(*buf) == 0 && (opened || h.mute) {
		h.release(k.shared)
		h.seeking = false
	}
	return err
}

// attempt is record for what may be none.
func (k *conn) attempt(d event.Dir, r heldRecord, rec []byte, emit event.Emitter) (opened bool, err error) {
	h := &k.half[d]
	if len(h.held.pieces) > 0 || !k.ready(d, rec[0]) || !k.protected(d, rec[0]) || h.mute {
		return true, k.record(d, r, rec, emit)
	}
	opened, err = k.process(d, r, rec, emit)
	switch {
	case opened && err == nil:
		err = k.drain(d.Other(), emit, false)
	case k.effort < 0 && !h.mute:
		k.giveUp(d, r.at, emit)
	}
	return opened, err
}
