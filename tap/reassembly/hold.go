package reassembly

import (
	"github.com/pitot-io/pitot/internal/event"
)

// hold lets x wait for what must come before it.
func (a *Shard) hold(c *Conn, d event.Dir, x held) {
	h := &c.half[d]
	if before(x.seq, h.next) { // all or a part was handed over before
		a.counts.Again++
		a.compare(c, d, &x)
		if !before(h.next, x.end()) {
			return
		}
		x = x.part(h.next, x.end())
	}
	if x.seq == x.end() || h.ended {
		return
	}
	if x.seq != h.next {
		a.counts.Early++
	}
	x.early = x.seq != h.next || len(h.queue) > 0 && h.queue[0].seq != h.next
	was := h.bytes
	if o, differs := h.insert(x, a.limits.LastWins, &a.spare); differs {
		o.Last = a.limits.LastWins
		a.report(c, d, &o)
	}
	a.waits += h.bytes - was
}

// settle hands over what can be, and sees to what must wait no longer.
func (a *Shard) settle(c *Conn) {
	a.drain(c)
	for d := range c.half {
		h := &c.half[d]
		for a.tooMuch(c, h) {
			a.skip(c, event.Dir(d))
			a.drain(c)
		}
	}
	a.watch(c)
	if w := c.acknowledgedHole(&a.limits); w && c.waits && a.now-c.holeSince >= a.limits.AckWait {
		a.giveUp(c)
	}
	for a.waits > a.limits.Total && a.waiting.head != nil {
		a.giveUp(a.waiting.head)
	}
	if c.half[0].ended && c.half[1].ended {
		a.shut(c)
	}
}

// tooMuch reports whether more waits in h than may.
func (a *Shard) tooMuch(c *Conn, h *half) bool {
	segments, bytes := a.limits.Segments, a.limits.Bytes
	if len(h.queue) <= segments && h.bytes <= bytes {
		return false
	}
	if h.lost(c.holeFirst) {
		segments, bytes = segments*a.limits.LossFactor, bytes*a.limits.LossFactor
	}
	return len(h.queue) > segments || h.bytes > bytes
}

// overdue sees to a connection whose hole is Wait old. What its receiver lacks
// too was lost on the network, and will be sent again.
func (a *Shard) overdue(c *Conn) {
	lost := c.half[0].lost(c.holeFirst) || c.half[1].lost(c.holeFirst)
	if lost && a.now-c.holeFirst < a.limits.LossWait && !c.acknowledgedHole(&a.limits) {
		a.rearm(c)
		return
	}
	a.giveUp(c)
}

// drain hands over everything that waits for nothing any more, in both
// directions, since each can hold the other up.
func (a *Shard) drain(c *Conn) {
	for moved := true; moved; {
		moved = a.drainHalf(c, event.ToServer)
		moved = a.drainHalf(c, event.ToClient) || moved
		if moved {
			a.restart(c) // whatever is missing now has been missing since now
		}
	}
}

func (a *Shard) drainHalf(c *Conn, d event.Dir) (moved bool) {
	h, o := &c.half[d], &c.half[d.Other()]
	for len(h.queue) > 0 && h.queue[0].seq == h.next && !(h.queue[0].acks && o.lacks(h.queue[0].ack, &a.limits)) {
		a.pop(c, d)
		moved = true
	}
	if h.hasFin && !h.ended && h.known == sure && !before(h.next, h.fin) {
		h.ended, moved = true, true
		h.next = h.fin + 1 // the FIN has a number of its own
		a.drop(h)
		if c.stream != nil {
			c.stream.End(d, c.clock(a.noticed(c)))
		}
	}
	return moved
}

// pop hands over the first that waits in direction d.
func (a *Shard) pop(c *Conn, d event.Dir) {
	h := &c.half[d]
	x := h.take(0)
	a.waits -= len(x.b)
	if x.early {
		a.ensure(c)
		c.stream.Reordered(d, x.seq, len(x.b))
	}
	a.deliver(c, d, x.at, x.b, x.missing)
	a.spare.free(x.b)
}

