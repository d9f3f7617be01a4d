package h1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for k, v := range r.Trailer {
		w.Header()[http.TrailerPrefix+"Got-"+k] = v
	}
	w.Write(b)
}

func TestUploads(t *testing.T) {
	p := start(t, serveHTTP(t, echo))
	hc := p.httpClient()
	for _, size := range []int{0, 1, 1000, 15 << 10, 16 << 10, 17 << 10, 200 << 10, 3 << 20} {
		for _, chunked := range []bool{false, true} {
			body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			var r io.Reader = bytes.NewReader(body)
			if chunked {
				r = io.MultiReader(r)
			}
			resp, err := hc.Post(p.url("/up"), "text/plain", r)
			if err != nil {
				t.Fatalf("%d bytes, chunked %v: %v", size, chunked, err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes, chunked %v: %d bytes came back, %v", size, chunked, len(got), err)
			}
		}
	}
	for _, x := range p.spans.all(t, event.Server, 16) {
		if x.HTTP.RequestBody != x.HTTP.ResponseBody || x.Flags != 0 || x.RequestBytes <= x.HTTP.RequestBody {
			t.Errorf("span %s", x.AppendJSON(nil))
		}
	}
}

func TestTrailersBothWays(t *testing.T) {
	p := start(t, serveHTTP(t, echo))
	req, _ := http.NewRequest("POST", p.url("/"), io.MultiReader(strings.NewReader("hello")))
	req.Trailer = http.Header{"Checksum": {"abc"}}
	resp, err := p.httpClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != "hello" || resp.Trailer.Get("Got-Checksum") != "abc" {
		t.Errorf("body %q, trailers %v", b, resp.Trailer)
	}
}

// Expect: 100-continue goes through, and so does a refusal instead of it.
func TestExpectContinue(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		for {
			h := head(r)
			switch {
			case h == "":
				return
			case strings.HasPrefix(h, "PUT /no"):
				io.WriteString(c, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
				return
			case !strings.Contains(h, "100-continue"):
				t.Errorf("the upstream got %q", h)
			}
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			io.CopyN(io.Discard, r, 5)
			io.WriteString(c, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}
	})
	p := start(t, o.addr)
	c := p.dial()
	for range 2 {
		c.send("PUT /yes HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		if h := head(c.r); h != "HTTP/1.1 100 Continue\r\n\r\n" {
			t.Fatalf("the client got %q, want 100", h)
		}
		c.send("hello")
		if resp, _ := c.answer("PUT"); resp.StatusCode != 201 || resp.Close {
			t.Fatalf("answer %s, close %v", resp.Status, resp.Close)
		}
	}
	c.send("PUT /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if resp, _ := c.answer("PUT"); resp.StatusCode != 417 || !resp.Close {
		t.Errorf("answer %s, close %v; want 417 and the end, as the body is not read", resp.Status, resp.Close)
	}
	c.CloseWrite()
	c.ends()
	if x := p.spans.server(t, 1); x.HTTP.Interim != 1 || x.HTTP.StatusCode != 201 || x.HTTP.RequestBody != 5 {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// An upstream may answer before it has read the request, and stop reading.
func TestEarlyAnswerDuringUpload(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
		c.CloseWrite()
		io.CopyN(io.Discard, r, 1<<20)
	})
	p := start(t, o.addr)
	c := p.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
	sent := make(chan error)
	go func() {
		_, err := io.Copy(c.TCPConn, io.LimitReader(zeros{}, 1000000000))
		sent <- err
	}()
	resp, body := c.answer("POST")
	if resp.StatusCode != 413 || body != "big" || !resp.Close {
		t.Errorf("answer %s %q, close %v", resp.Status, body, resp.Close)
	}
	c.ends()
	<-sent
	if n := o.bytes.Load(); n > 64<<20 {
		t.Errorf("the upstream got %d bytes after its answer", n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// Both bodies may flow at the same time.
func TestDuplex(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		io.Copy(c, r) // the chunks themselves
	})
	p := start(t, o.addr)
	c := p.dial()
	c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	head(c.r)
	for i := range 10 {
		want := fmt.Sprintf("3\r\n%03d\r\n", i)
		c.send(want)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
			t.Fatalf("chunk %d: %q, %v", i, got, err)
		}
	}
	c.send("0\r\n\r\n")
	c.ends2("0\r\n\r\n")
}

// ends2 waits for want and the end of the connection.
func (c *client) ends2(want string) {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); err != nil || string(b) != want {
		c.t.Errorf("at the end: %q, %v; want %q", b, err, want)
	}
}

