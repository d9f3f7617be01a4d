package tls

import "github.com/pitot-io/pitot/internal/event"

// recordNow takes a whole record that ends where direction d has come to.
func (k *conn) recordNow(d event.Dir, at int64, rec []byte, emit event.Emitter) error {
	h := &k.half[d]
	return k.record(d, heldRecord{at: at, seq: h.seq, offset: h.offset - int64(len(rec)), n: len(rec)}, rec, emit)
}

// record takes a whole record, or lets it wait for what it needs, and then
// what waited for it.
func (k *conn) record(d event.Dir, r heldRecord, rec []byte, emit event.Emitter) error {
	h := &k.half[d]
	if len(h.held.pieces) > 0 || !k.ready(d, rec[0]) {
		k.hold(d, r, rec, emit)
	} else if err := k.take(d, r, rec, emit); err != nil {
		return err
	}
	return k.drain(d.Other(), emit, false)
}

// ready reports whether everything is known that a record of that type needs.
// Segments of the two directions may be seen in the wrong order, and what a
// client sends early says nothing of the server that has not answered.
func (k *conn) ready(d event.Dir, kind byte) bool {
	h := &k.half[d]
	switch {
	case d == event.ToClient:
		return kind != typeData && !h.changed || k.client != nil || k.half[event.ToServer].mute
	case kind != typeData && (!h.changed || k.retried):
		return true
	case k.server == nil:
		return k.half[event.ToClient].mute
	}
	return k.server.version < versionTLS13 || k.settled // whether early data is taken, and what protocol it is
}

// hold keeps a record until it can be read, where there is hope for that.
func (k *conn) hold(d event.Dir, r heldRecord, rec []byte, emit event.Emitter) {
	h := &k.half[d]
	switch {
	case k.retried && d == event.ToServer: // early data that the server did not take
	case !k.known(d), len(h.held.bytes)+len(rec) > k.Held:
		k.giveUp(d, r.at, emit)
	default:
		h.held.add(r, rec)
	}
}

// known reports whether there may be secrets for what was sent in direction d.
func (k *conn) known(d event.Dir) bool {
	switch {
	case k.Keys == nil:
		return false
	case k.client == nil:
		return d == event.ToClient && !k.MidStream
	}
	return k.Keys.knows(k.client.random)
}

// drain takes what waits in direction d, as far as it is ready or, by force,
// all of it.
func (k *conn) drain(d event.Dir, emit event.Emitter, force bool) error {
	h := &k.half[d]
	pieces, bytes := h.held.pieces, h.held.bytes
	h.held = held{}
	for i, r := range pieces {
		rec := bytes[:r.n]
		if r.n > 0 && !force && !k.ready(d, rec[0]) {
			h.held = held{pieces: pieces[i:], bytes: bytes}
			return nil
		}
		bytes = bytes[r.n:]
		if r.n == 0 {
			h.missed(r.span)
		} else if err := k.take(d, r, rec, emit); err != nil {
			return err
		}
	}
	return nil
}

// take reads a record. One that cannot be opened is counted.
func (k *conn) take(d event.Dir, r heldRecord, rec []byte, emit event.Emitter) error {
	opened, err := k.process(d, r, rec, emit)
	if !opened && err == nil {
		k.show(d, &r, rec[0], nil, false)
		k.failed(d, r.at, rec[0], emit)
	}
	return err
}

// process reads a record; opened is false when it could not be deciphered.
func (k *conn) process(d event.Dir, r heldRecord, rec []byte, emit event.Emitter) (opened bool, err error) {
	h := &k.half[d]
	h.position = r.seq
	switch {
	case h.mute:
		k.show(d, &r, rec[0], nil, false)
		return true, nil
	case rec[0]&0x80 != 0:
		k.helloV2(d, &r, rec)
		return true, nil
	case !k.protected(d, rec[0]):
		return true, k.content(d, &r, rec[0], rec[headerLen:], false, emit)
	case k.retried && d == event.ToServer:
		return true, nil // early data that the server did not take
	case !k.hopeful():
		k.giveUp(d, r.at, emit)
		k.show(d, &r, rec[0], nil, false)
		return true, nil
	}
	buf := k.buffer()
	defer k.free(buf)
	plain, ok := k.unseal(d, rec, *buf)
	if !ok {
		return false, nil
	}
	kind := rec[0]
	if k.server.version >= versionTLS13 {
		kind, plain = innerType(plain)
	}
	return true, k.content(d, &r, kind, plain, true, emit)
}

