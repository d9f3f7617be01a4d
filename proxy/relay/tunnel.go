package relay

import (
	"io"
	"sync"
	"time"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/tap"
)

// carryTunnel moves the bytes of an exchange that has become another
// protocol's, both ways and unseen but for WebSocket, until both sides have
// ended. The exchange itself is told before.
func (e *exchange) carryTunnel() {
	if !e.write(e.c.Flush()) {
		e.ended = true
		e.abort(Cancelled)
		return
	}
	e.arrive(nil)
	e.tell()
	e.conn.out.Notice(&event.Notice{Time: e.x.End, Name: event.EventUpgraded, Service: e.x.Service, TraceID: e.x.TraceID,
		Body: e.protocol() + ": goes on as " + e.p.Upgrade})
	flow := e.follow()
	var toServer, toClient int64
	var broken [2]bool
	var other sync.WaitGroup
	other.Go(func() { toServer, broken[0] = e.pour(event.ToServer, e.via, e.c, flow) })
	toClient, broken[1] = e.pour(event.ToClient, e.c, e.via, flow)
	other.Wait()
	if flow != nil {
		flow.Close(time.Now().UnixNano())
	}
	if e.ended = broken[0] || broken[1]; e.ended {
		e.abort(Broken)
	}
	e.g.o.Stats.Transferred(toServer, toClient)
	e.host.Transferred(toClient, toServer)
}

func (e *exchange) protocol() string {
	if e.h2.StreamID != 0 {
		return "http2"
	}
	return "http1"
}

// follow is what decodes the tunnel; nil when nothing does.
func (e *exchange) follow() *tap.Flow {
	if e.g.o.WebSocket == nil || e.p.Upgrade != "websocket" {
		return nil
	}
	f := hop.Followed{Conn: e.conn.riding, Answer: &e.resp, Names: e.g.o.Names, Out: e.conn.out}
	return f.Flow(e.g.o.WebSocket, &e.x)
}

// drain is what a tunnel's bytes go to: a Client or an Upstream.
type drain interface {
	Write([]byte) error
	Finish(trailers []http1.Field) error
	Flush() error
}

// pour moves the bytes of direction d until src ends, and passes the end on.
// When one direction breaks, so does the other.
func (e *exchange) pour(d event.Dir, dst drain, src Body, flow *tap.Flow) (n int64, broken bool) {
	for {
		if k, end := src.Ready(); k == 0 && !end {
			if dst.Flush() != nil {
				break
			}
		}
		b, err := src.Next()
		if err == io.EOF {
			if flow != nil {
				flow.End(d, time.Now().UnixNano())
			}
			if dst.Finish(nil) != nil || dst.Flush() != nil {
				break
			}
			return n, false
		}
		if err != nil {
			break
		}
		if flow != nil {
			flow.Feed(d, time.Now().UnixNano(), b)
		}
		if dst.Write(b) != nil {
			break
		}
		n += int64(len(b))
	}
	e.c.Interrupt(true)
	e.cancel(Broken)
	return n, true
}