// skip declares the hole before the first that waits in direction d a gap and
// hands the first over. It always gets something out of the way.
func (a *Shard) skip(c *Conn, d event.Dir) {
	h := &c.half[d]
	switch {
	case len(h.queue) > 0:
		if n := h.queue[0].seq - h.next; n > 0 {
			a.gap(c, d, h.queue[0].at, n)
		}
		a.pop(c, d)
	case h.hasFin && !h.ended && before(h.next, h.fin):
		a.gap(c, d, a.noticed(c), h.fin-h.next)
	case h.lacks(h.acked, &a.limits) && h.unseenFIN():
		h.finish(h.next)
	case h.lacks(h.acked, &a.limits):
		a.gap(c, d, a.noticed(c), h.acked-h.next)
	}
}

// noticed is the time to tell of a gap before what waits in c: not later than
// that came.
func (a *Shard) noticed(c *Conn) int64 {
	at := a.now
	for d := range c.half {
		if q := c.half[d].queue; len(q) > 0 {
			at = min(at, q[0].at)
		}
	}
	return at
}

// hole reports whether direction d lacks bytes that are known to exist, or
// holds some that wait for the other direction.
func (h *half) hole(l *Limits) bool {
	return len(h.queue) > 0 || h.hasFin && !h.ended || h.lacks(h.acked, l)
}

// giveUp waits no longer for the bytes that c has lacked longest. Holes that
// were acknowledged come first: what waits for them follows in order.
func (a *Shard) giveUp(c *Conn) {
	lost := false
	for d := range c.half {
		h := &c.half[d]
		if h.lacks(h.acked, &a.limits) && (len(h.queue) == 0 || h.queue[0].seq != h.next) {
			lost = a.lose(c, event.Dir(d)) || lost
		}
	}
	for d := range c.half {
		if h := &c.half[d]; !lost && h.hole(&a.limits) {
			a.skip(c, event.Dir(d))
		}
	}
	a.drain(c)
	a.restart(c)
	a.watch(c)
}

// restart gives what c lacks now a time of its own.
func (a *Shard) restart(c *Conn) {
	c.holeFirst = a.now
	a.rearm(c)
}

// rearm lets c wait once more.
func (a *Shard) rearm(c *Conn) {
	c.holeSince = a.now
	if c.waits {
		a.waiting.remove(c, linkWaiting)
		a.waiting.add(c, linkWaiting)
	}
}

// lose declares the hole at next a gap, up to what waits behind it or what was
// acknowledged, whichever comes first.
func (a *Shard) lose(c *Conn, d event.Dir) bool {
	h := &c.half[d]
	if h.unseenFIN() {
		h.finish(h.next)
		return true
	}
	end := h.acked
	if len(h.queue) > 0 && before(h.queue[0].seq, end) {
		end = h.queue[0].seq
	}
	if h.hasFin && before(h.fin, end) {
		end = h.fin
	}
	if !before(h.next, end) {
		return false
	}
	a.gap(c, d, a.noticed(c), end-h.next)
	return true
}

// watch keeps the list of connections that wait.
func (a *Shard) watch(c *Conn) {
	has := c.half[0].hole(&a.limits) || c.half[1].hole(&a.limits)
	switch {
	case has && !c.waits:
		c.waits, c.holeSince, c.holeFirst = true, a.now, a.now
		a.waiting.add(c, linkWaiting)
	case !has && c.waits:
		c.waits = false
		a.waiting.remove(c, linkWaiting)
	}
}

// drop forgets what waits in a half.
func (a *Shard) drop(h *half) {
	for i := range h.queue {
		a.waits -= len(h.queue[i].b)
		a.spare.free(h.queue[i].b)
		h.queue[i] = held{}
	}
	h.queue, h.bytes = h.queue[:0], 0
}

// shut ends the connection: what waits is handed over with its gaps, then the
// stream is closed.
func (a *Shard) shut(c *Conn) {
	if c.closed {
		return
	}
	for range 4 * (a.limits.Segments + 1) {
		if !c.half[0].hole(&a.limits) && !c.half[1].hole(&a.limits) {
			break
		}
		a.giveUp(c)
	}
	a.drop(&c.half[0])
	a.drop(&c.half[1])
	a.trails.drop(&c.half[0])
	a.trails.drop(&c.half[1])
	if c.stream != nil {
		if c.reset != nil {
			c.stream.Reset(c.clock(a.now), c.reset)
		}
		c.stream.Close(c.clock(a.now))
		c.stream = nil
	}
	a.watch(c)
	c.closed = true
}
