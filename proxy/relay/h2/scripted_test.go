package h2

import (
	"context"
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
