package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// asker is a client's connection that asks for one byte at a time.
type asker interface {
	ask() error
	Close() error
}

// asker1 speaks HTTP/1.1.
type asker1 struct {
	net.Conn
	r *bufio.Reader
}

func (a *asker1) ask() error {
	if _, err := io.WriteString(a, "GET /h1/bytes/1 HTTP/1.1\r\nHost: shop.test\r\n\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(a.r, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if n, err := io.Copy(io.Discard, answer.Body); n != 1 || err != nil {
		return fmt.Errorf("%s, %d bytes, %w", answer.Status, n, err)
	}
	return nil
}

// asker2 speaks HTTP/2.
type asker2 struct {
	net.Conn
	f      *http2.Framer
	stream uint32
}

func newAsker2(c net.Conn) (*asker2, error) {
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		return nil, err
	}
	a := &asker2{Conn: c, f: http2.NewFramer(c, c), stream: 1}
	return a, a.f.WriteSettings()
}

func (a *asker2) ask() error {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	e.SetMaxDynamicTableSize(0)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "shop.test"}, {":path", "/h1/bytes/1"}} {
		if err := e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true}); err != nil {
			return err
		}
	}
	if err := a.f.WriteHeaders(http2.HeadersFrameParam{StreamID: a.stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
		return err
	}
	a.stream += 2
	for {
		f, err := a.f.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := a.f.WriteSettingsAck(); err != nil {
					return err
				}
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				return nil
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Errorf("%v", f)
		}
	}
}

func (e *every) asker(listener string, version int) (asker, error) {
	c, err := net.Dial("tcp", e.at(listener))
	if err != nil {
		return nil, err
	}
	if listener == "secure" {
		next := []string{"http/1.1"}
		if version == 2 {
			next = []string{"h2"}
		}
		c = tls.Client(c, &tls.Config{RootCAs: e.ca.roots(), ServerName: "shop.test", NextProtos: next})
	}
	if version == 2 {
		return newAsker2(c)
	}
	return &asker1{c, bufio.NewReaderSize(c, 512)}, nil
}

// Many connections wait at little cost, and all of them are served afterwards:
// 10,000 with PITOT_E2E_FULL=1.
func TestManyIdleConnections(t *testing.T) {
	n := 1000
	if os.Getenv("PITOT_E2E_FULL") == "1" {
		n = 10_000
	}
	for _, listener := range []string{"plain", "secure"} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s HTTP%d", listener, version), func(t *testing.T) {
				e := startEvery(t, "", "", "")
				before := e.peak(t)
				var open []asker
				defer func() {
					for _, a := range open {
						a.Close()
					}
				}()
				for range n {
					a, err := e.asker(listener, version)
					if err != nil {
						t.Fatal(err)
					}
					open = append(open, a)
					if err := a.ask(); err != nil {
						t.Fatalf("connection %d: %v", len(open), err)
					}
				}
				for i, a := range open {
					if err := a.ask(); err != nil {
						t.Fatalf("connection %d, after all of %d: %v", i, n, err)
					}
				}
				each := (e.peak(t) - before) * 1024 / n
				t.Logf("%d connections cost at most %d KiB each", n, each)
				if each > 64 {
					t.Errorf("%d KiB a connection", each)
				}
			})
		}
	}
}
