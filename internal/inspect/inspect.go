// Package inspect shows a capture as its decoders see it: message by message,
// and why an exchange got its decode flags.
package inspect

import (
	"bufio"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tap"
)

// Options say what is shown, and how.
type Options struct {
	Width    int            // cells of the terminal that it is drawn on; 0: lines are as long as they are
	Absolute bool           // times of day; else seconds since the capture's first packet
	Streams  []int64        // only these connections; none: all
	Filter   *filter.Filter // only messages of exchanges that fit; nil: all
	Explain  bool           // every exchange too, with the reasons of its decode flags
	Hex      bool           // the first bytes of every message
	JSON     bool           // an object per line
}

// Limits of what waits for an exchange to be told.
const (
	maxPending = 64 << 10 // messages in all connections
	maxWindows = 16       // exchanges of a connection, whose messages may come after them
	maxGaps    = 256      // of a connection
	maxNotes   = 64       // of a connection
	maxOver    = 1024     // connections that are known after their end
)

// Clock knows where in the capture a replay is. *tap.Replay is one.
type Clock interface {
	Packet() uint64 // number of the packet at hand, from 1
	First() int64   // time of the first packet in nanoseconds
}

// Inspector is the emitter of a replay and makes the watchers of its
// connections. It is for one goroutine.
type Inspector struct {
	o       Options
	clock   Clock
	w       *bufio.Writer
	view    view
	err     error
	conns   map[int64]*conn
	queue   []*conn // one for every message that waits, oldest first
	over    []*conn // that are closed; what they were may still be told
	forgot  uint64  // messages that waited in vain
	shown   uint64
	scratch []byte
}

// view writes what is found.
type view interface {
	message(b []byte, c *conn, m *message) []byte
	gap(b []byte, c *conn, g *gap) []byte
	exchange(b []byte, c *conn, x *event.Exchange, why []reason) []byte
	notice(b []byte, n *event.Notice) []byte
}

// New makes an Inspector that writes to w. SetClock comes before anything is
// shown.
func New(w io.Writer, o Options) *Inspector {
	in := &Inspector{o: o, w: bufio.NewWriterSize(w, 64<<10), conns: make(map[int64]*conn)}
	in.view = newTable(in)
	if o.JSON {
		in.view = jsonLines{}
	}
	return in
}

// SetClock says who knows the time.
func (in *Inspector) SetClock(c Clock) { in.clock = c }

// Watch is for tap.ReplayOptions.
func (in *Inspector) Watch(c decode.Conn) tap.Watcher {
	if len(in.o.Streams) > 0 && !slices.Contains(in.o.Streams, c.Stream) {
		return nil
	}
	w := &conn{in: in, stream: c.Stream, client: c.Client, server: c.Server, midStream: c.MidStream, packet: in.clock.Packet()}
	in.conns[c.Stream] = w
	return w
}

// Exchange shows what an exchange that fits consists of, and explains it.
func (in *Inspector) Exchange(x *event.Exchange) {
	c := in.conns[x.Stream]
	if c == nil || !in.o.Filter.Match(x) {
		return
	}
	if in.o.Filter != nil {
		c.reveal(x)
	}
	if in.o.Explain {
		in.write(in.view.exchange(in.scratch[:0], c, x, c.explain(x)))
	}
}

// Notice keeps what explains exchanges, and shows it where everything is.
func (in *Inspector) Notice(n *event.Notice) {
	stream := streamOf(n)
	if n.Name == event.EventComment {
		in.comment(n, stream)
		return
	}
	c := in.conns[stream]
	if c == nil {
		return
	}
	if len(c.notes) < maxNotes {
		c.notes = append(c.notes, note{n.Time, in.clock.Packet(), n.Name, strings.Clone(n.Body)})
	}
	if in.o.Filter == nil {
		in.write(in.view.notice(in.scratch[:0], n))
	}
}

// comment shows a comment that the file carries, unless it is of a connection
// that is not shown.
func (in *Inspector) comment(n *event.Notice, stream int64) {
	if in.o.Filter == nil && (stream < 0 || len(in.o.Streams) == 0 || slices.Contains(in.o.Streams, stream)) {
		in.write(in.view.notice(in.scratch[:0], n))
	}
}

// streamOf is the connection that a notice names, -1 for none.
func streamOf(n *event.Notice) int64 { return parseStream(attribute(n, "tcp_stream")) }

// Finish writes everything out. shown is how many messages were shown, forgot
// how many were too many to wait for the exchange that they belong to.
func (in *Inspector) Finish() (shown, forgot uint64, err error) {
	if err := in.w.Flush(); in.err == nil {
		in.err = err
	}
	return in.shown, in.forgot, in.err
}

