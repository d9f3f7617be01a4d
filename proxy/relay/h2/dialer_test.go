package h2

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// scripted is a host whose connections a test serves itself.
func scripted(t *testing.T, settings ...http2.Setting) (*upstream.Host, peers) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	peers := make(peers, 16)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			preface := make([]byte, len(http2.ClientPreface))
			if _, err := io.ReadFull(c, preface); err != nil || string(preface) != http2.ClientPreface {
				t.Errorf("preface %q, %v", preface, err)
			}
			p := newPeer(t, c)
			p.must(p.WriteSettings(settings...))
			peers <- p
		}
	}()
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return hostAt(t, l.Addr().String()), peers
}

// peers are connections to a scripted host.
type peers chan *peer

// next waits for one.
func (p peers) next(t *testing.T) *peer {
	t.Helper()
	select {
	case c := <-p:
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("no connection was made")
		return nil
	}
}

// known waits until the host's SETTINGS are.
func known(t *testing.T, up relay.Upstream) {
	t.Helper()
	a := up.(*attempt)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := a.link.pool.known(ctx, a.link); err != nil {
		t.Fatal(err)
	}
}

// request reads the head of a request.
func (p *peer) request() (id uint32, fields map[string]string) {
	p.t.Helper()
	for {
		if h, ok := p.next().(*http2.HeadersFrame); ok {
			all, err := p.dec.DecodeFull(h.HeaderBlockFragment())
			p.must(err)
			fields = map[string]string{}
			for _, f := range all {
				fields[f.Name] = f.Value
			}
			return h.StreamID, fields
		}
	}
}

var getHead = &http1.Head{Method: []byte("GET"), Path: []byte("/"), Host: []byte("a")}

func open(t testing.TB, d *Dialer, h *upstream.Host) relay.Upstream {
	t.Helper()
	up, err := d.Open(t.Context(), h, relay.How{})
	if err != nil {
		t.Fatal(err)
	}
	return up
}

func send(t testing.TB, up relay.Upstream) relay.Upstream {
	t.Helper()
	if err := up.Send(getHead, true); err != nil {
		t.Fatal(err)
	}
	_ = up.Flush()
	return up
}

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

func TestMalformedAnswers(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{Limits: Limits{Interim: 2}})
	var p *peer
	for name, answer := range map[string]func(id uint32){
		"no status":         func(id uint32) { p.head(id, true, "x", "y") },
		"two":               func(id uint32) { p.head(id, true, ":status", "200", ":status", "200") },
		"short":             func(id uint32) { p.head(id, true, ":status", "20") },
		"switching":         func(id uint32) { p.head(id, true, ":status", "101") },
		"a request's":       func(id uint32) { p.head(id, true, ":status", "200", ":path", "/") },
		"connection":        func(id uint32) { p.head(id, true, ":status", "200", "connection", "close") },
		"CR LF":             func(id uint32) { p.head(id, true, ":status", "200", "x", "a\r\nb: c") },
		"interim that ends": func(id uint32) { p.head(id, true, ":status", "100") },
		"no body":           func(id uint32) { p.head(id, true, ":status", "200", "content-length", "3") },
		"too many interim": func(id uint32) {
			for range 3 {
				p.head(id, false, ":status", "103")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			up := send(t, open(t, d, host))
			defer up.Close()
			if p == nil {
				p = peers.next(t)
			}
			p.t = t
			id, _ := p.request()
			answer(id)
			var fault *http1.Error
			var h http1.Head
			err := up.Answer(&h)
			for err == nil && h.Status == 103 {
				err = up.Answer(&h)
			}
			if !errors.As(err, &fault) || fault.Status != 502 || up.Unsent() {
				t.Errorf("%v (%d)", err, h.Status)
			}
			p.reset(id, http2.ErrCodeProtocol)
		})
	}
}

// An answer's head, body and trailers, and what a reset does in the middle.
func TestAnswers(t *testing.T) {
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	up := send(t, open(t, d, host))
	p := peers.next(t)
	id, _ := p.request()
	p.head(id, false, ":status", "103", "link", "x")
	p.head(id, false, ":status", "200", "content-length", "6", "x-a", "b")
	p.must(p.WriteData(id, false, []byte("abc")))
	p.must(p.WriteData(id, false, []byte("def")))
	p.head(id, true, "x-sum", "6")
	var h http1.Head
	if err := up.Answer(&h); err != nil || h.Status != 103 {
		t.Fatal(err, h.Status)
	}
	if err := up.Answer(&h); err != nil || h.Status != 200 || h.Framing != http1.Length || h.Length != 6 || string(h.Get("x-a")) != "b" {
		t.Fatalf("%v %+v", err, h)
	}
	var body []byte
	for {
		b, err := up.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body = append(body, b...)
	}
	if tr := up.Trailers(); string(body) != "abcdef" || len(tr) != 1 || string(tr[0].Value) != "6" {
		t.Errorf("body %q, trailers %v", body, tr)
	}
	if w := up.Wire(); w.Stream != id || w.Began == 0 || w.Received == 0 || w.Sent == 0 {
		t.Errorf("%+v", w)
	}
	up.Close()

	up = send(t, open(t, d, host))
	defer up.Close()
	if !up.Reused() {
		t.Error("the connection was not reused")
	}
	id, _ = p.request()
	p.head(id, false, ":status", "200")
	p.must(p.WriteData(id, false, []byte("abc")))
	p.must(p.WriteRSTStream(id, http2.ErrCodeInternal))
	if err := up.Answer(&h); err != nil || h.Framing != http1.Chunked {
		t.Fatal(err)
	}
	b, err := up.Next()
	if err == nil {
		body = append(body[:0], b...)
		_, err = up.Next()
	}
	if string(body) != "abc" || !errors.Is(err, relay.ErrReset) {
		t.Errorf("%q, %v: want what came, then the reset", body, err)
	}
}

func TestExtendedConnect(t *testing.T) {
	upgrade := &http1.Head{Method: []byte("GET"), Path: []byte("/ws"), Host: []byte("a"), Upgrade: []byte("websocket")}
	host, peers := scripted(t)
	d := dialer(t, DialerOptions{})
	up, err := d.Open(t.Context(), host, relay.How{Tunnel: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Send(upgrade, false); !errors.Is(err, errUnsupported) || !up.Unsent() {
		t.Errorf("%v, unsent %v: want it refused", err, up.Unsent())
	}
	up.Close()
	peers.next(t)

	host, peers = scripted(t, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	if up, err = d.Open(t.Context(), host, relay.How{Tunnel: true}); err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if err := up.Send(upgrade, false); err != nil {
		t.Fatal(err)
	}
	_ = up.Flush()
	p := peers.next(t)
	id, fields := p.request()
	if fields[":method"] != "CONNECT" || fields[":protocol"] != "websocket" || fields[":path"] != "/ws" {
		t.Errorf("%v", fields)
	}
	p.head(id, false, ":status", "200")
	p.must(p.WriteData(id, false, []byte("hi")))
	var h http1.Head
	if err := up.Answer(&h); err != nil || h.Status != 101 || string(h.Upgrade) != "websocket" {
		t.Fatalf("%v %d %q", err, h.Status, h.Upgrade)
	}
	if b, err := up.Next(); string(b) != "hi" || err != nil {
		t.Errorf("%q %v", b, err)
	}
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
