package tap

import (
	"math"
	"strconv"

	"github.com/pitot-io/pitot/internal/event"
)

// Bounds of a Selection.
const (
	maxWindows = 16      // parts of one connection that were passed over and may still join others
	maxMarks   = 100_000 // exchanges whose first packet is given a comment
	maxOpeners = 16 << 10
	maxHole    = 8 << 20 // bytes of a connection that may be left out in one place
	trailing   = 10e6    // nanoseconds after an exchange of HTTP/2 in which it may be reset
	seqSlack   = 60e9    // nanoseconds by which a packet may be sent again, or early
)

// Selection learns which packets of a capture belong to exchanges that
// somebody chose: it is an Emitter for one replay, and decides for Export in a
// second reading of the same files.
//
// Of HTTP/1 and MongoDB it takes the connection's beginning, up to the end of
// its first exchange, and each chosen exchange with those that overlap it in
// time. Whatever hangs on what came before (HTTP/2, gRPC, WebSocket, TLS,
// tunnels, connections joined in the middle) it takes from the connection's
// beginning to the exchange's end, and to the end of what overlaps that.
type Selection struct {
	choose func(*event.Exchange) bool // nil: every connection that was decoded, as a whole

	conns   map[int64]*chosen
	openers map[int64]opener // of cursors, by their ids
	ids     []int64          // of openers, oldest first
	marks   int
}

// NewSelection takes the exchanges for which choose holds; with a nil choose
// the whole of every connection that was decoded.
func NewSelection(choose func(*event.Exchange) bool) *Selection {
	return &Selection{choose: choose, conns: make(map[int64]*chosen), openers: make(map[int64]opener)}
}

// sequence is a range of sequence numbers; both are 0 where they are not known.
type sequence struct{ lo, hi uint32 }

// overlaps reports whether n bytes from seq on have some in it.
func (s sequence) overlaps(seq uint32, n int) bool {
	return s != sequence{} && int32(seq-s.hi) < 0 && int32(seq+uint32(n)-s.lo) > 0
}

func (s sequence) join(o sequence) sequence {
	switch {
	case s == sequence{}:
		return o
	case o == sequence{}:
		return s
	}
	if int32(o.lo-s.lo) < 0 {
		s.lo = o.lo
	}
	if int32(o.hi-s.hi) > 0 {
		s.hi = o.hi
	}
	return s
}

// window is a part of a connection: exchanges that overlap in time.
type window struct {
	from, to int64
	seq      [2]sequence
	fits     bool
}

func (w *window) join(o *window) {
	w.from, w.to, w.fits = min(w.from, o.from), max(w.to, o.to), w.fits || o.fits
	for d := range w.seq {
		w.seq[d] = w.seq[d].join(o.seq[d])
	}
}

// takes reports whether a packet at that time, of n bytes from seq on in
// direction d, belongs to the window.
func (w *window) takes(at int64, d event.Dir, seq uint32, n int) bool {
	if w.from <= at && at <= w.to {
		return true
	}
	return n > 0 && w.seq[d].overlaps(seq, n) && w.from-seqSlack <= at && at <= w.to+seqSlack
}

// mark is the comment of an exchange, for its first packet.
type mark struct {
	at   int64
	text string
}

// chosen is what is known of one connection.
type chosen struct {
	windows  []window // sorted by time, without overlaps
	until    int64    // from the connection's beginning to here everything is taken
	any      bool     // something is taken
	stateful bool     // what follows hangs on what came before
	marks    []mark
}

// opener is the exchange that opened a cursor.
type opener struct {
	stream int64
	window window
}

// Notice has nothing to do.
func (s *Selection) Notice(*event.Notice) {}

// Exchange learns of x, which is told in the order of its end.
func (s *Selection) Exchange(x *event.Exchange) {
	c := s.conns[x.Stream]
	if c == nil {
		c = &chosen{until: math.MinInt64}
		s.conns[x.Stream] = c
	}
	if s.choose == nil {
		if x.Protocol != event.TCP {
			c.any, c.until = true, math.MaxInt64
			s.mark(c, x)
		}
		return
	}
	fits := s.choose(x)
	w := windowOf(x, fits)
	c.stateful = c.stateful || hangs(x)
	if fits {
		s.mark(c, x)
		s.opened(x)
		if c.stateful {
			c.until = max(c.until, x.End+trailing)
		}
	}
	if c.stateful && x.Start <= c.until { // it would be cut, and look like another one
		c.until = max(c.until, x.End+trailing)
	}
	c.any = c.any || fits
	c.add(w)
	s.remember(x, w)
	c.stateful = c.stateful || x.HTTP != nil && x.HTTP.Upgrade != "" // from here on
}

// hangs reports whether x can only be read after what came before it.
func hangs(x *event.Exchange) bool {
	switch x.Protocol {
	case event.HTTP10, event.HTTP11, event.MongoDB:
	default:
		return true
	}
	return x.HTTP2 != nil || x.HTTP != nil && x.HTTP.Scheme == "https" || x.Decode&event.MidStream != 0
}

