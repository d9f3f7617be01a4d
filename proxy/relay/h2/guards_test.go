package h2

import (
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/proxy/relay"
)

// wait keeps an exchange until its client has gone.
func wait(c relay.Client) {
	for {
		if _, err := c.Next(); err != nil {
			break
		}
	}
	gone := make(chan struct{})
	c.OnGone(func() { close(gone) })
	<-gone
	c.OnGone(nil)
}

func TestFloods(t *testing.T) {
	never := time.Hour // that time gives nothing back
	limits := Limits{
		Control: 50, Empty: 10, Resets: 50, ResetsEvery: never, Chatter: 100, ChatterEvery: never, Continuations: 8, Block: 32 << 10,
	}
	send := func(p *peer, n int, f func(i int) error) {
		for i := range n {
			if f(i) != nil {
				return // the connection has ended, which is what is to be seen
			}
		}
	}
	for name, flood := range map[string]func(p *peer){
		"rapid reset": func(p *peer) {
			send(p, 200, func(i int) error {
				id := uint32(2*i + 1)
				p.get(id)
				return p.WriteRSTStream(id, http2.ErrCodeCancel)
			})
		},
		"malformed requests": func(p *peer) {
			send(p, 200, func(i int) error {
				return p.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: []byte{0x82}, EndStream: true, EndHeaders: true})
			})
		},
		"windows that break streams": func(p *peer) {
			send(p, 200, func(i int) error {
				id := uint32(2*i + 1)
				p.post(id)
				return p.WriteWindowUpdate(id, 0)
			})
		},
		"continuations": func(p *peer) {
			p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}}))
			send(p, 200, func(int) error { return p.WriteContinuation(1, false, nil) })
		},
		"large block": func(p *peer) {
			p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: make([]byte, 16<<10)}))
			send(p, 5, func(int) error { return p.WriteContinuation(1, false, make([]byte, 16<<10)) })
		},
		"empty data": func(p *peer) {
			p.post(1)
			send(p, 200, func(int) error { return p.WriteData(1, false, nil) })
		},
		"pings": func(p *peer) {
			send(p, 300, func(int) error { return p.WritePing(false, [8]byte{}) })
		},
		"settings": func(p *peer) {
			send(p, 300, func(int) error { return p.WriteSettings() })
		},
		"priorities": func(p *peer) {
			send(p, 300, func(int) error { return p.WritePriority(1, http2.PriorityParam{StreamDep: 3}) })
		},
		"unknown frames": func(p *peer) {
			send(p, 300, func(int) error { return p.WriteRawFrame(0xee, 0, 0, nil) })
		},
		"window updates": func(p *peer) {
			send(p, 300, func(int) error { return p.WriteWindowUpdate(0, 1) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, at := serve(t, wait, ServerOptions{Limits: limits})
			p := dialPeer(t, at)
			flood(p)
			p.goAway(http2.ErrCodeEnhanceYourCalm)
		})
	}
}

// Answers to frames pile up when the client does not read.
func TestAnswersNotTaken(t *testing.T) {
	s, at := serve(t, wait, ServerOptions{Limits: Limits{Control: 100, Chatter: 1 << 30, Linger: 50 * time.Millisecond}})
	p := dialPeer(t, at)
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if p.WritePing(false, [8]byte{}) != nil {
			break
		}
	}
	for s.Conns() > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := s.engine.(*engine).errors.Load(); n != 1 {
		t.Errorf("%d connections broke the protocol, want 1", n)
	}
}

func TestTooManyStreams(t *testing.T) {
	_, at := serve(t, wait, ServerOptions{MaxStreams: 3})
	p := dialPeer(t, at)
	for id := uint32(1); id < 7; id += 2 {
		p.post(id)
	}
	p.post(7)
	p.reset(7, http2.ErrCodeRefusedStream)
	p.must(p.WriteRSTStream(1, http2.ErrCodeCancel))
	p.post(9)
	p.post(11)
	p.reset(11, http2.ErrCodeRefusedStream)
}

func TestTimeouts(t *testing.T) {
	soon := 50 * time.Millisecond
	for name, c := range map[string]struct {
		limits Limits
		does   func(*peer)
		code   http2.ErrCode
	}{
		"settings not acknowledged": {Limits{Settings: soon}, func(*peer) {}, http2.ErrCodeSettingsTimeout},
		"half a frame": {Limits{Frame: soon}, func(p *peer) {
			p.must(p.WriteSettingsAck())
			_, err := p.Write([]byte{0, 0, 9, 1})
			p.must(err)
		}, http2.ErrCodeEnhanceYourCalm},
		"half a field block": {Limits{Frame: soon}, func(p *peer) {
			p.must(p.WriteSettingsAck())
			p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}}))
		}, http2.ErrCodeEnhanceYourCalm},
		"idle": {Limits{Idle: soon}, func(p *peer) {
			p.must(p.WriteSettingsAck())
			p.get(1)
		}, http2.ErrCodeNo},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, at := serve(t, echo, ServerOptions{Limits: c.limits})
			p := dialSilent(t, at)
			c.does(p)
			p.goAway(c.code)
		})
	}
}

func TestNoTimeouts(t *testing.T) {
	_, at := serve(t, echo, ServerOptions{Limits: Limits{Settings: -1, Frame: -1, Stall: -1, Idle: -1}})
	p := dialSilent(t, at)
	p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fields(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"), EndStream: true}))
	time.Sleep(20 * time.Millisecond) // a timer that is due would have fired
	p.must(p.WriteContinuation(1, true, nil))
	if s := p.status(p.next()); s != "200" {
		t.Error(s)
	}
}

// A receiver may open its windows in small steps, long after it was sent large
// frames: that is earned by what was sent to it, and by nothing else.
func TestWindowsMayBeOpenedForWhatWasSent(t *testing.T) {
	c := new(conn)
	c.now = 1
	c.guards.init(&Limits{Resets: 1, ResetsEvery: time.Hour, Chatter: 10, ChatterEvery: time.Hour}, c.now)
	const sent = 64 << 20
	for range sent / (1 << 20) {
		c.guards.sent(1 << 20)
	}
	for i := range 2 * sent / (4 << 10) {
		if err := c.opened(); err != nil {
			t.Fatalf("update %d of a receiver that opens both windows every 4 KiB: %v", i, err)
		}
	}
	c.guards.updates = 0
	for range 10 {
		if err := c.opened(); err != nil {
			t.Fatal(err)
		}
	}
	if c.opened() == nil {
		t.Error("windows may be opened for nothing, without end")
	}
}
