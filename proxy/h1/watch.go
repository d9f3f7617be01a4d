package h1

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/overload"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// One goroutine looks over all connections at every tick (hop.Ticker), and a
// connection only notes what it is at, twice a request.

// phase is what a connection is at.
type phase uint8

const (
	unwatched phase = iota
	fresh           // waits for its first request
	idle            // waits for a request, and its client was there a tick later
	quiet           // has waited for so long that its goroutine was changed
	resting         // has just begun to wait
	heading         // has part of a request's head
	busy            // has an exchange under way
	tunnelled       // has become opaque
	numPhases
)

// cut says why the watch ended a phase.
type cut uint8

const (
	notCut     cut = iota
	cutRest        // nothing is: only the goroutine is to change
	cutIdle        // nothing came for long
	cutDrain       // no further request is wanted
	cutHead        // the head took too long
	cutRequest     // the whole request took too long
	cutRoute       // the answer took too long
	cutStill       // nothing moved
	cutGone        // the client has gone
	cutStop        // the proxy ends
)

// watch is what the watcher knows of a connection. The shard's lock guards it.
type watch struct {
	shard      *shard
	prev, next *conn
	phase      phase
	cut        cut
	complete   bool // the request has been read to its end
	answered   bool // the answer's head has come
	since      int64
	deadline   int64          // for the answer's head, once complete; 0 for none
	timeout    int64          // from complete to deadline
	still      int64          // how long nothing may move; 0 and less for any time
	up         *upstream.Conn // nil before there is one
	stop       func()         // ends the wait for one; nil without
	moved      atomic.Int64   // when bytes of a body last moved; needs no lock
}

// shard is a part of the connections, so that their locks stay uncontended.
type shard struct {
	mu    sync.Mutex
	lists [numPhases]list // each in order of since
}

type list struct{ first, last *conn }

func (l *list) remove(c *conn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		l.last = c.prev
	}
	c.prev, c.next = nil, nil
}

func (l *list) push(c *conn) {
	if c.prev = l.last; l.last != nil {
		l.last.next = c
	} else {
		l.first = c
	}
	l.last = c
}

// move puts c into a phase. The caller has the lock.
func (s *shard) move(c *conn, p phase) {
	if c.phase != unwatched {
		s.lists[c.phase].remove(c)
	}
	if c.phase = p; p != unwatched {
		s.lists[p].push(c)
	}
}

// enter puts c into a phase from now on, and reports false when the phase
// before was cut.
func (c *conn) enter(p phase, now int64) bool {
	s := c.shard
	s.mu.Lock()
	s.move(c, p)
	c.since = now
	if c.cut == cutRest {
		c.mend()
	}
	ok := c.cut == notCut
	s.mu.Unlock()
	return ok
}

// mend takes a cut back. The caller has the lock.
func (c *conn) mend() {
	c.cut = notCut
	_ = c.net.SetReadDeadline(time.Time{}) // fails only when closed
}

// awake reports whether a wait ended only for the goroutine to change.
func (c *conn) awake() bool {
	s := c.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.cut != cutRest {
		return false
	}
	c.mend()
	return true
}

// attach makes c busy with an exchange on up, which may be nil while a
// connection is being made. complete says that the request is all here;
// its answer may then take timeout, where that is positive.
// In between nothing may move for as long as still.
func (c *conn) attach(up *upstream.Conn, now int64, complete bool, timeout, still time.Duration) bool {
	s := c.shard
	s.mu.Lock()
	if c.phase != busy {
		s.move(c, busy)
		c.since = now
	}
	c.up, c.answered, c.timeout, c.still, c.deadline = up, false, int64(timeout), int64(still), 0
	if c.complete = complete; complete && timeout > 0 {
		c.deadline = now + int64(timeout)
	}
	if c.cut == cutRest || c.cut == cutIdle || c.cut == cutDrain { // just when its request came
		c.mend()
	}
	ok := c.cut == notCut
	s.mu.Unlock()
	return ok
}

// onCut has stop called when c is cut, at once where it was already; nil takes
// that back.
func (c *conn) onCut(stop func()) {
	s := c.shard
	s.mu.Lock()
	c.stop = stop
	cut := c.cut != notCut
	s.mu.Unlock()
	if cut && stop != nil {
		stop()
	}
}

// enterTunnel makes c opaque.
func (c *conn) enterTunnel(up *upstream.Conn) bool {
	s := c.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(c, tunnelled)
	c.up = up
	return c.cut == notCut
}

