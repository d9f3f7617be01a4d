package tls

import (
	"bytes"
	"crypto/tls"
	"net"
	"testing"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// said are the first bytes of a client of crypto/tls.
func said(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(ours, c).Handshake() // ends with the pipe
	}()
	b := make([]byte, 64<<10)
	n, err := theirs.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	ours.Close()
	<-done
	return b[:n]
}

// records cuts a record's body into records of n bytes.
func records(b []byte, n int) (all []byte) {
	for body := b[headerLen:]; len(body) > 0; {
		part := body[:min(n, len(body))]
		body = body[len(part):]
		all = append(append(all, b[0], b[1], b[2], byte(len(part)>>8), byte(len(part))), part...)
	}
	return all
}

func TestHelloIsReadHoweverItComes(t *testing.T) {
	whole := said(t, &tls.Config{ServerName: "shop.example.com", NextProtos: []string{"h2"}})
	for _, b := range [][]byte{whole, records(whole, 100), records(whole, 1)} {
		for _, step := range []int{1, 7, len(b)} {
			var r HelloReader
			for n := 0; ; {
				n = min(n+step, len(b))
				h, more := r.Read(b[:n])
				if more != (n < len(b)) {
					t.Fatalf("after %d of %d bytes: more %v", n, len(b), more)
				}
				if !more {
					if h == nil || h.ServerName() != "shop.example.com" {
						t.Errorf("hello %+v", h)
					}
					break
				}
			}
		}
	}
}

func TestWhatIsNoHello(t *testing.T) {
	huge := append([]byte{22, 3, 1, 0x40, 0, 1, 1, 0xff, 0xff}, make([]byte, 70<<10)...)
	for name, b := range map[string][]byte{"HTTP": []byte("GET / HTTP/1.1\r\n"), "alert": {21, 3, 1, 0, 2, 2, 40}, "too large": huge} {
		var r HelloReader
		if h, more := r.Read(b); h != nil || more {
			t.Errorf("%s: %+v, %v", name, h, more)
		}
	}
}

// A connection that crypto/tls speaks is told as one that is watched.
func TestConnectionIsToldAsIfItWereWatched(t *testing.T) {
	config := &tls.Config{ServerName: "shop.example.com", NextProtos: []string{"h2", "http/1.1"}}
	var r HelloReader
	read, _ := r.Read(said(t, config))
	var given *Hello
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(ours, config).Handshake() // ends with the pipe
	}()
	server := tls.Server(theirs, &tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
		given = HelloOf(i)
		return nil, net.ErrClosed
	}})
	_ = server.Handshake() // fails, as asked
	theirs.Close()
	<-done
	if a, b := read.h.ja4(), given.h.ja4(); a != b {
		t.Errorf("JA4 %s, from crypto/tls %s", a, b)
	}
	n := Connection(decode.Conn{}, 1, given, &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, NegotiatedProtocol: "h2"})
	if n.Name != event.EventTLS || n.Body != "TLS 1.3 to shop.example.com (h2)" {
		t.Errorf("event %+v", n)
	}
}

func FuzzHelloReader(f *testing.F) {
	whole := said(f, &tls.Config{ServerName: "shop.example.com"})
	f.Add(whole, 3)
	f.Add(records(whole, 40), 50)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var once, twice HelloReader
		h, more := once.Read(b)
		if cut = min(max(cut, 0), len(b)); cut > 0 {
			if early, wants := twice.Read(b[:cut]); !wants {
				h, more = early, false
				var again HelloReader
				if later, _ := again.Read(b); (later == nil) != (early == nil) && early != nil {
					t.Fatalf("a hello after %d bytes is gone after %d", cut, len(b))
				}
				return
			}
		}
		got, gotMore := twice.Read(b)
		if gotMore != more || (got == nil) != (h == nil) || h != nil && !bytes.Equal(h.h.session, got.h.session) {
			t.Fatalf("in pieces %v %v, at once %v %v", got, gotMore, h, more)
		}
	})
}
