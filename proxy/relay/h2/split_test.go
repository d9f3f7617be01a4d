package h2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/socket"
)

// recorded is what a client might send: three requests, one with a body in
// pieces and trailers, one whose head is in pieces, and frames between them.
func recorded() []byte {
	var b, block bytes.Buffer
	f := http2.NewFramer(&b, nil)
	enc := hpack.NewEncoder(&block)
	fields := func(pairs ...string) []byte {
		block.Reset()
		for i := 0; i < len(pairs); i += 2 {
			_ = enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		}
		return bytes.Clone(block.Bytes())
	}
	b.WriteString(http2.ClientPreface)
	_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	_ = f.WriteSettingsAck()
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, PadLength: 3,
		BlockFragment: fields(":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/1", "content-length", "8")})
	_ = f.WritePing(false, [8]byte{1})
	_ = f.WriteDataPadded(1, false, []byte("four"), []byte{0, 0})
	_ = f.WriteRawFrame(0xbb, 0, 7, []byte("unknown"))
	_ = f.WriteData(1, false, []byte("five"))
	head := fields(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/3", "x-one", "two", "cookie", "a=1", "cookie", "b=2")
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, EndStream: true, BlockFragment: head[:3]})
	_ = f.WriteContinuation(3, false, head[3:10])
	_ = f.WriteContinuation(3, true, head[10:])
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: true, BlockFragment: fields("x-trailer", "t")})
	_ = f.WriteWindowUpdate(0, 1000)
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, EndStream: true, EndHeaders: true,
		BlockFragment: fields(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/5")})
	return b.Bytes()
}

// pair is a pair of connected sockets: a server's, and its client's.
func pair(t testing.TB) (server *socket.Stream, client *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
	}
	return socket.Plain(conns[0]), conns[1]
}

// told is what a server answers to bytes, stream by stream.
func told(t testing.TB, s *Server, first, rest []byte) string {
	t.Helper()
	server, client := pair(t)
	var wg sync.WaitGroup
	wg.Add(1)
	go s.Serve(context.Background(), server, first, hop.Info{}, wg.Done)
	defer wg.Wait()
	defer client.Close()
	_ = client.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := client.Write(rest); err != nil {
		t.Fatal(err)
	}
	streams := map[uint32]*strings.Builder{1: {}, 3: {}, 5: {}}
	f := http2.NewFramer(nil, client)
	dec := hpack.NewDecoder(4096, nil)
	for ended := 0; ended < 3; {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("after %d streams: %v", ended, err)
		}
		to := streams[frame.Header().StreamID]
		switch x := frame.(type) {
		case *http2.HeadersFrame:
			fields, err := dec.DecodeFull(x.HeaderBlockFragment())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(to, fields)
		case *http2.DataFrame:
			to.Write(x.Data())
		}
		if frame.Header().StreamID != 0 && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			ended++
		}
	}
	return fmt.Sprint(streams[1], streams[3], streams[5])
}

// However what a client sends is cut, it is answered alike.
func TestEverySplit(t *testing.T) {
	s := NewServer(&engine{carry: echo}, ServerOptions{})
	all := recorded()
	want := told(t, s, all, nil)
	if !strings.Contains(want, "fourfive") || !strings.Contains(want, "a=1; b=2") || !strings.Contains(want, "back t") {
		t.Fatalf("answered: %s", want)
	}
	for i := range len(all) {
		if got := told(t, s, all[:i], all[i:]); got != want {
			t.Fatalf("cut at %d:\n%s\nwhole:\n%s", i, got, want)
		}
	}
}

// FuzzServer holds that whatever a client sends, the server ends in time, says
// only well-formed frames, and leaves nothing behind.
func FuzzServer(f *testing.F) {
	all := recorded()
	f.Add(all, 40)
	for _, n := range []int{24, 33, 60, 100, len(all) - 5} {
		f.Add(all[:n], n/2)
	}
	s := NewServer(&engine{carry: echo}, ServerOptions{MaxStreams: 4, Limits: Limits{Window: 100, ConnWindow: 70_000, Linger: 10 * time.Millisecond}})
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if !bytes.HasPrefix(b, []byte(http2.ClientPreface)) {
			b = append([]byte(http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), b...)
		}
		cut = min(max(cut, 0), len(b))
		server, client := pair(t)
		_ = client.SetDeadline(time.Now().Add(10 * time.Second))
		var wg sync.WaitGroup
		wg.Add(2)
		go s.Serve(context.Background(), server, b[:cut], hop.Info{}, wg.Done)
		go func() {
			defer wg.Done()
			_, _ = client.Write(b[cut:])
			_ = client.CloseWrite()
		}()
		listen(t, client)
		client.Close()
		began := time.Now()
		wg.Wait()
		if d := time.Since(began); d > 2*time.Second {
			t.Fatalf("the server ended %v after its client", d)
		}
		if n := s.Conns(); n != 0 {
			t.Fatalf("%d connections are left", n)
		}
	})
}

// listen reads frames to their end.
func listen(t *testing.T, c net.Conn) {
	f := http2.NewFramer(nil, c)
	dec := hpack.NewDecoder(4096, nil)
	for {
		frame, err := f.ReadFrame()
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			t.Fatal("the server did not end")
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
			return
		case err != nil:
			t.Fatalf("the server said something wrong: %v", err)
		}
		if h, ok := frame.(*http2.HeadersFrame); ok && h.HeadersEnded() {
			if _, err := dec.DecodeFull(h.HeaderBlockFragment()); err != nil {
				t.Fatalf("the server's field block: %v", err)
			}
		}
	}
}
