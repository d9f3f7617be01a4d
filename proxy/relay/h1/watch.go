package h1

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/pitot-io/pitot/proxy/socket"
)

// past is a deadline that is over.
var past = time.Unix(1, 0)

// enter puts the connection into a phase from now on, and reports false when
// it was cut before. A request that came just when a wait for one was cut is
// carried out.
func (c *conn) enter(p phase, now int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.since, c.again, c.quiet = p, now, c.again || p == busy, false
	if c.cut == cutRest || p == busy && (c.cut == cutIdle || c.cut == cutDrain) {
		c.mend()
	}
	return c.cut == notCut
}

// mend takes a cut back. The caller has the lock.
func (c *conn) mend() {
	c.cut = notCut
	_ = c.net.SetReadDeadline(time.Time{}) // fails only when closed
}

// awake reports whether a wait ended only for the goroutine to change.
func (c *conn) awake() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut != cutRest {
		return false
	}
	c.mend()
	return true
}

// enterHeading notes that part of a head has come.
func (c *conn) enterHeading() {
	if c.phase != heading {
		c.enter(heading, c.in.began)
	}
}

func (c *conn) why() cut {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// look is relay.Watched's.
func (c *conn) look(now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, g := &c.srv.o, c.srv.engine
	switch {
	case c.phase == idle && (g.Ending() || g.Draining() && c.again):
		c.end(cutDrain)
	case c.phase == idle && over(now, c.since, int64(o.Idle)):
		c.end(cutIdle)
	case c.phase == idle && !c.quiet && now-c.since >= int64(socket.RestAfter):
		c.quiet = true
		c.end(cutRest)
	case c.phase == heading && g.Closed():
		c.end(cutStop)
	case c.phase == heading && over(now, c.since, int64(o.Header)):
		c.end(cutHead)
	case c.phase == busy && c.gone != nil && now-c.since >= int64(g.Watch().Tick()) && c.hasLeft():
		f := c.gone
		c.gone = nil
		f()
	}
}

func over(now, since, limit int64) bool { return limit > 0 && now-since > limit }

// end has the wait for a head end. Setting deadlines fails only on a connection
// closed already.
func (c *conn) end(why cut) {
	if c.cut <= cutRest {
		c.cut = why
		_ = c.net.SetReadDeadline(past)
	}
}

// hasLeft reports whether the client has closed its side. A socket can be
// looked at while its owner waits for it.
func (c *conn) hasLeft() bool {
	c.left = false
	return c.in.ended.Load() && (c.raw.Control(c.probe) != nil || c.left)
}

// ended looks whether the peer has closed its side, and takes no bytes. Under
// TLS there are bytes that say so before the end.
func ended(fd uintptr, secure bool) bool {
	if secure {
		return socket.Ended(fd)
	}
	var b [1]byte
	n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n == 0 && err == nil || err != nil && err != unix.EAGAIN && err != unix.EINTR
}
