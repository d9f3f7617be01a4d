package h2

import (
	"errors"
	"time"

	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/socket"
)

// A connection has one timer. What has a deadline says so by arm; when the timer
// fires, tick looks what is due and arms it for what comes next.

// arm has tick called at a time, or before. Locked.
func (c *conn) arm(at int64) {
	if c.fate != nil || c.armed != 0 && c.armed <= at {
		return
	}
	c.armed = at
	d := time.Duration(at - time.Now().UnixNano())
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.tick)
		return
	}
	c.timer.Reset(d)
}

// armIdle arms the timer for the rest, and the end, of a connection without
// streams. Locked.
func (c *conn) armIdle() {
	if c.server {
		c.arm(c.quiet + int64(socket.RestAfter))
	}
	if c.o.Idle > 0 {
		c.arm(c.quiet + int64(c.o.Idle))
	}
}

func (c *conn) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = 0
	if c.fate != nil || c.closing {
		return
	}
	now := time.Now().UnixNano()
	next := int64(0)
	due := func(at int64) bool {
		if at > now && (next == 0 || at < next) {
			next = at
		}
		return at <= now
	}
	switch {
	case !c.acked && due(c.began+int64(c.o.Settings)):
		c.late(wire.SettingsTimeout, "SETTINGS is not acknowledged")
		return
	case c.rest != 0 && due(c.rest+int64(c.o.Frame)):
		c.late(wire.EnhanceYourCalm, "the rest of a frame does not come")
		return
	case c.quiet != 0 && c.o.Idle > 0 && due(c.quiet+int64(c.o.Idle)):
		c.side.idled()
		return
	}
	if c.server && c.quiet != 0 && !c.rested && due(c.quiet+int64(socket.RestAfter)) {
		c.endWait()
	}
	c.side.look(now)
	if at := c.side.deadline(); at != 0 {
		due(at)
	}
	if next != 0 {
		c.arm(next)
	}
}

// errRest says that reading has ended only for the goroutine to change.
var errRest = errors.New("h2: nothing has come for a while")

// endWait has the reading goroutine change. Locked.
func (c *conn) endWait() {
	c.resting, c.rested = true, true
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails only when closed
}

// rests reports whether a wait has ended only for the goroutine to change.
func (c *conn) rests() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.resting || c.fate != nil || c.closing && !c.writing && len(c.out) == 0 { // or has been hung up
		return false
	}
	c.resting = false
	_ = c.nc.SetReadDeadline(time.Time{}) // fails only when closed
	return true
}

// late ends the connection for what did not come in time. Locked.
func (c *conn) late(code wire.Code, reason string) {
	c.farewell(c.lastSeen, code, reason)
	c.wrong = &wire.Error{Code: code, Reason: reason}
	c.end(relay.ErrClosed)
	c.shutWhenWritten()
}