// innerType takes apart what TLS 1.3 protects: content, type, padding (RFC
// 8446, 5.2).
func innerType(b []byte) (kind byte, content []byte) {
	for len(b) > 0 {
		last := b[len(b)-1]
		b = b[:len(b)-1]
		if last != 0 {
			return last, b
		}
	}
	return 0, nil
}

// protected reports whether a record of that type is enciphered.
func (k *conn) protected(d event.Dir, kind byte) bool {
	if k.server == nil || k.server.version >= versionTLS13 {
		return kind == typeData
	}
	return k.half[d].changed || kind == typeData
}

// content reads what a record carries.
func (k *conn) content(d event.Dir, r *heldRecord, kind byte, b []byte, deciphered bool, emit event.Emitter) error {
	if kind != typeHandshake {
		k.show(d, r, kind, b, deciphered)
	}
	switch kind {
	case typeData:
		if deciphered && len(b) > 0 {
			return k.deliver(d, r.at, b, emit)
		}
	case typeHandshake:
		k.handshake(d, r, b, deciphered)
		k.tellWhenKnown(emit)
	case typeAlert:
		k.alerts(d, r.at, b, emit)
	case typeChange:
		if k.server == nil || k.server.version < versionTLS13 {
			k.change(d)
		}
	}
	return nil
}

// change begins to protect direction d (TLS 1.2 and before), also anew. In
// TLS 1.3 it means nothing, which only the server's hello tells.
func (k *conn) change(d event.Dir) {
	h := &k.half[d]
	h.changed = true
	h.gen, h.next, h.span = generation{}, 0, 0
	h.messages.reset()
}

// alerts notes the first fatal alert, and that a side has closed.
func (k *conn) alerts(d event.Dir, at int64, b []byte, emit event.Emitter) {
	if len(b) != 2 {
		return
	}
	switch level, code := b[0], b[1]; {
	case code == 0: // close_notify
		k.End(d, at, emit)
	case level == 2 && !k.alerted:
		k.alerted, k.alert, k.alertDir = true, code, d
		k.tell(at, emit)
	}
}

// deliver hands on what was inside a record.
func (k *conn) deliver(d event.Dir, at int64, b []byte, emit event.Emitter) error {
	h := &k.half[d]
	if k.inner == nil {
		k.begin(d, at, emit)
	}
	if h.lost {
		h.lost = false
		k.inner.Gap(d, at, 0, emit)
	}
	k.shown.Feed(d, b)
	return k.inner.Feed(d, at, b, emit)
}

// begin makes the decoder of what is inside.
func (k *conn) begin(d event.Dir, at int64, emit event.Emitter) {
	k.tell(at, emit)
	c := k.Conn
	c.Secure, c.Inspect = true, k.shown.Inspect(unpacked, c.Inspect)
	if c.Position != nil {
		c.Position = func(d event.Dir, _ int) uint32 { return k.half[d].position }
	}
	k.inner = c.Hand(handover(k.server.alpn))
	if k.half[d.Other()].mute {
		k.inner.Gap(d.Other(), at, 0, emit)
	}
}

// failed counts a record that could not be opened. After many in a row there
// is no hope left.
func (k *conn) failed(d event.Dir, at int64, kind byte, emit event.Emitter) {
	h := &k.half[d]
	h.next++
	h.span++
	h.failures++
	h.lost = h.lost || h.gen.epoch == traffic && kind == typeData
	if d == event.ToClient && h.gen.epoch == handshake && h.gen.opener == nil {
		k.settle(emit)
	}
	if h.failures >= patience || k.effort < 0 {
		k.giveUp(d, at, emit)
	}
}

// patience is how many records in a row may fail to open.
const patience = 32

// giveUp reads direction d no further.
func (k *conn) giveUp(d event.Dir, at int64, emit event.Emitter) {
	h := &k.half[d]
	h.mute, h.blind = true, k.Inspect == nil
	h.held = held{}
	h.release(k.shared)
	if k.inner != nil {
		k.inner.Gap(d, at, 0, emit)
	}
	if d == event.ToClient {
		k.settle(emit)
	}
	k.tellWhenKnown(emit)
}

// settle notes that the handshake tells nothing more.
func (k *conn) settle(emit event.Emitter) {
	k.settled = true
	k.tellWhenKnown(emit)
}
