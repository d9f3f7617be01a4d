package proxy

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
)

func automatic(c *config.Config) { c.Listeners[0].Protocol = config.Auto }

func TestAutoFindsTheProtocol(t *testing.T) {
	r := run(t, automatic, serve(t, echo))
	c := r.dial()
	for _, piece := range []string{"S", "HOU"} { // undecided as yet
		say(t, c, piece)
	}
	say(t, c, "T hello")
	hear(t, c, "SHOUT hello")
	if x := r.next(); x.Name != "shout" || x.Listener != "main" || x.Endpoint == "" {
		t.Errorf("exchange %+v", x)
	}
}

func TestAutoTakesTheUnknownForTCP(t *testing.T) {
	r := run(t, automatic, serve(t, echo))
	c := r.dial()
	say(t, c, "whisper")
	hear(t, c, "whisper")
	c.Close()
	if x := r.next(); x.Name != "tcp" || x.RequestBytes != 7 {
		t.Errorf("exchange %+v", x)
	}
}

func quick(c *config.Config) {
	automatic(c)
	c.Listeners[0].Timeouts.Detect = 20 * time.Millisecond
}

func TestAutoServerSpeaksFirst(t *testing.T) {
	r := run(t, quick, serve(t, func(c *net.TCPConn) {
		_, _ = c.Write([]byte("220 ready\r\n"))
		echo(c)
	}))
	c := r.dial()
	hear(t, c, "220 ready\r\n")
	say(t, c, "EHLO")
	hear(t, c, "EHLO")
	c.Close()
	if x := r.next(); x.Name != "tcp" || x.RequestBytes != 4 || x.ResponseBytes != 15 {
		t.Errorf("exchange %+v", x)
	}
	if n := r.listeners[0].stats.DetectTimeout.Load(); n != 1 {
		t.Errorf("downstream_pre_cx_timeout %d, want 1", n)
	}
}

// A client that connects long before it speaks is still found out.
func TestAutoLateClient(t *testing.T) {
	connected := make(chan bool, 1)
	r := run(t, quick, serve(t, func(c *net.TCPConn) { connected <- true; echo(c) }))
	c := r.dial()
	<-connected // the detect timeout is over
	say(t, c, "SHOUT late")
	hear(t, c, "SHOUT late")
	if x := r.next(); x.Name != "shout" {
		t.Errorf("exchange %+v", x)
	}
}

func TestAutoHalfAWordThenEnd(t *testing.T) {
	r := run(t, automatic, serve(t, echo))
	c := r.dial()
	say(t, c, "SHO")
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "SHO" {
		t.Errorf("got %q, %v", got, err)
	}
}
