package h2

import (
	"errors"
	"io"
	"testing"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/relay"
)

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
