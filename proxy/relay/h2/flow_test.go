package h2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/proxy/relay"
)

// bulk answers with n bytes.
func bulk(n int) func(relay.Client) {
	return func(c relay.Client) {
		piece := make([]byte, 10_000)
		if c.Answer(&http1.Head{Status: 200}, false) != nil {
			return
		}
		for left := n; left > 0; left -= len(piece) {
			if c.Write(piece[:min(left, len(piece))]) != nil {
				return
			}
		}
		_ = c.Finish(nil)
	}
}

func TestStreamsWindow(t *testing.T) {
	_, at := serve(t, bulk(30), ServerOptions{})
	p := dialPeer(t, at, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	p.get(1)
	if s := p.status(p.next()); s != "200" {
		t.Fatal(s)
	}
	data := func(n int, end bool) {
		t.Helper()
		f, ok := p.next().(*http2.DataFrame)
		if !ok || len(f.Data()) != n || f.StreamEnded() != end {
			t.Fatalf("got %v, want %d bytes, end %v", f, n, end)
		}
	}
	data(10, false)
	p.must(p.WriteWindowUpdate(1, 5))
	data(5, false)
	p.must(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})) // ten less: the window is negative
	p.must(p.WriteWindowUpdate(1, 10))
	p.must(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4}))
	data(4, false)
	p.must(p.WriteWindowUpdate(1, 100))
	data(11, true)
}

