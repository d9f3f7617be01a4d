package h2

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/decode/http2/wire"
	"github.com/pitot-io/pitot/proxy/relay"
)

// load is a client that asks for the same again and again, with no allocation
// of its own.
type load struct {
	net.Conn
	batch []byte // streams of requests
	at    []int  // where the ids of their frames are
	id    uint32
	in    []byte
	have  int
	taken uint32 // bytes of answers not given back to the window
}

func newLoad(t testing.TB, at string, streams int, body []byte) *load {
	t.Helper()
	p := dialPeer(t, at, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	p.must(p.WriteSettingsAck())
	p.must(p.WriteWindowUpdate(0, 1<<30))
	l := &load{Conn: p.Conn, id: 1, in: make([]byte, 1<<16)}
	block := []byte{0x83, 0x86, 0x01, 1, 'a', 0x04, 7} // POST, http, :authority, :path
	block = append(block, "/a/path"...)
	block = append(block, 0x0f, 0x0d, byte(len(strconv.Itoa(len(body))))) // content-length; nothing is put into a table
	block = strconv.AppendInt(block, int64(len(body)), 10)
	for range streams {
		l.at = append(l.at, len(l.batch)+5)
		l.batch = wire.AppendHeaders(l.batch, 1, block, len(body) == 0, 1<<14)
		if len(body) > 0 {
			l.at = append(l.at, len(l.batch)+5)
			l.batch = wire.AppendData(l.batch, 1, body, true)
		}
	}
	_ = p.SetDeadline(noDeadline)
	return l
}

// round sends a batch and reads all answers.
func (l *load) round(t testing.TB) {
	ended, streams := 0, 0
	for i, at := range l.at {
		if l.batch[at-2] == byte(wire.FrameHeaders) {
			streams++
			if i > 0 {
				l.id += 2
			}
		}
		binary.BigEndian.PutUint32(l.batch[at:], l.id)
	}
	l.id += 2
	if _, err := l.Write(l.batch); err != nil {
		t.Fatal(err)
	}
	for ended < streams {
		n, err := io.ReadAtLeast(l, l.in[l.have:], 1)
		if err != nil {
			t.Fatal(err)
		}
		l.have += n
		b := l.in[:l.have]
		for len(b) >= wire.HeaderSize {
			h := wire.ParseHeader(b)
			if len(b) < wire.HeaderSize+h.Length {
				break
			}
			if h.Type == wire.FrameRSTStream || h.Type == wire.FrameGoAway {
				t.Fatalf("%v %q", h, b[wire.HeaderSize:][:h.Length])
			}
			if h.Type == wire.FrameData {
				l.taken += uint32(h.Length)
			}
			if h.Stream != 0 && h.Has(wire.FlagEndStream) {
				ended++
			}
			b = b[wire.HeaderSize+h.Length:]
		}
		l.have = copy(l.in, b)
	}
	if l.taken > 1<<28 {
		if _, err := l.Write(wire.AppendWindowUpdate(nil, 0, l.taken)); err != nil {
			t.Fatal(err)
		}
		l.taken = 0
	}
}

// BenchmarkServer is what a request with a small body costs on the server's
// side, 16 at once; the client's part is small.
func BenchmarkServer(b *testing.B) {
	_, at := serve(b, echo2, ServerOptions{})
	l := newLoad(b, at, 16, make([]byte, 16))
	l.round(b)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 16 {
		l.round(b)
	}
}

// BenchmarkForward is the same through a server and a dialer to another server.
func BenchmarkForward(b *testing.B) {
	_, origin := serve(b, echo2, ServerOptions{})
	d := dialer(b, DialerOptions{})
	_, at := serve(b, forward(d, hostAt(b, origin), func(err error) { b.Error(err) }), ServerOptions{})
	l := newLoad(b, at, 16, make([]byte, 16))
	l.round(b)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 16 {
		l.round(b)
	}
}

var (
	noDeadline time.Time
	okHead     = &http1.Head{Status: 200, Fields: []http1.Field{field("content-type", "text/plain")}}
)

// echo2 is echo without what it tells of the request.
func echo2(c relay.Client) {
	if c.Answer(okHead, false) != nil {
		return
	}
	for {
		b, err := c.Next()
		if err != nil {
			break
		}
		if c.Write(b) != nil {
			return
		}
	}
	_ = c.Finish(nil)
}
