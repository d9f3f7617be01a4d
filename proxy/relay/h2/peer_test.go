package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// peer is the other side of a connection, that says and hears what a test wants.
type peer struct {
	*http2.Framer
	net.Conn
	t     testing.TB
	block bytes.Buffer
	enc   *hpack.Encoder
	dec   *hpack.Decoder
}

func newPeer(t testing.TB, c net.Conn) *peer {
	t.Helper()
	p := &peer{Framer: http2.NewFramer(c, c), Conn: c, t: t, dec: hpack.NewDecoder(4096, nil)}
	p.enc = hpack.NewEncoder(&p.block)
	p.AllowIllegalWrites = true
	p.SetMaxReadFrameSize(1<<24 - 1)
	p.must(c.SetDeadline(time.Now().Add(15 * time.Second)))
	t.Cleanup(func() { c.Close() })
	return p
}

// dialPeer connects to a server as a client that has sent its preface.
func dialPeer(t testing.TB, at string, settings ...http2.Setting) *peer {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, c)
	_, err = c.Write([]byte(http2.ClientPreface))
	p.must(err)
	p.must(p.WriteSettings(settings...))
	p.must(p.WriteSettingsAck())
	return p
}

func (p *peer) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// fields makes a field block of names and values.
func (p *peer) fields(pairs ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		p.must(p.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	return bytes.Clone(p.block.Bytes())
}

func (p *peer) get(id uint32, more ...string) {
	p.t.Helper()
	p.head(id, true, append([]string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"}, more...)...)
}

func (p *peer) post(id uint32, more ...string) {
	p.t.Helper()
	p.head(id, false, append([]string{":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/"}, more...)...)
}

func (p *peer) head(id uint32, end bool, pairs ...string) {
	p.t.Helper()
	p.must(p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.fields(pairs...), EndStream: end, EndHeaders: true}))
}

// next is the next frame that says something about a stream, or GOAWAY.
func (p *peer) next() http2.Frame {
	p.t.Helper()
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("no frame: %v", err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				p.must(p.WriteSettingsAck())
			}
		case *http2.WindowUpdateFrame, *http2.PingFrame:
		default:
			return f
		}
	}
}

// status reads a head and is its status.
func (p *peer) status(f http2.Frame) string {
	p.t.Helper()
	h, ok := f.(*http2.HeadersFrame)
	if !ok {
		p.t.Fatalf("got %v, want HEADERS", f)
	}
	fields, err := p.dec.DecodeFull(h.HeaderBlockFragment())
	p.must(err)
	for _, x := range fields {
		if x.Name == ":status" {
			return x.Value
		}
	}
	return ""
}

// reset has the next frame be RST_STREAM with that code.
func (p *peer) reset(id uint32, code http2.ErrCode) {
	p.t.Helper()
	f := p.next()
	if r, ok := f.(*http2.RSTStreamFrame); !ok || r.StreamID != id || r.ErrCode != code {
		p.t.Fatalf("got %v, want RST_STREAM of %d with %v", f, id, code)
	}
}

// goAway reads to GOAWAY and has it carry that code, and then the end.
func (p *peer) goAway(code http2.ErrCode) {
	p.t.Helper()
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("no GOAWAY: %v", err)
		}
		g, ok := f.(*http2.GoAwayFrame)
		if !ok {
			continue
		}
		if g.ErrCode != code {
			p.t.Fatalf("GOAWAY with %v (%s), want %v", g.ErrCode, g.DebugData(), code)
		}
		break
	}
	for {
		if _, err := p.ReadFrame(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			p.t.Fatalf("after GOAWAY: %v, want the end", err)
		}
	}
}

// dialSilent is dialPeer without the acknowledgement of the server's SETTINGS.
func dialSilent(t testing.TB, at string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, c)
	_, err = c.Write([]byte(http2.ClientPreface))
	p.must(err)
	p.must(p.WriteSettings())
	return p
}