// Streams share the connection's window in turn; none is left behind.
func TestConnectionsWindow(t *testing.T) {
	_, at := serve(t, bulk(100_000), ServerOptions{})
	p := dialPeer(t, at, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	const streams = 20
	for i := range streams {
		p.get(uint32(2*i + 1))
	}
	got, ended := map[uint32]int{}, 0
	for ended < streams {
		switch f := p.next().(type) {
		case *http2.DataFrame:
			got[f.StreamID] += len(f.Data())
			if f.StreamEnded() {
				ended++
			}
			if n := len(f.Data()); n > 0 {
				p.must(p.WriteWindowUpdate(0, uint32(n)))
			}
		}
	}
	for id, n := range got {
		if n != 100_000 {
			t.Errorf("stream %d got %d bytes", id, n)
		}
	}
}

// A sender over a window is told so.
func TestWindowsAreHeld(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	_, at := serve(t, func(relay.Client) { <-hold }, ServerOptions{Limits: Limits{Window: 70_000, ConnWindow: 200_000}})
	p := dialPeer(t, at)
	p.must(p.WriteSettingsAck())
	chunk := make([]byte, 16<<10)
	p.post(1)
	for range 5 {
		p.must(p.WriteData(1, false, chunk))
	}
	p.reset(1, http2.ErrCodeFlowControl)
	for id := uint32(3); id < 11; id += 2 {
		p.post(id)
		for range 4 {
			if p.WriteData(id, false, chunk) != nil {
				break
			}
		}
	}
	p.goAway(http2.ErrCodeFlowControl)
}

// A client that takes nothing holds the writer back and nobody else, and is cut
// at last.
func TestSlowReader(t *testing.T) {
	var wrote atomic.Int64
	failed := make(chan error, 1)
	_, at := serve(t, func(c relay.Client) {
		piece := make([]byte, 32<<10)
		if err := c.Answer(&http1.Head{Status: 200}, false); err != nil {
			failed <- err
			return
		}
		for {
			if err := c.Write(piece); err != nil {
				failed <- err
				return
			}
			wrote.Add(int64(len(piece)))
		}
	}, ServerOptions{Limits: Limits{Stall: 200 * time.Millisecond, Output: 64 << 10}})
	p := dialPeer(t, at, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	p.must(p.WriteWindowUpdate(0, 1<<31-1-65535))
	p.get(1)
	if err := <-failed; err == nil {
		t.Error("the writer was not cut")
	}
	if n := wrote.Load(); n > 64<<20 {
		t.Errorf("%d bytes were written for a client that takes none", n)
	}
}

func TestClientGoes(t *testing.T) {
	_, at := serve(t, wait, ServerOptions{}) // serve waits for the exchanges
	p := dialPeer(t, at)
	p.get(1)
	p.post(3)
	p.must(p.WriteRSTStream(1, http2.ErrCodeCancel))
	p.Close()
}

func TestExchangeLeavesBodyUnread(t *testing.T) {
	_, at := serve(t, func(c relay.Client) { _ = c.Answer(&http1.Head{Status: 403}, true) },
		ServerOptions{Limits: Limits{ConnWindow: 100_000}})
	p := dialPeer(t, at)
	p.post(1)
	if s := p.status(p.next()); s != "403" {
		t.Fatal(s)
	}
	p.reset(1, http2.ErrCodeNo)
	chunk := make([]byte, 10_000)
	for range 6 { // on its way; its window is given back
		p.must(p.WriteData(1, false, chunk))
	}
	for id := uint32(3); id < 41; id += 2 {
		p.post(id)
		p.must(p.WriteData(id, false, chunk))
		if s := p.status(p.next()); s != "403" {
			t.Fatal(s)
		}
		p.reset(id, http2.ErrCodeNo)
	}
}

func TestInterrupt(t *testing.T) {
	errs := make(chan error, 2)
	clients := make(chan relay.Client, 1)
	_, at := serve(t, func(c relay.Client) {
		clients <- c
		_, err := c.Next()
		errs <- err
		for err = nil; err == nil; {
			err = c.Write(make([]byte, 1000))
		}
		errs <- err
		c.Abort(relay.TooMuch)
	}, ServerOptions{})
	p := dialPeer(t, at)
	p.post(1)
	c := <-clients
	c.Interrupt(false)
	if err := <-errs; !errors.Is(err, relay.ErrInterrupted) {
		t.Errorf("Next: %v", err)
	}
	c.Interrupt(true)
	if err := <-errs; !errors.Is(err, relay.ErrInterrupted) {
		t.Errorf("Write: %v", err)
	}
	for {
		if f, ok := p.next().(*http2.RSTStreamFrame); ok {
			if f.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Error(f)
			}
			return
		}
	}
}

// A body travels with memory for its windows only, however large it is.
func TestLargeBodyBothWays(t *testing.T) {
	client, at := proxied(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	const size = 24 << 20
	res, err := client.Post(at, "", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// While a server drains nothing fails: what was asked is answered, what comes
// later goes to another connection.
func TestDrainLosesNothing(t *testing.T) {
	s, at := serve(t, echo, ServerOptions{})
	client := h2c(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var asked atomic.Int64
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for ctx.Err() == nil {
				res, err := client.Post("http://"+at, "", strings.NewReader("x"))
				if err != nil {
					t.Error(err)
					return
				}
				if b, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(b, []byte("x")) {
					t.Errorf("%q %v", b, err)
				}
				res.Body.Close()
				asked.Add(1)
			}
		}()
	}
	for i := range 20 {
		for was := asked.Load(); asked.Load() < was+20 && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		s.mu.Lock()
		for c := range s.conns {
			c.drain()
		}
		if n := len(s.conns); n > 10 {
			t.Errorf("round %d: %d connections", i, n)
		}
		s.mu.Unlock()
	}
	cancel()
	wg.Wait()
}

func TestDrainNamesTheLastStream(t *testing.T) {
	release := make(chan struct{})
	s, at := serve(t, func(c relay.Client) {
		<-release
		_ = c.Answer(&http1.Head{Status: 204}, true)
	}, ServerOptions{})
	p := dialPeer(t, at)
	p.get(1)
	p.get(3)
	goAway := func(last uint32) {
		t.Helper()
		for {
			f, err := p.ReadFrame()
			p.must(err)
			switch f := f.(type) {
			case *http2.PingFrame:
				if !f.IsAck() {
					p.get(5) // was on its way
					p.must(p.WritePing(true, f.Data))
				}
			case *http2.GoAwayFrame:
				if f.LastStreamID != last || f.ErrCode != http2.ErrCodeNo {
					t.Fatal(f)
				}
				return
			}
		}
	}
	for s.Conns() == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Drain()
	goAway(1<<31 - 1)
	goAway(5)
	p.get(7) // too late: it is passed over
	close(release)
	for range 3 {
		if s := p.status(p.next()); s != "204" {
			t.Error(s)
		}
	}
	if f, err := p.ReadFrame(); !errors.Is(err, io.EOF) {
		t.Errorf("%v, %v; want the end", f, err)
	}
}
