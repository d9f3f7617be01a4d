package h1

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Path", r.URL.RequestURI())
	fmt.Fprintf(w, "hello %s", r.URL.Path)
}

func TestGetWithGoClient(t *testing.T) {
	p := start(t, serveHTTP(t, hello))
	hc := p.httpClient()
	for i := range 20 {
		resp, err := hc.Get(p.url(fmt.Sprintf("/cart/%d?x=1", i)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := fmt.Sprintf("hello /cart/%d", i); string(body) != want || resp.Header.Get("X-Path") != fmt.Sprintf("/cart/%d?x=1", i) {
			t.Fatalf("answer %q, header %v; want %q", body, resp.Header, want)
		}
	}
	x := p.spans.server(t, 20)
	if x.Name != "GET /cart/{id}" || x.HTTP.StatusCode != 200 || x.HTTP.ResponseBody != int64(len("hello /cart/19")) ||
		x.Route != "all" || x.Cluster != "origin" || x.Service != "origin" || x.Listener != "front" || x.Flags != 0 || x.Status != event.Unset {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
	a := p.spans.all(t, event.Client, 20)[19]
	if a.TraceID != x.TraceID || a.ParentID != x.SpanID || a.Peer != "origin" || a.HTTP.StatusCode != 200 || a.Endpoint != x.Endpoint {
		t.Errorf("attempt %s", a.AppendJSON(nil))
	}
	if x.Start == 0 || x.FirstByte < x.Start || x.End < x.FirstByte {
		t.Errorf("times %d %d %d", x.Start, x.FirstByte, x.End)
	}
	if n := stat(p, "upstream_cx_total"); n != 1 {
		t.Errorf("%d upstream connections for one client, want 1", n)
	}
}

func stat(p *bench, name string) uint64 {
	for _, s := range p.cluster.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	return 0
}

func TestPipelinedRequests(t *testing.T) {
	p := start(t, serveHTTP(t, hello))
	c := p.dial()
	var all strings.Builder
	for i := range 50 {
		fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
		fmt.Fprintf(&all, "POST /p%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", i)
	}
	c.send(all.String())
	for i := range 50 {
		if _, body := c.answer("GET"); body != fmt.Sprintf("hello /%d", i) {
			t.Fatalf("answer %d: %q", i, body)
		}
		if _, body := c.answer("POST"); body != fmt.Sprintf("hello /p%d", i) {
			t.Fatalf("answer %d: %q", i, body)
		}
	}
}

func TestByteByByte(t *testing.T) {
	p := start(t, serveHTTP(t, hello))
	c := p.dial()
	for _, b := range []byte("GET /slow HTTP/1.1\r\nHost: x\r\n\r\nPOST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n") {
		c.send(string([]byte{b}))
	}
	if _, body := c.answer("GET"); body != "hello /slow" {
		t.Errorf("body %q", body)
	}
	if _, body := c.answer("POST"); body != "hello /up" {
		t.Errorf("body %q", body)
	}
}

func TestHeadersToUpstream(t *testing.T) {
	got := make(chan string, 1)
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		got <- head(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nX-Stay: 2\r\n\r\nok")
		head(r)
	})
	p := start(t, o.addr)
	c := p.dial()
	c.send("GET /a?b=c HTTP/1.1\r\nHost: shop.example:8080\r\nConnection: keep-alive, x-drop\r\nX-Drop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n" +
		"Proxy-Connection: keep-alive\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nAccept: */*\r\n\r\n")
	resp, body := c.answer("GET")
	if body != "ok" || resp.Header.Get("X-Stay") != "2" || resp.Header.Get("X-Hop") != "" || resp.Header.Get("Keep-Alive") != "" || resp.Header.Get("Connection") != "" {
		t.Errorf("answer %v %q", resp.Header, body)
	}
	sent := <-got
	for _, want := range []string{"GET /a?b=c HTTP/1.1\r\n", "Host: shop.example:8080\r\n", "Accept: */*\r\n", "TE: trailers\r\n",
		"x-forwarded-for: 9.9.9.9, 127.0.0.1\r\n", "x-forwarded-proto: http\r\n", "x-request-id: ", "traceparent: 00-"} {
		if !strings.Contains(sent, want) {
			t.Errorf("the upstream got\n%s\nwithout %q", sent, want)
		}
	}
	for _, not := range []string{"X-Drop", "Keep-Alive", "Proxy-Connection", "https"} {
		if strings.Contains(sent, not) {
			t.Errorf("the upstream got\n%s\nwith %q", sent, not)
		}
	}
}
