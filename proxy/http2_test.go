package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/relay/h2"
)

// The configuration's defaults are those of the codec.
func TestDefaultsOfHTTP2(t *testing.T) {
	c := config.FromFlags(":1", "h:1")
	l, cl := c.Listeners[0].HTTP2, c.Clusters[0].HTTP2
	if l.MaxStreams != h2.DefaultMaxStreams || l.Window != h2.DefaultWindow || l.ConnWindow != h2.DefaultConnWindow || l.PingLimit != h2.DefaultPingTimeout || l.Ping != 0 {
		t.Errorf("of listeners: %+v", l)
	}
	if cl.MaxStreams != h2.DefaultUpstreamStreams || cl.MaxConnections != h2.DefaultConnections || cl.Window != h2.DefaultWindow ||
		cl.ConnWindow != h2.DefaultConnWindow || cl.PingLimit != h2.DefaultPingTimeout || cl.Ping != 0 {
		t.Errorf("of clusters: %+v", cl)
	}
}

// A client of HTTP/2 is told the listener's settings, and asked whether it is
// still there.
func TestListenerSettingsOfHTTP2(t *testing.T) {
	r := run(t, func(c *config.Config) {
		l := &c.Listeners[0]
		l.Protocol = config.HTTP
		l.HTTP2 = config.ListenerHTTP2{MaxStreams: 7, Window: 128 << 10, ConnWindow: 512 << 10, Ping: 50 * time.Millisecond, PingLimit: time.Second}
	}, origin(t, "upstream"))
	c := r.dial()
	defer c.Close()
	say(t, c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	pings := 0
	for {
		x, err := f.ReadFrame()
		if err != nil {
			break
		}
		switch x := x.(type) {
		case *http2.SettingsFrame:
			if !x.IsAck() {
				for _, id := range []http2.SettingID{http2.SettingMaxConcurrentStreams, http2.SettingInitialWindowSize} {
					v, _ := x.Value(id)
					fmt.Fprintln(&told, v)
				}
				_ = f.WriteSettingsAck()
			}
		case *http2.WindowUpdateFrame:
			fmt.Fprintln(&told, x.StreamID, x.Increment)
		case *http2.PingFrame:
			if pings++; pings <= 3 { // then it is silent
				_ = f.WritePing(true, x.Data)
			}
		case *http2.GoAwayFrame:
			fmt.Fprintln(&told, x.ErrCode)
		}
	}
	if want := fmt.Sprintf("7\n%d\n0 %d\nNO_ERROR\n", 128<<10, 512<<10-65535); told.String() != want || pings != 4 {
		t.Errorf("told %q with %d PINGs, want %q", told.String(), pings, want)
	}
}

// A cluster's endpoints get no more streams and connections than it says.
func TestClusterSettingsOfHTTP2(t *testing.T) {
	var conns atomic.Int64
	var mu sync.Mutex
	now, most, full := 0, 0, make(chan struct{})
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		if now += n; now > most {
			if most = now; most == 6 {
				close(full)
			}
		}
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count(1)
		defer count(-1)
		select {
		case <-full:
		case <-time.After(patience):
		}
		_, _ = io.WriteString(w, "ok")
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	r := run(t, func(c *config.Config) {
		c.Listeners[0].Protocol = config.HTTP
		c.Clusters[0].Protocol = config.HTTP2
		c.Clusters[0].HTTP2.MaxStreams, c.Clusters[0].HTTP2.MaxConnections = 3, 2
	}, strings.TrimPrefix(s.URL, "http://"))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			q, err := http.NewRequestWithContext(context.Background(), "GET", "http://"+r.Addr("main").String()+"/", bytes.NewReader(nil))
			if err != nil {
				t.Error(err)
				return
			}
			a, err := r.client().Do(q)
			if err != nil {
				t.Error(err)
				return
			}
			defer a.Body.Close()
			if b, _ := io.ReadAll(a.Body); string(b) != "ok" {
				t.Errorf("%s %q", a.Status, b)
			}
		})
	}
	all.Wait()
	mu.Lock()
	defer mu.Unlock()
	if conns.Load() != 2 || most != 6 {
		t.Errorf("%d connections with %d streams at once", conns.Load(), most)
	}
}