func TestAnswersWithoutBody(t *testing.T) {
	p := start(t, serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Content-Length", "42")
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "5")
			w.WriteHeader(200)
		}
	}))
	c := p.dial()
	for range 3 {
		c.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /204 HTTP/1.1\r\nHost: x\r\n\r\nGET /304 HTTP/1.1\r\nHost: x\r\n\r\n")
		for i, want := range []int{200, 204, 304} {
			resp, body := c.answer([]string{"HEAD", "GET", "GET"}[i])
			if resp.StatusCode != want || body != "" || resp.Close {
				t.Fatalf("answer %s %q, want %d", resp.Status, body, want)
			}
		}
	}
}

func TestHTTP10(t *testing.T) {
	p := start(t, serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			for range 3 {
				io.WriteString(w, "abc")
				w.(http.Flusher).Flush()
			}
			return
		}
		hello(w, r)
	}))
	t.Run("close", func(t *testing.T) {
		c := p.dial()
		c.send("GET /a HTTP/1.0\r\n\r\n")
		if resp, body := c.answer("GET"); body != "hello /a" || !resp.Close {
			t.Errorf("answer %q, close %v", body, resp.Close)
		}
		c.ends()
	})
	t.Run("keep-alive", func(t *testing.T) {
		c := p.dial()
		for range 2 {
			c.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
			if resp, body := c.answer("GET"); body != "hello /a" || resp.Header.Get("Connection") != "keep-alive" {
				t.Errorf("answer %q %v", body, resp.Header)
			}
		}
	})
	t.Run("chunks undone", func(t *testing.T) {
		c := p.dial()
		c.send("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		h := head(c.r)
		if strings.Contains(strings.ToLower(h), "transfer-encoding") || !strings.Contains(h, "connection: close") {
			t.Errorf("head %q", h)
		}
		c.ends2("abcabcabc")
	})
}

func TestUpstreamOfHTTP10(t *testing.T) {
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		io.WriteString(c, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")
	})
	p := start(t, o.addr)
	for range 2 {
		c := p.dial()
		c.send(get + "\r\n")
		resp, body := c.answer("GET")
		if body != "until the end" {
			t.Errorf("answer %q", body)
		}
		if resp.Close {
			c.ends()
		} else if len(resp.TransferEncoding) == 0 {
			t.Error("nothing says where the answer ends")
		}
	}
	if x := p.spans.server(t, 2); x.Flags != 0 || x.HTTP.ResponseBody != int64(len("until the end")) {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

// Memory does not grow with the body.
func TestLargeDownloadInLittleMemory(t *testing.T) {
	size := int64(1 << 30)
	if testing.Short() || raceDetector {
		size = 64 << 20
	}
	o := serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		block := make([]byte, 256<<10)
		for left := size; left > 0; left -= int64(len(block)) {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	})
	p := start(t, o.addr)
	c := p.dial()
	c.send(get + "\r\n")
	head(c.r)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(c.r, size), make([]byte, 256<<10))
	runtime.ReadMemStats(&after)
	if n != size || err != nil {
		t.Fatalf("%d of %d bytes came, %v", n, size, err)
	}
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 4<<20 {
		t.Errorf("%d bytes were allocated for a body of %d", grown, size)
	}
	if x := p.spans.server(t, 1); x.HTTP.ResponseBody != size {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	p := start(t, serveHTTP(t, echo))
	file := t.TempDir() + "/body"
	body := bytes.Repeat([]byte("pitot "), 1<<19)
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--data-binary", "@" + file, "-H", "Expect: 100-continue"},
		{"--data-binary", "@" + file, "-H", "Transfer-Encoding: chunked"},
		{"-T", file},
		{"-0", "--data-binary", "@" + file},
	} {
		cmd := exec.Command(curl, append([]string{"-sS", "--noproxy", "*", "--max-time", "10", p.url("/")}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Equal(out, body) {
			t.Errorf("curl %v: %d bytes, %v: %.200q", args, len(out), err, out)
		}
	}
}
