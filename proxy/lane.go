package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/mongo"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// lane is a connection of a pair to a further host, on which commands go that are
// not for the one that the pair is joined to. A goroutine of its own brings what
// the host answers, message by message, to the client; what the client sends on
// it is written by the goroutine that reads the client.
type lane struct {
	g    *gated
	up   *upstream.Conn
	way  *mongo.Way
	half [2]half // by direction; that of ToServer only writes
	sent atomic.Int64
	said [2]int64 // bytes of the greeting, which are no client's
}

// newLane makes a lane of a connection that has been greeted.
func (g *gated) newLane(up *upstream.Conn) (*lane, error) {
	l := &lane{g: g, up: up}
	raw, err := up.Socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	out, in := &l.half[event.ToServer], &l.half[event.ToClient]
	out.p, out.dir, out.dst = g.p, event.ToServer, &up.Stream
	if link := up.Link(); link != nil {
		link.Late = out.stalled
	}
	if g.p.idle > 0 {
		_ = up.SetWriteDeadline(time.Now().Add(g.p.idle)) // fails only when closed, and then so does the write
	}
	in.p, in.dir, in.src, in.dst, in.raw = g.p, event.ToClient, &up.Stream, g.p.client, raw
	in.ready = in.read
	l.way = g.NewWay(l.write)
	in.way = l.way
	return l, nil
}

// start brings answers until the host ends them.
func (l *lane) start() {
	l.g.p.running.Add(1) // the client's half runs
	go l.carry()
}

func (l *lane) carry() {
	p := l.g.p
	err := l.half[event.ToClient].run(nil)
	if err == errRest {
		go l.carry()
		return
	}
	l.finish(err)
	if p.running.Add(-1) == 0 {
		p.end()
	}
}

// write sends bytes of the client. Where that fails a command is lost, and the
// client is to know.
func (l *lane) write(b []byte) error {
	err := l.half[event.ToServer].write(b)
	switch {
	case err == nil:
		l.sent.Add(int64(len(b)))
	case errors.Is(err, errWrite) && !l.g.p.closing.Load():
		l.g.p.flag(event.FlagUC)
		l.g.Abort()
	}
	return err
}

// finish takes the lane out of use. A host that closes a connection on which
// nothing is under way takes nothing from the client; else the client's ends.
func (l *lane) finish(err error) {
	p, idle := l.g.p, l.way.End()
	over := l.g.lanes.remove(l)
	switch {
	case p.closing.Load() || over:
	case errors.Is(err, errIdle):
		p.finish(&l.half[event.ToClient], err)
	case idle || errors.Is(err, errWrite): // the client has gone: its own half notices
	default:
		p.flag(event.FlagUC)
		l.g.Abort()
	}
	l.release()
}

func (l *lane) release() {
	_ = l.up.Close()
	h := l.up.Host()
	h.Transferred(l.half[event.ToClient].moved+l.said[event.ToClient], l.sent.Load()+l.said[event.ToServer])
	l.g.p.t.over(h)
}

// open makes a lane to h. The host stays active with it, and is not when open
// fails.
func (s *lanes) open(ctx context.Context, h *upstream.Host) (*lane, error) {
	began := time.Now()
	c, err := h.DialNow(ctx, false)
	if errors.Is(err, upstream.ErrOverflow) { // the host was not asked
		return nil, err
	}
	var l *lane
	if err == nil {
		l, err = s.greet(ctx, c)
	}
	if r := connected(began, err); !errors.Is(err, mongo.ErrUnlike) && ctx.Err() == nil {
		h.Report(&r)
	}
	if err != nil {
		return nil, err
	}
	if !s.add(l) {
		l.way.End()
		_ = c.Close()
		return nil, context.Canceled
	}
	l.start()
	return l, nil
}

// greet says on c what the client has said first on its own connection, and
// closes c when that does not go well.
func (s *lanes) greet(ctx context.Context, c *upstream.Conn) (l *lane, err error) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(c.Host().ConnectTimeout())) // fails only when closed, and then so does what follows
	sent, received, err := s.g.Greet(c)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		_ = c.SetDeadline(time.Time{})
		l, err = s.g.newLane(c)
	}
	if err != nil {
		c.Host().Transferred(received, sent)
		_ = c.Close() // the first error tells more
		return nil, err
	}
	l.said[event.ToServer], l.said[event.ToClient] = sent, received
	return l, nil
}