func (in *Inspector) write(b []byte) {
	in.scratch = b
	if in.err == nil {
		_, in.err = in.w.Write(b)
	}
}

// message is a decode.Message that is kept.
type message struct {
	decode.Message
	hex   []byte
	shown bool
}

// gap is where bytes are missing.
type gap struct {
	dir     event.Dir
	at      int64
	offset  int64
	n       int64 // 0: an unknown number
	packet  uint64
	snapped bool
}

// note is a notice about a connection.
type note struct {
	at         int64
	packet     uint64
	name, body string
}

// window is an exchange that fits: which messages are its own.
type window struct {
	from, to int64
	named    [2]bool // ids of messages in that direction tell
	id       uint32
}

func (w *window) has(m *message) bool {
	return w.from <= m.At && m.At <= w.to && (!w.named[m.Dir] || m.Stream == 0 || m.Stream == w.id)
}

// conn is one connection.
type conn struct {
	in             *Inspector
	stream         int64
	client, server netip.AddrPort
	midStream      bool
	packet         uint64 // its first with bytes
	closed         bool   // and forgotten

	gaps    []gap
	more    int // gaps beyond them
	snapped int // packets that the snapshot length cut
	notes   []note

	pending []message // that wait for their exchange
	windows []window
	tail    [2]decode.Tail
}

func (c *conn) Feed(d event.Dir, offset int64, b []byte) {
	if c.in.o.Hex {
		c.tail[d].Add(offset, b)
	}
}

func (c *conn) Gap(d event.Dir, at, offset, n int64, snapped bool) {
	g := gap{d, at, offset, n, c.in.clock.Packet(), snapped}
	if snapped {
		c.snapped++
	}
	if len(c.gaps) < maxGaps {
		c.gaps = append(c.gaps, g)
	} else {
		c.more++
	}
	if c.in.o.Filter == nil {
		c.in.write(c.in.view.gap(c.in.scratch[:0], c, &g))
	}
}

// Message shows a message at once, or keeps it until its exchange is told.
func (c *conn) Message(m *decode.Message) {
	k := message{Message: *m}
	if c.in.o.Hex {
		d := m.Dir
		if m.Swapped {
			d = d.Other()
		}
		if k.hex = m.Inner; m.Unpacked == "" {
			k.hex = c.tail[d].Take(m.Offset, m.Size)
		}
		k.hex = k.hex[:min(len(k.hex), decode.TailShown)]
	}
	k.Inner = nil // it is lent
	if c.in.o.Filter == nil {
		c.show(&k)
		return
	}
	for i := range c.windows {
		if c.windows[i].has(&k) {
			c.show(&k)
			return
		}
	}
	k.Text, k.Kind, k.hex = strings.Clone(m.Text), strings.Clone(m.Kind), slices.Clone(k.hex)
	c.pending = append(c.pending, k)
	c.in.wait(c)
}

func (c *conn) show(m *message) {
	m.shown = true
	c.in.shown++
	c.in.write(c.in.view.message(c.in.scratch[:0], c, m))
}

// reveal shows the messages of an exchange that fits.
func (c *conn) reveal(x *event.Exchange) {
	w := window{from: x.Start, to: x.End}
	switch {
	case x.HTTP2 != nil:
		w.named, w.id = [2]bool{true, true}, x.HTTP2.StreamID
	case x.Mongo != nil && x.Decode&event.NoRequest == 0:
		w.named[event.ToServer], w.id = true, uint32(x.Mongo.RequestID) // answers have ids of their own
	}
	for i := range c.pending {
		if m := &c.pending[i]; !m.shown && w.has(m) {
			c.show(m)
		}
	}
	if len(c.windows) == maxWindows {
		copy(c.windows, c.windows[1:])
		c.windows = c.windows[:maxWindows-1]
	}
	c.windows = append(c.windows, w)
}

// Close leaves the connection to be forgotten: its last exchanges are told
// only now.
func (c *conn) Close(int64, bool) {
	in := c.in
	in.over = append(in.over, c)
	if len(in.over) <= maxOver {
		return
	}
	old := in.over[0]
	in.over[0] = nil
	in.over = in.over[1:]
	old.closed, old.pending = true, nil
	delete(in.conns, old.stream)
}

// wait bounds the messages that wait: the oldest is forgotten for a new one.
func (in *Inspector) wait(c *conn) {
	in.queue = append(in.queue, c)
	for len(in.queue) > maxPending {
		old := in.queue[0]
		in.queue[0] = nil
		in.queue = in.queue[1:]
		if old.closed {
			continue // its messages are gone
		}
		if !old.pending[0].shown {
			in.forgot++
		}
		old.pending[0] = message{}
		old.pending = old.pending[1:]
	}
}