// detach takes the upstream connection out of the watcher's reach, and says
// whether it was cut before that.
func (c *conn) detach() cut {
	s := c.shard
	s.mu.Lock()
	c.up = nil
	why := c.cut
	s.mu.Unlock()
	return why
}

// completed notes that a streamed request has been read to its end.
func (c *conn) completed(now int64) {
	s := c.shard
	s.mu.Lock()
	if c.complete = true; c.timeout > 0 {
		c.deadline = now + c.timeout
	}
	s.mu.Unlock()
}

// streaming notes that the answer's head has come and its body has not.
func (c *conn) streaming() {
	s := c.shard
	s.mu.Lock()
	c.answered = true
	s.mu.Unlock()
}

func (c *conn) why() cut {
	s := c.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.cut
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// end cuts c. Setting deadlines fails only on a connection closed already.
func (s *shard) end(c *conn, why cut) {
	if c.cut > cutRest && why != cutStop {
		return
	}
	c.cut = why
	switch {
	case why == cutStop, why == cutStill && c.answered:
		_ = c.net.SetDeadline(past)
	case why != cutRoute:
		_ = c.net.SetReadDeadline(past)
	}
	if c.up != nil {
		_ = c.up.SetDeadline(past)
	}
	if c.stop != nil {
		c.stop()
	}
}

// watcher looks over the shards while there are connections.
type watcher struct {
	hop.Ticker
	shards [16]shard

	header, request, idle int64
	relieve               func() bool // connections that were used are to end

	probe func(fd uintptr) // bound once
	ended bool             // what it found
}

func (w *watcher) init(o *Options) {
	w.header, w.request, w.idle = int64(o.Header), int64(o.Request), int64(o.Idle)
	w.relieve = func() bool { return o.Overload.Full(overload.DisableKeepalive) }
	w.Init(w.look, o.Header, o.Request, o.Idle, o.StreamIdle)
	w.probe = func(fd uintptr) { w.ended = socketEnded(fd) }
}

func (w *watcher) look(now int64) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		w.lookOver(s, now)
		s.mu.Unlock()
	}
	if w.relieve() {
		w.each(cutDrain, idle, resting, quiet)
	}
}

func (w *watcher) lookOver(s *shard, now int64) {
	for _, p := range [...]phase{fresh, idle, quiet} {
		for c := s.lists[p].first; c != nil && over(now, c.since, w.idle); c = c.next {
			s.end(c, cutIdle)
		}
	}
	for c := s.lists[heading].first; c != nil && over(now, c.since, w.header); c = c.next {
		s.end(c, cutHead)
	}
	for c := s.lists[idle].first; c != nil && now-c.since >= int64(socket.RestAfter); {
		next := c.next
		s.move(c, quiet)
		s.end(c, cutRest)
		c = next
	}
	for c := s.lists[resting].first; c != nil && now-c.since >= int64(w.Tick()); {
		next := c.next
		s.move(c, idle)
		if w.left(c.raw) {
			s.end(c, cutGone)
		}
		c = next
	}
	for c := s.lists[busy].first; c != nil; c = c.next {
		w.exchange(s, c, now)
	}
}

func over(now, since, limit int64) bool { return limit > 0 && now-since > limit }

// exchange looks at one that is under way.
func (w *watcher) exchange(s *shard, c *conn, now int64) {
	switch {
	case c.cut != notCut:
	case c.deadline != 0 && now > c.deadline && !c.answered:
		s.end(c, cutRoute)
	case !c.complete && over(now, c.since, w.request):
		s.end(c, cutRequest)
	case over(now, max(c.since, c.moved.Load()), c.still):
		s.end(c, cutStill)
	case c.complete && !c.answered && now-c.since >= int64(w.Tick()) && w.left(c.raw):
		s.end(c, cutGone)
	}
}

// left reports whether the client has closed its side. A socket can be looked
// at while its owner waits for it.
func (w *watcher) left(raw syscall.RawConn) bool {
	w.ended = false
	return raw != nil && (raw.Control(w.probe) != nil || w.ended)
}

// each cuts every connection in one of the phases.
func (w *watcher) each(why cut, phases ...phase) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for _, p := range phases {
			for c := s.lists[p].first; c != nil; c = c.next {
				s.end(c, why)
			}
		}
		s.mu.Unlock()
	}
}
