package socket

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/testca"
)

const patience = 10 * time.Second

// pair are the two ends of a connection.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	x, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	y, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{x, y} {
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
	}
	return x.(*net.TCPConn), y.(*net.TCPConn)
}

// secured is a stream under TLS, and its peer.
func secured(t *testing.T, version uint16) (*Stream, *tls.Conn) {
	t.Helper()
	ca := testca.New(t)
	p := ca.Issue("web", testca.Year(), "web.test")
	ours, theirs := pair(t)
	peer := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{p.TLS}, MaxVersion: version})
	done := make(chan error, 1)
	go func() { done <- peer.Handshake() }()
	c := tls.Client(Over(ours), &tls.Config{ServerName: "web.test", RootCAs: ca.Pool})
	if err := errors.Join(c.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return Secured(c, ours), peer
}

// try calls TryRead once.
func try(t *testing.T, s *Stream, b []byte) (n int, err error) {
	t.Helper()
	raw, e := s.Socket.SyscallConn()
	if e != nil {
		t.Fatal(e)
	}
	if e := raw.Control(func(fd uintptr) { n, err = s.TryRead(fd, b) }); e != nil {
		t.Fatal(e)
	}
	return n, err
}

// await waits for something to read, as a forwarder does.
func await(t *testing.T, s *Stream, b []byte) (n int, err error) {
	t.Helper()
	raw, e := s.Socket.SyscallConn()
	if e != nil {
		t.Fatal(e)
	}
	if e := raw.Read(func(fd uintptr) bool { n, err = s.TryRead(fd, b); return err != ErrAgain }); e != nil {
		t.Fatal(e)
	}
	return n, err
}

func TestTryRead(t *testing.T) {
	b := make([]byte, 64<<10)
	streams := map[string]func() (*Stream, net.Conn){
		"plain":   func() (*Stream, net.Conn) { x, y := pair(t); return Plain(x), y },
		"TLS 1.2": func() (*Stream, net.Conn) { s, y := secured(t, tls.VersionTLS12); return s, y },
		"TLS 1.3": func() (*Stream, net.Conn) { s, y := secured(t, tls.VersionTLS13); return s, y },
	}
	for name, make := range streams {
		t.Run(name, func(t *testing.T) {
			s, peer := make()
			if n, err := try(t, s, b); n != 0 || err != ErrAgain {
				t.Fatalf("nothing was said: %d, %v", n, err)
			}
			text := strings.Repeat("pitot", 30_000)
			go func() {
				_, _ = io.WriteString(peer, text)
				_ = peer.(interface{ CloseWrite() error }).CloseWrite()
			}()
			var got strings.Builder
			for {
				n, err := await(t, s, b[:7_000])
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got.Write(b[:n])
			}
			if got.String() != text {
				t.Errorf("heard %d bytes of %d", got.Len(), len(text))
			}
			if _, err := try(t, s, b); err != io.EOF {
				t.Errorf("after the end: %v", err)
			}
			if _, err := s.Write([]byte("still")); err != nil {
				t.Errorf("writing after the peer's end: %v", err)
			}
		})
	}
}

// A blocking read after tries that found part of a record loses nothing.
func TestTryThenRead(t *testing.T) {
	s, peer := secured(t, tls.VersionTLS13)
	b := make([]byte, 16)
	for range 3 {
		if _, err := try(t, s, b); err != ErrAgain {
			t.Fatal(err)
		}
		if _, err := io.WriteString(peer, "hello"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(s, b[:5]); err != nil || string(b[:5]) != "hello" {
			t.Fatalf("%q, %v", b[:5], err)
		}
	}
}

func TestTryReadNeedsALink(t *testing.T) {
	x, _ := pair(t)
	s := Secured(tls.Client(x, &tls.Config{InsecureSkipVerify: true}), x)
	if _, err := try(t, s, make([]byte, 1)); err == nil || err == ErrAgain || s.Link() != nil {
		t.Errorf("without a link: %v", err)
	}
}

// A write that is late goes on as long as it may, and nothing is lost.
func TestLateWrites(t *testing.T) {
	s, peer := secured(t, tls.VersionTLS13)
	asked := make(chan struct{}, 1024)
	s.Link().Late = func(int) (time.Time, bool) {
		select {
		case asked <- struct{}{}:
		default:
		}
		return time.Now().Add(5 * time.Millisecond), true
	}
	const size = 16 << 20
	done := make(chan error, 1)
	go func() {
		_ = s.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
		_, err := s.Write(make([]byte, size))
		done <- err
	}()
	<-asked // nobody reads yet
	if n, err := io.CopyN(io.Discard, peer, size); err != nil {
		t.Fatal(n, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.Link().Late = func(int) (time.Time, bool) { return time.Time{}, false }
	_ = s.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
	if _, err := s.Write(make([]byte, size)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("given up: %v", err)
	}
}

// How a stream is closed is what its peer sees: an end in order, or a reset.
func TestEndsOfSessions(t *testing.T) {
	s, peer := secured(t, tls.VersionTLS13)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after a close: %v", err)
	}
	s, peer = secured(t, tls.VersionTLS13)
	s.Abort()
	_ = s.Close() // tells that nobody was told
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}
}

// A close does not wait for a peer that takes nothing.
func TestCloseDoesNotWait(t *testing.T) {
	s, _ := secured(t, tls.VersionTLS13)
	_ = s.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	for {
		if _, err := s.Socket.Write(make([]byte, 1<<20)); err != nil { // past TLS, so that the session goes on
			break
		}
	}
	began := time.Now()
	_ = s.Close() // the goodbye could not be said
	if d := time.Since(began); d > time.Second {
		t.Errorf("waited %v", d)
	}
}
