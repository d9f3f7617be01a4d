package proxy

import (
	"context"
	"syscall"
	"time"

	"github.com/pitot-io/pitot/decode/callsite"
	decodemongo "github.com/pitot-io/pitot/decode/mongo"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/fault"
	"github.com/pitot-io/pitot/proxy/mongo"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// commandGuards are asked about every command of MongoDB, in this order, before
// it goes to a server.
func (s *Setup) commandGuards() (all []mongo.Guard, err error) {
	if limits, err := s.limits.Commands(s.Listener.RateLimits); err != nil {
		return nil, err
	} else if limits != nil {
		all = append(all, limits)
	}
	faults, err := fault.NewCommands(s.Listener.Faults, s.faultOptions(""))
	if faults != nil {
		all = append(all, faults)
	}
	return all, err
}

// newGate makes what decides about a listener's commands, which is told as much
// of their comments as everybody is.
func newGate(comments string) *mongo.Gate {
	text, _ := callsite.ParseText(comments) // the configuration has been checked
	return mongo.NewGate(decodemongo.Options{Comment: callsite.Options{Text: text}})
}

// gated is a pair whose messages are decided about: it is the mongo.Side of a
// mongo.Conn.
type gated struct {
	*mongo.Conn
	p   *pair
	ctx context.Context // ends with the pair
	end context.CancelFunc

	lanes *lanes // to further servers; nil where all goes to one
}

func newGated(g *mongo.Gate, p *pair, cluster string, info ConnInfo) *gated {
	d := &gated{p: p}
	d.ctx, d.end = context.WithCancel(context.Background())
	d.Conn = g.New(d, info.Client.Addr(), cluster)
	if r := p.t.routing; r != nil {
		d.lanes = &lanes{g: d, source: upstream.Source{Client: info.Client, Server: info.Server}, all: map[string]*lane{}}
		d.Route(r, d.lanes)
	}
	return d
}

// pass takes bytes that h has read.
func (g *gated) pass(h *half, at int64, b []byte) error {
	if h.way != nil {
		return h.way.Answer(at, b)
	}
	return g.Pass(h.dir, at, b)
}

func (g *gated) Show(d event.Dir, at int64, b []byte) {
	g.p.touch(d, at)
	g.p.half[d].show(at, b)
}

func (g *gated) Write(d event.Dir, b []byte) error { return g.p.half[d].write(b) }

func (g *gated) Context() context.Context { return g.ctx }

func (g *gated) Abort() {
	g.p.closing.Store(true)
	g.p.reset.Store(true)
	g.p.client.Abort()
	g.p.close()
}

// Wait lets time pass while the client is there.
func (g *gated) Wait(d time.Duration) bool {
	return g.Await(func(ctx context.Context) {
		late := time.NewTimer(d)
		defer late.Stop()
		select {
		case <-ctx.Done():
		case <-late.C:
		}
	})
}

// Await calls f, whose context ends when the client goes.
func (g *gated) Await(f func(context.Context)) bool {
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	_ = g.p.client.SetReadDeadline(time.Time{})
	left := make(chan bool, 1)
	go func() {
		gone := g.clientLeaves()
		if gone {
			cancel()
		}
		left <- gone
	}()
	f(ctx)
	_ = g.p.client.SetReadDeadline(time.Unix(1, 0)) // wakes the other wait
	if <-left {
		return false
	}
	g.p.half[event.ToServer].watch(time.Now())
	return g.ctx.Err() == nil
}

// clientLeaves waits until the client has said something, which it does not
// take, or has gone: then it is true. It ends with the read deadline.
func (g *gated) clientLeaves() (gone bool) {
	raw, err := g.p.client.Socket.SyscallConn()
	if err != nil {
		return true
	}
	_ = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if err == syscall.EAGAIN || err == syscall.EINTR {
			return false
		}
		gone = n == 0 || err != nil
		return true
	})
	return gone
}
