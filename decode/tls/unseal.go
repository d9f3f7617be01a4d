package tls

import "github.com/pitot-io/pitot/internal/event"

// hopeful reports whether this connection could be deciphered at all.
func (k *conn) hopeful() bool {
	return k.Keys != nil && k.client != nil && k.server != nil && k.openable
}

// unseal deciphers rec into dst. Where its number or key is not certain, those
// that may be are tried, within bounds.
func (k *conn) unseal(d event.Dir, rec, dst []byte) (plain []byte, ok bool) {
	h := &k.half[d]
	if h.gen.opener == nil {
		h.gen = k.find(d, h.gen)
	}
	if h.gen.opener != nil {
		if plain, ok = h.gen.opener.open(dst, h.next, rec); ok {
			h.opened(h.next, h.gen)
			return plain, true
		}
		k.effort -= int64(len(rec))
	}
	return k.search(d, rec, dst)
}

// opened notes that the record had number seq under g.
func (h *half) opened(seq uint64, g generation) {
	h.gen, h.next = g, seq+1
	h.span, h.failures = 0, 0
}

// ahead is how many generations of keys a gap may hide.
const ahead = 3

// search tries the numbers and the keys that may follow.
func (k *conn) search(d event.Dir, rec, dst []byte) (plain []byte, ok bool) {
	h := &k.half[d]
	from, to := h.next+1, h.next+uint64(h.span)
	for g := h.gen; ; from, to = 0, uint64(h.span) {
		if plain, seq, ok := k.try(g, from, min(to, from+uint64(k.Search)), rec, dst); ok {
			// Had it followed in order, its number would be next, or 0 under a new key.
			h.lost = h.lost || g.epoch == traffic && seq > 0
			h.opened(seq, g)
			return plain, true
		}
		next, more := k.after(d, g)
		if !more || next.generationsFrom(h.gen) > ahead {
			return nil, false
		}
		g = next
	}
}

// try opens rec under g with one of the numbers from..to.
func (k *conn) try(g generation, from, to uint64, rec, dst []byte) (plain []byte, seq uint64, ok bool) {
	for seq = from; g.opener != nil && seq <= to && k.effort >= 0; seq++ {
		if plain, ok = g.opener.open(dst, seq, rec); ok {
			return plain, seq, true
		}
		k.effort -= int64(len(rec))
	}
	return nil, 0, false
}

func (g generation) generationsFrom(h generation) int { return g.count - h.count }

// find is g, or the epoch that begins with the first protected record, with
// its key where that is known by now.
func (k *conn) find(d event.Dir, g generation) generation {
	if g.epoch == unprotected {
		g.epoch = k.firstEpoch(d)
	}
	if g.opener != nil || g.secret != nil {
		return g
	}
	if k.server.version < versionTLS13 {
		if secret := k.Keys.secret(master, k.client.random); secret != nil {
			g.opener = newOpener12(k.suite, secret, &k.client.random, &k.server.random, d == event.ToClient)
		}
		return g
	}
	if g.secret = k.Keys.secret(g.epoch.label(d), k.client.random); g.secret != nil {
		g.opener = newOpener13(k.suite, g.secret)
	}
	return g
}

func (k *conn) firstEpoch(d event.Dir) epoch {
	switch {
	case k.server.version < versionTLS13:
		return traffic
	case d == event.ToServer && k.accepted && k.client.early:
		return early
	}
	return handshake
}

// after is the generation of keys that follows g.
func (k *conn) after(d event.Dir, g generation) (next generation, ok bool) {
	next.count = g.count + 1
	switch {
	case k.server.version < versionTLS13:
		return g, false
	case g.epoch < traffic:
		next.epoch = g.epoch + 1
		return k.find(d, next), true
	case g.secret == nil:
		return g, false
	}
	next.epoch, next.secret = traffic, nextSecret(k.suite, g.secret)
	next.opener = newOpener13(k.suite, next.secret)
	return next, true
}

// turn goes on to the next generation of keys of direction d.
func (k *conn) turn(d event.Dir) {
	h := &k.half[d]
	if g, ok := k.after(d, h.gen); ok {
		h.gen, h.next, h.span = g, 0, 0
		h.messages.reset()
	}
}
