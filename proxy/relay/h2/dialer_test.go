package h2

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/relay"
)

func TestRequestAsSent(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	up := open(t, d, host)
	defer up.Close()
	h := &http1.Head{
		Method: []byte("POST"), Path: []byte("/p"), Query: []byte("q"), HasQuery: true, Host: []byte("a.example:80"),
		Fields: []http1.Field{
			field("X-Mixed", "V"), {Name: []byte("Connection"), Value: []byte("x"), ID: http1.Connection},
			{Name: []byte("TE"), Value: []byte("gzip"), ID: http1.TE}, {Name: []byte("Host"), Value: []byte("a.example:80"), ID: http1.HostField},
			{Name: []byte("dropped"), Value: []byte("x"), Hop: true}, field("Sec-WebSocket-Key", "x"), {Name: []byte("User-Agent"), Value: []byte("me"), ID: http1.UserAgentField},
		},
	}
	if err := up.Send(h, false); err != nil {
		t.Fatal(err)
	}
	if err := up.Write([]byte("body")); err != nil {
		t.Fatal(err)
	}
	if err := up.Finish(nil); err != nil {
		t.Fatal(err)
	}
	p := peers.next(t)
	_, fields := p.request()
	want := map[string]string{":method": "POST", ":scheme": "http", ":path": "/p?q", ":authority": "a.example:80", "x-mixed": "V", "user-agent": "me"}
	if len(fields) != len(want) {
		t.Errorf("fields %v", fields)
	}
	for name, value := range want {
		if fields[name] != value {
			t.Errorf("%s is %q, want %q", name, fields[name], value)
		}
	}
	if f, ok := p.next().(*http2.DataFrame); !ok || string(f.Data()) != "body" || !f.StreamEnded() {
		t.Errorf("got %v, want the body and the end in one frame", f)
	}
}

func TestRefusedStreamIsUnsent(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	var p *peer
	for code, unsent := range map[http2.ErrCode]bool{http2.ErrCodeRefusedStream: true, http2.ErrCodeInternal: false} {
		up := send(t, open(t, d, host))
		if p == nil {
			p = peers.next(t)
		}
		id, _ := p.request()
		p.must(p.WriteRSTStream(id, code))
		if err := up.Answer(new(http1.Head)); !errors.Is(err, relay.ErrReset) || up.Unsent() != unsent {
			t.Errorf("%v: %v, unsent %v", code, err, up.Unsent())
		}
		up.Close()
	}
}

func TestGoAwayLeavesStreamsAboveUnsent(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	first, second := send(t, open(t, d, host)), send(t, open(t, d, host))
	p := peers.next(t)
	id, _ := p.request()
	p.request()
	p.must(p.WriteGoAway(id, http2.ErrCodeNo, nil))
	if err := second.Answer(new(http1.Head)); !errors.Is(err, relay.ErrClosed) || !second.Unsent() {
		t.Errorf("second: %v, unsent %v", err, second.Unsent())
	}
	second.Close()
	third := send(t, open(t, d, host)) // goes to another connection
	q := peers.next(t)
	q.request()
	third.Close()
	q.reset(1, http2.ErrCodeCancel)
	p.head(id, true, ":status", "204")
	var h http1.Head
	if err := first.Answer(&h); err != nil || h.Status != 204 {
		t.Errorf("first: %v, %d", err, h.Status)
	}
	first.Close()
	p.goAway(http2.ErrCodeNo) // the last of it has gone
}

func TestLostConnection(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	up := send(t, open(t, d, host))
	p := peers.next(t)
	p.request()
	p.Close()
	if err := up.Answer(new(http1.Head)); err == nil || up.Unsent() || up.Reused() {
		t.Errorf("%v, unsent %v, reused %v", err, up.Unsent(), up.Reused())
	}
	up.Close()
	up = send(t, open(t, d, host))
	defer up.Close()
	peers.next(t).request()
}

func TestStreamsAreLimited(t *testing.T) {
	host, peers := scripted(t, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 2})
	d := dialer(t, DialerOptions{MaxConnections: 2})
	a := send(t, open(t, d, host))
	p := peers.next(t)
	p.request()
	known(t, a)
	ups := []relay.Upstream{a, send(t, open(t, d, host)), send(t, open(t, d, host))}
	q := peers.next(t) // the third needs another connection
	q.request()
	known(t, ups[2])
	ups = append(ups, send(t, open(t, d, host)))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.Open(ctx, host, relay.How{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a fifth: %v, want to wait", err)
	}
	got := make(chan relay.Upstream)
	go func() {
		up, _ := d.Open(context.Background(), host, relay.How{})
		got <- up
	}()
	ups[1].Close()
	(<-got).Close()
	for i, up := range ups {
		if i != 1 {
			up.Close()
		}
	}
}

// Many that ask at once before there is a connection share one.
func TestOneDialForMany(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			up, err := d.Open(context.Background(), host, relay.How{})
			if err != nil {
				t.Error(err)
				return
			}
			up.Close()
		}()
	}
	wg.Wait()
	peers.next(t)
	if n := len(peers); n > 0 {
		t.Errorf("%d more connections were made", n)
	}
}

func TestConnectionIsReplaced(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{MaxUses: 2})
	for range 2 {
		up := send(t, open(t, d, host))
		up.Close()
	}
	up := send(t, open(t, d, host))
	defer up.Close()
	p, q := peers.next(t), peers.next(t)
	p.goAway(http2.ErrCodeNo)
	q.request()
}

func TestIdsRunOut(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	up := open(t, d, host)
	up.(*attempt).link.nextID = 1<<31 - 1 // nothing was sent yet
	send(t, up)
	p := peers.next(t)
	if id, _ := p.request(); id != 1<<31-1 {
		t.Errorf("stream %d", id)
	}
	next := send(t, open(t, d, host))
	defer next.Close()
	peers.next(t).request()
	up.Close()
	p.goAway(http2.ErrCodeNo)
}

func TestSilentHost(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{Limits: Limits{Ping: 30 * time.Millisecond, PingTimeout: 50 * time.Millisecond}})
	up := send(t, open(t, d, host))
	defer up.Close()
	p := peers.next(t)
	for range 3 { // as long as it answers, all is well
		f, err := p.ReadFrame()
		for ; err == nil; f, err = p.ReadFrame() {
			if ping, ok := f.(*http2.PingFrame); ok && !ping.IsAck() {
				p.must(p.WritePing(true, ping.Data))
				break
			}
		}
		p.must(err)
	}
	if err := up.Answer(new(http1.Head)); err == nil {
		t.Error("an answer of a host that says nothing")
	}
}

func TestIdleConnectionEnds(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{Limits: Limits{Idle: 30 * time.Millisecond}})
	send(t, open(t, d, host)).Close()
	peers.next(t).goAway(http2.ErrCodeNo)
}

func TestDrainedDialer(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	up := send(t, open(t, d, host))
	p := peers.next(t)
	id, _ := p.request()
	d.Drain()
	p.head(id, true, ":status", "200")
	if err := up.Answer(new(http1.Head)); err != nil {
		t.Error(err)
	}
	up.Close()
	p.goAway(http2.ErrCodeNo)
}

func TestCancelWhileWaiting(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	up := send(t, open(t, d, host))
	defer up.Close()
	p := peers.next(t)
	id, _ := p.request()
	go up.Cancel(relay.Cancelled)
	if err := up.Answer(new(http1.Head)); !errors.Is(err, relay.ErrInterrupted) {
		t.Error(err)
	}
	p.reset(id, http2.ErrCodeCancel)
}
