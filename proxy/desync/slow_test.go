package desync

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/internal/testca"
)

// drip sends text byte by byte, slowly but never as slowly as a pause that
// would count as silence, until the other side ends the connection; it gives what
// came back.
func drip(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	over := make(chan string)
	go func() {
		b, _ := io.ReadAll(c)
		over <- string(b)
	}()
	tick := time.NewTicker(part / 20)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case got := <-over:
			return got
		case <-tick.C:
			_, _ = io.WriteString(c, text[i%len(text):i%len(text)+1]) // an end is seen by the other
		}
	}
}

// Clients that are slow on purpose hold nothing for long (slowloris), whichever
// engine serves them.
func TestSlowClients(t *testing.T) {
	cert := testca.New(t).Issue("x", testca.Year(), "x")
	for _, p := range []*front{pitot(t, nil), pitot(t, &cert)} {
		t.Run(p.name, func(t *testing.T) {
			began := time.Now()
			c, err := p.dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, get); err != nil {
				t.Fatal(err)
			}
			got := drip(t, c, "A: b\r\n")
			if codes, _ := answered(got, "GET"); len(codes) != 1 || codes[0] != http.StatusRequestTimeout {
				t.Errorf("a head that never ends is answered %q", got)
			}
			if d := time.Since(began); d > 10*part {
				t.Errorf("a head that never ends took %s", d)
			}
			if x := p.span(); x.StatusMessage != "request_header_timeout" {
				t.Errorf("told as %q", x.StatusMessage)
			}
			if sent := p.origin.took(); sent != "" {
				t.Errorf("the upstream got %q", sent)
			}
		})
	}
}

// A connection of HTTP/2 whose client does not finish its preface, or a head, is
// ended.
func TestSlowClientsOfHTTP2(t *testing.T) {
	p := pitot(t, nil)
	for name, say := range map[string]func(net.Conn, *http2.Framer){
		"half a preface": func(c net.Conn, _ *http2.Framer) { _, _ = io.WriteString(c, http2.ClientPreface[:20]) },
		"half a head": func(c net.Conn, f *http2.Framer) {
			_, _ = io.WriteString(c, http2.ClientPreface)
			_ = f.WriteSettings()
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		},
	} {
		c, err := net.Dial(p.network, p.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		say(c, http2.NewFramer(c, strings.NewReader("")))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the connection is open after %s", name, patience)
		}
		c.Close()
	}
}