func windowOf(x *event.Exchange, fits bool) window {
	w := window{from: x.Start, to: x.End, fits: fits}
	if x.RequestSeq != 0 {
		w.seq[event.ToServer] = sequence{x.RequestSeq, x.RequestSeq + uint32(x.RequestBytes)}
	}
	if x.ResponseSeq != 0 {
		w.seq[event.ToClient] = sequence{x.ResponseSeq, x.ResponseSeq + uint32(x.ResponseBytes)}
	}
	return w
}

// add puts w in its place, joined with what it overlaps. The first window is
// the connection's beginning, which counts as overlapping nothing but is kept.
func (c *chosen) add(w window) {
	i := len(c.windows)
	for i > 0 && c.windows[i-1].to >= w.from {
		i--
	}
	// All from i on end after w begins; those that begin before it ends join it.
	j := i
	for j < len(c.windows) && c.windows[j].from <= w.to {
		w.join(&c.windows[j])
		j++
	}
	tail := append([]window{w}, c.windows[j:]...)
	c.windows = append(c.windows[:i], tail...)
	c.forget()
}

// forget bounds what is kept of parts that nobody chose: the first counts, and
// the latest.
func (c *chosen) forget() {
	passed, oldest := 0, 0
	for i := len(c.windows) - 1; i > 0; i-- {
		if !c.windows[i].fits {
			passed, oldest = passed+1, i
		}
	}
	if passed > maxWindows {
		c.windows = append(c.windows[:oldest], c.windows[oldest+1:]...)
	}
}

// mark gives x's first packet a comment.
func (s *Selection) mark(c *chosen, x *event.Exchange) {
	if s.marks++; s.marks > maxMarks {
		return
	}
	status := x.Status.String()
	switch {
	case x.ErrorType != "":
		status += " " + x.ErrorType
	case x.HTTP != nil && x.HTTP.StatusCode != 0:
		status = strconv.Itoa(x.HTTP.StatusCode)
	}
	c.marks = append(c.marks, mark{x.Start, "pitot: " + x.Protocol.String() + " " + x.Name + ", " + status})
}

// remember notes who opened a cursor: later batches of it take their call site
// and their shape from there.
func (s *Selection) remember(x *event.Exchange, w window) {
	if x.Mongo == nil || x.Mongo.Cursor == 0 || x.Mongo.Operation == getMore {
		return
	}
	id := x.Mongo.Cursor
	if _, known := s.openers[id]; !known {
		if s.ids = append(s.ids, id); len(s.ids) > maxOpeners {
			delete(s.openers, s.ids[0])
			s.ids = s.ids[1:]
		}
	}
	w.fits = true
	s.openers[id] = opener{x.Stream, w}
}

const getMore = "getMore"

// opened takes the exchange that opened x's cursor too.
func (s *Selection) opened(x *event.Exchange) {
	if x.Mongo == nil || x.Mongo.Operation != getMore {
		return
	}
	if o, ok := s.openers[x.Mongo.Cursor]; ok {
		c := s.conns[o.stream]
		c.any = true
		if c.stateful {
			c.until = max(c.until, o.window.to)
		}
		c.add(o.window)
	}
}

// settle ends the learning: where too much would be left out between two
// parts, nothing is.
func (s *Selection) settle() {
	for _, c := range s.conns {
		if !c.any {
			continue
		}
		var last [2]sequence
		for i := range c.windows {
			w := &c.windows[i]
			if i > 0 && !w.fits {
				continue
			}
			for d := range w.seq {
				if hole := int32(w.seq[d].lo - last[d].hi); last[d] != (sequence{}) && w.seq[d] != (sequence{}) && hole > maxHole {
					c.until = max(c.until, w.to)
				}
				if w.seq[d] != (sequence{}) {
					last[d] = w.seq[d]
				}
			}
		}
	}
}

// takes reports whether a packet of the connection is taken.
func (c *chosen) takes(at int64, d event.Dir, seq uint32, n int, signs bool) bool {
	switch {
	case !c.any:
		return false
	case signs || at <= c.until:
		return true
	}
	if first := &c.windows[0]; at <= first.to || first.takes(at, d, seq, n) {
		return true
	}
	for i := len(c.windows) - 1; i > 0; i-- {
		w := &c.windows[i]
		if w.to+seqSlack < at {
			break
		}
		if w.fits && w.takes(at, d, seq, n) {
			return true
		}
	}
	return false
}

// comment is that of the exchanges that begin with a packet at that time.
func (c *chosen) comment(at int64) (text string) {
	for len(c.marks) > 0 && c.marks[0].at <= at {
		if text != "" {
			text += "\n"
		}
		text += c.marks[0].text
		c.marks = c.marks[1:]
	}
	return text
}
