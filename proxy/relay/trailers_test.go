package relay_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/pitot-io/pitot/internal/event"
)

// A host of HTTP/2 may send trailers after a body of known length. HTTP/1.1 has
// them after chunks only, which whoever takes trailers gets; else they are
// dropped, and counted.
func TestTrailersAfterALength(t *testing.T) {
	addr := origin(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "5")
		if kind := r.Header.Get("X-Kind"); kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		_, _ = io.WriteString(w, "hello")
		w.Header().Set(http.TrailerPrefix+"X-T", r.Trailer.Get("X-From")+"a")
	})
	for _, c := range []struct {
		name    string
		client  int
		fields  []string
		trailer string
		length  int64
		dropped int64
	}{
		{"nobody says", 1, nil, "", 5, 1},
		{"the client takes them", 1, []string{"Te", "trailers"}, "a", -1, 0},
		{"gRPC", 1, []string{"X-Kind", "application/grpc+proto"}, "a", -1, 0},
		{"HTTP/2", 2, nil, "a", 5, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, addr, 2)
			r, err := http.NewRequest("GET", p.url("/"), nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(c.fields); i += 2 {
				r.Header.Set(c.fields[i], c.fields[i+1])
			}
			if slices.Contains(c.fields, "Te") {
				r.Header.Set("Connection", "te")
			}
			a, err := p.client(c.client).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if b := body(t, a); b != "hello" || a.ContentLength != c.length || a.Trailer.Get("X-T") != c.trailer {
				t.Errorf("%q, length %d, trailers %v", b, a.ContentLength, a.Trailer)
			}
			p.spans.find(t, ofKind(event.Server)) // it is over then
			if n := p.stats.dropped.Load(); n != c.dropped {
				t.Errorf("%d times trailers were dropped, want %d", n, c.dropped)
			}
		})
	}
}

// post is a request of HTTP/2 with a body of known length and a trailer; it
// waits for the answer.
func post(t *testing.T, addr string, fields ...string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	out := bytes.NewBufferString(http2.ClientPreface) // all at once: a host may answer before trailers have come
	f := http2.NewFramer(out, c)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	head := func(end bool, fields ...string) {
		block.Reset()
		for i := 0; i < len(fields); i += 2 {
			_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
	}
	_ = f.WriteSettings()
	head(false, append([]string{":method", "POST", ":scheme", "http", ":authority", addr, ":path", "/", "content-length", "5"}, fields...)...)
	_ = f.WriteData(1, false, []byte("hello"))
	head(true, "x-from", "me")
	if _, err := out.WriteTo(c); err != nil {
		t.Fatal(err)
	}
	for {
		switch x, err := f.ReadFrame(); x := x.(type) {
		case nil:
			t.Fatal(err)
		case *http2.MetaHeadersFrame:
			if x.PseudoValue("status") != "200" {
				t.Errorf("status %s", x.PseudoValue("status"))
			}
			return
		}
	}
}

// The same of requests, for hosts of HTTP/1.1.
func TestTrailersOfRequestsAfterALength(t *testing.T) {
	got := make(chan string, 1)
	addr := raw(t, func(c *net.TCPConn, r *bufio.Reader) {
		for {
			q, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, q.Body)
			got <- fmt.Sprint(q.ContentLength, q.Trailer["X-From"])
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	for _, c := range []struct {
		fields  []string
		want    string
		dropped int64
	}{
		{[]string{"trailer", "x-from"}, "-1 [me]", 0},
		{[]string{"content-type", "application/grpc"}, "-1 [me]", 0},
		{nil, "5 []", 1},
	} {
		p := start(t, addr, 1)
		post(t, p.addr, c.fields...)
		p.spans.find(t, ofKind(event.Server))
		if b := <-got; b != c.want || p.stats.dropped.Load() != c.dropped {
			t.Errorf("%v: the host got %s, %d were dropped", c.fields, b, p.stats.dropped.Load())
		}
	}
}
