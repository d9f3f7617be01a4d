package proxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/socket"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/tap"
)

// pair is a client's connection and the upstream one that it is joined to.
// Each direction has a goroutine and a half; what one does to the other it does
// by closing connections. Whoever waits for the connection waits for both: done
// is called by the last.
type pair struct {
	label
	t      *passthrough
	client *socket.Stream
	up     *upstream.Conn
	flow   *tap.Flow
	inline tap.Inline
	passed tap.Passed    // what was shown of it
	tally  *tally        // set when bytes are only counted
	gate   *gated        // set when messages are decided about
	log    *connLog      // nil for none
	idle   time.Duration // 0 for no limit
	half   [2]half       // by direction
	done   func()        // called when the connection is over

	running atomic.Int32 // halves that have not ended
	last    atomic.Int64 // when bytes moved last, ns since the Unix epoch
	asking  atomic.Bool  // they were the client's: somebody may wait for an answer
	closing atomic.Bool  // by us: errors that follow are our own doing
	reset   atomic.Bool  // one side broke off
	drained atomic.Bool  // it was closed as the proxy ends
}

func newPair(t *passthrough, c *socket.Stream, up *upstream.Conn, info ConnInfo, done func()) *pair {
	p := &pair{t: t, client: c, up: up, done: done, idle: t.Listener.Timeouts.Idle}
	p.log = t.connLog(info)
	p.out, p.failures = decode.Stages(t.Protocols, t.Hub.Publisher(info.ID)), t.Failures
	p.last.Store(time.Now().UnixNano()) // detection and dialling are no quiet
	p.inline = tap.Inline{ID: info.ID, Listener: t.Listener.Name, Client: info.Client, Server: info.Server}
	if t.Hub.Plain.On() {
		t.Hub.Plain.Opened(p.inline, info.Accepted)
	}
	conn := decodeConn(info)
	conn.Secure = c.TLS != nil
	meta := t.meta(t.cluster.Name(), up.Host(), info)
	if t.decoder != nil {
		if t.gate != nil {
			p.gate = newGated(t.gate, p, t.cluster.Name(), info)
			p.mark = p.gate.Label
		}
		p.flow = tap.NewFlow(t.decoder(conn), conn, meta, p)
		return p
	}
	p.tally = &tally{conn: conn, begun: info.Accepted}
	p.flow = tap.NewFlow(p.tally, conn, meta, p)
	return p
}

// start forwards until both directions are over; first is what the client has
// sent already, said what the server has. Both directions get new goroutines, as small as they come: the
// caller's has grown by what it took to get here.
func (p *pair) start(first, said []byte) {
	up, down := &p.half[event.ToServer], &p.half[event.ToClient]
	if up.init(p, event.ToServer, p.client, &p.up.Stream) != nil || down.init(p, event.ToClient, &p.up.Stream, p.client) != nil {
		p.end() // closed already
		return
	}
	p.running.Store(2)
	go p.carry(down, said)
	go p.carry(up, first)
}

// carry forwards in one direction, in one goroutine at a time; the one that is over last ends the pair.
func (p *pair) carry(h *half, first []byte) {
	err := h.run(first)
	if err == errRest {
		go p.carry(h, nil)
		return
	}
	p.finish(h, err)
	if p.running.Add(-1) == 0 {
		p.end()
	}
}

// end closes what is left and tells what there was.
func (p *pair) end() {
	p.close()
	p.flow.Close(time.Now().UnixNano())
	if p.gate != nil {
		p.gate.Close()
	}
	if plain := &p.t.Hub.Plain; plain.On() {
		plain.Closed(p.inline, time.Now().UnixNano(), p.reset.Load())
	}
	received, sent := p.half[event.ToServer].moved, p.half[event.ToClient].moved
	further := p.lanes().moved()
	p.up.Host().Transferred(sent, received-further[event.ToServer])
	sent += further[event.ToClient]
	p.t.Stats.RxBytes.Add(uint64(received))
	p.t.Stats.TxBytes.Add(uint64(sent))
	flags := event.ResponseFlags(p.flags.Load())
	p.log.over(&ending{cluster: p.t.cluster.Name(), host: p.up.Host(), up: p.up, received: received, sent: sent, flags: flags, why: p.ended(flags)})
	p.t.remove(p)
	p.t.over(p.up.Host())
	p.done()
}

// What ends a half beside the end of its source's stream and errors of that.
var (
	errIdle  = errors.New("nothing moved for too long")
	errWrite = errors.New("the receiver has gone")
)

// finish carries the end of one direction over to the other side.
func (p *pair) finish(h *half, err error) {
	switch {
	case p.closing.Load():
	case err == io.EOF: // the other direction may go on for as long as it likes
		if p.gate != nil {
			_ = p.gate.End(h.dir, time.Now().UnixNano()) // if that side has gone, its own half notices
		}
		p.flow.End(h.dir, time.Now().UnixNano())
		if plain := &p.t.Hub.Plain; plain.On() {
			plain.Ended(p.inline, h.dir, time.Now().UnixNano())
		}
		_ = h.dst.CloseWrite() // if that side has gone, its own half notices
		p.lanes().ended(h.dir)
	case errors.Is(err, errIdle):
		if p.closing.CompareAndSwap(false, true) { // both halves may find out at once
			p.t.Stats.CxIdleTimeout.Add(1)
			p.flag(event.FlagSI)
		}
		p.close()
	case errors.Is(err, errWrite):
		// What the receiver said before it went is still to be read. The other
		// half does that, and comes upon the same end.
	default:
		p.broken(h)
		p.reset.Store(true)
		h.dst.Abort() // a reset is passed on as one, not as an end in order
		p.close()
	}
}

func (p *pair) broken(h *half) {
	if h.dir == event.ToServer {
		p.flag(event.FlagDC)
		return
	}
	p.flag(event.FlagUC)
}

// close closes both connections, which ends both halves.
func (p *pair) close() {
	p.closing.Store(true)
	if p.gate != nil {
		p.gate.end()
	}
	_ = p.up.Close()
	p.lanes().close()
	_ = p.client.Close() // the error of a second close says nothing
}

// lanes are the connections to further hosts; nil where there can be none.
func (p *pair) lanes() *lanes {
	if p.gate == nil {
		return nil
	}
	return p.gate.lanes
}

// touch notes that bytes went in direction d.
func (p *pair) touch(d event.Dir, at int64) {
	p.last.Store(at)
	if asks := d == event.ToServer; p.asking.Load() != asks {
		p.asking.Store(asks)
	}
}

// left is how much of the idle timeout is left.
func (p *pair) left(now time.Time) time.Duration { return p.idle - p.quietFor(now) }

// quietFor is how long nothing has moved.
func (p *pair) quietFor(now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - p.last.Load())
}

func (p *pair) quiet(now time.Time) bool {
	return !p.asking.Load() && p.quietFor(now) >= quietAfter && !p.lanes().busy()
}
