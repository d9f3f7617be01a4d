package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/overload"
)

// ways are the three ways that a client's request may go.
var ways = []struct {
	name   string
	http2  bool
	change func(*config.Listener)
}{
	{"HTTP/1.1 the short way", false, func(*config.Listener) {}},
	{"HTTP/1.1 by the engine", false, func(l *config.Listener) { l.GRPCWeb = true }},
	{"HTTP/2", true, func(*config.Listener) {}},
}

// visitor is a client's connection that asks one thing after the other.
type visitor interface {
	// ask reports whether the connection may be used after the answer.
	ask(t *testing.T) bool
	// ended waits for the proxy to end the connection, and closes it.
	ended(t *testing.T)
}

func (r *rig) visit(http2 bool) visitor {
	r.t.Helper()
	if !http2 {
		c := r.dial()
		return &visitor1{c, bufio.NewReader(c)}
	}
	return r.visit2()
}

type visitor1 struct {
	net.Conn
	r *bufio.Reader
}

func (v *visitor1) ask(t *testing.T) bool {
	t.Helper()
	say(t, v, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	a, err := http.ReadResponse(v.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != 200 {
		t.Fatalf("%s, %v", a.Status, err)
	}
	return !a.Close
}

func (v *visitor1) ended(t *testing.T) {
	t.Helper()
	if b, err := v.r.ReadByte(); err != io.EOF {
		t.Errorf("got %d, %v; want the end", b, err)
	}
	_ = v.Close()
}

// visitor2 speaks HTTP/2 by prior knowledge.
type visitor2 struct {
	*http2.Framer
	net.Conn
	stream  uint32
	parting int // GOAWAY frames that came
	last    uint32
}

func (r *rig) visit2() *visitor2 {
	r.t.Helper()
	c := r.dial()
	v := &visitor2{Framer: http2.NewFramer(c, c), Conn: c}
	v.SetReuseFrames()
	say(r.t, c, http2.ClientPreface)
	if err := v.WriteSettings(); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// open asks for a path, on a stream of its own.
func (v *visitor2) open(t *testing.T, path string) uint32 {
	t.Helper()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range [...][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", path}} {
		if err := e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	v.stream += 2
	id := v.stream - 1
	if err := v.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	return id
}

// frame reads one, and does what a client has to.
func (v *visitor2) frame() (http2.Frame, error) {
	f, err := v.ReadFrame()
	if err != nil {
		return nil, err
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return f, v.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return f, v.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		v.parting, v.last = v.parting+1, f.LastStreamID
	}
	return f, nil
}

// answered reads to the end of a stream.
func (v *visitor2) answered(t *testing.T, id uint32) {
	t.Helper()
	for {
		f, err := v.frame()
		if err != nil {
			t.Fatalf("stream %d: %v", id, err)
		}
		if f.Header().Type == http2.FrameRSTStream {
			t.Fatalf("stream %d is reset", f.Header().StreamID)
		}
		if h := f.Header(); h.StreamID == id && h.Flags.Has(http2.FlagDataEndStream) {
			return
		}
	}
}

// ask tells by a PING whether GOAWAY came along with the answer.
func (v *visitor2) ask(t *testing.T) bool {
	t.Helper()
	v.answered(t, v.open(t, "/"))
	if v.parting > 0 {
		return false
	}
	if err := v.WritePing(false, [8]byte{1}); err != nil {
		return false
	}
	for {
		f, err := v.frame()
		if p, ok := f.(*http2.PingFrame); err != nil || ok && p.IsAck() {
			return err == nil && v.parting == 0
		}
	}
}

func (v *visitor2) ended(t *testing.T) {
	t.Helper()
	for {
		if _, err := v.frame(); err != nil {
			if err != io.EOF || v.parting != 2 {
				t.Errorf("%v after %d times GOAWAY, want the end after two", err, v.parting)
			}
			_ = v.Close()
			return
		}
	}
}

// keepalive ends connections when so many percent of a resource are in use.
func keepalive(resource string, from, at int) func(*config.Config) {
	return only(config.OverloadAction{Action: config.DisableKeepalive, Resource: resource, From: from, At: at})
}

// Where the proxy runs out of something, connections end after what is under way,
// whatever is spoken: also those that were used and wait.
func TestOverloadPartsFromClients(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			r := run(t, func(c *config.Config) {
				keepalive(config.Goroutines, 0, 95)(c)
				w.change(&c.Listeners[0])
				c.Overload.MaxGoroutines = 1 << 20
			}, origin(t, "a"))
			waits, begins := r.visit(w.http2), r.visit(w.http2)
			if !waits.ask(t) {
				t.Fatal("the connection ends while there is enough of everything")
			}
			few := *r.settings()
			few.Overload.MaxGoroutines = 1
			if err := r.Reload(&few); err != nil {
				t.Fatal(err)
			}
			if n := r.notice(event.EventShed); n.Severity != event.Warn || attribute(&n, event.AttrShedAction) != config.DisableKeepalive ||
				attribute(&n, event.AttrPhase) != event.PhaseBegin || !strings.Contains(n.Body, "goroutines is at") {
				t.Errorf("told %+v", n)
			}
			waits.ended(t)
			if begins.ask(t) { // which nobody has asked anything before
				t.Error("the connection goes on")
			}
			begins.ended(t)
			if r.overload.Taken(overload.DisableKeepalive) == 0 {
				t.Error("nothing is counted")
			}
		})
	}
}

// On the way there a share of the connections ends.
func TestOverloadPartsFromAShare(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			r := run(t, func(c *config.Config) {
				keepalive(config.Connections, 1, 100)(c)
				w.change(&c.Listeners[0])
				c.Overload.MaxConnections = 10
			}, origin(t, "a"))
			for range 5 { // half of them are in use
				r.visit(w.http2)
			}
			r.notice(event.EventShed)
			v, kept, parted := r.visit(w.http2), 0, 0
			for range 100 {
				if v.ask(t) {
					kept++
					continue
				}
				parted++
				v.ended(t)
				v = r.visit(w.http2)
			}
			if kept < 10 || parted < 10 {
				t.Errorf("%d were kept and %d ended, want about half", kept, parted)
			}
		})
	}
}

// What is under way on a connection that ends is carried out.
func TestOverloadLetsStreamsEnd(t *testing.T) {
	slowly := make(chan struct{})
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/slow" {
			<-slowly
		}
		_, _ = io.WriteString(w, "answer")
	}))
	t.Cleanup(o.Close)
	r := run(t, func(c *config.Config) {
		keepalive(config.Goroutines, 0, 95)(c)
		c.Overload.MaxGoroutines = 1
	}, strings.TrimPrefix(o.URL, "http://"))
	v := r.visit2()
	slow := v.open(t, "/slow")
	v.answered(t, v.open(t, "/"))
	for v.parting < 2 { // the second names the last that is served
		if _, err := v.frame(); err != nil {
			t.Fatal(err)
		}
	}
	if v.last != slow+2 {
		t.Errorf("the last that is served is %d", v.last)
	}
	close(slowly)
	v.answered(t, slow)
	v.ended(t)
}
