package h2

import (
	"testing"

	"golang.org/x/net/http2"

	"github.com/pitot-io/pitot/proxy/relay"
)

func TestMalformedRequests(t *testing.T) {
	_, at := serve(t, echo, ServerOptions{})
	p := dialPeer(t, at)
	base := func(more ...string) []string {
		return append([]string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"}, more...)
	}
	id := uint32(1)
	for name, fields := range map[string][]string{
		"upper case":                base("X-Up", "1"),
		"empty name":                base("", "1"),
		"blank in name":             base("x y", "1"),
		"colon in name":             base("x:y", "1"),
		"CR LF in a value":          base("x", "a\r\nb: c"),
		"LF in a value":             base("x", "a\nb"),
		"NUL in a value":            base("x", "a\x00b"),
		"control in a value":        base("x", "a\x01b"),
		"blank before a value":      base("x", " a"),
		"blank after a value":       base("x", "a "),
		"connection":                base("connection", "close"),
		"keep-alive":                base("keep-alive", "1"),
		"proxy-connection":          base("proxy-connection", "close"),
		"transfer-encoding":         base("transfer-encoding", "chunked"),
		"upgrade":                   base("upgrade", "websocket"),
		"te":                        base("te", "gzip"),
		"unknown pseudo-field":      base(":x", "1"),
		"status":                    base(":status", "200"),
		"pseudo-field late":         {":method", "GET", ":scheme", "http", "x", "1", ":authority", "a", ":path", "/"},
		"pseudo-field twice":        {":method", "GET", ":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"},
		"no method":                 {":scheme", "http", ":authority", "a", ":path", "/"},
		"no scheme":                 {":method", "GET", ":authority", "a", ":path", "/"},
		"no path":                   {":method", "GET", ":scheme", "http", ":authority", "a"},
		"empty path":                {":method", "GET", ":scheme", "http", ":authority", "a", ":path", ""},
		"path of no slash":          {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "x"},
		"path with a blank":         {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/ HTTP/1.1"},
		"path with a line's end":    {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/\r\nx: y"},
		"path with a fragment":      {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/#x"},
		"asterisk for GET":          {":method", "GET", ":scheme", "http", ":authority", "a", ":path", "*"},
		"method with a blank":       {":method", "GET /", ":scheme", "http", ":authority", "a", ":path", "/"},
		"method in small letters":   {":method", "head", ":scheme", "http", ":authority", "a", ":path", "/"},
		"scheme":                    {":method", "GET", ":scheme", "ftp", ":authority", "a", ":path", "/"},
		"authority with a user":     {":method", "GET", ":scheme", "http", ":authority", "u@a", ":path", "/"},
		"authority with a slash":    {":method", "GET", ":scheme", "http", ":authority", "a/b", ":path", "/"},
		"host and authority differ": base("host", "b"),
		"two hosts":                 base("host", "a", "host", "a"),
		"lengths differ":            base("content-length", "0", "content-length", "1"),
		"length that is none":       base("content-length", "+1"),
		"length without a body":     base("content-length", "1"),
		"connect with path":         {":method", "CONNECT", ":authority", "a:1", ":path", "/"},
		"connect without authority": {":method", "CONNECT"},
		"protocol without connect":  base(":protocol", "websocket"),
	} {
		t.Run(name, func(t *testing.T) {
			p.t = t
			p.head(id, true, fields...)
			p.reset(id, http2.ErrCodeProtocol)
			id += 2
		})
	}
	p.t = t
	p.get(id, "te", "trailers", "host", "A") // and the connection serves on
	if s := p.status(p.next()); s != "200" {
		t.Errorf("status %s after malformed requests", s)
	}
}

func TestBodyNotAsLongAsSaid(t *testing.T) {
	failed := make(chan error, 8)
	_, at := serve(t, func(c relay.Client) {
		for {
			if _, err := c.Next(); err != nil {
				failed <- err
				return
			}
		}
	}, ServerOptions{})
	p := dialPeer(t, at)
	p.post(1, "content-length", "3")
	p.must(p.WriteData(1, true, []byte("four")))
	p.reset(1, http2.ErrCodeProtocol)
	p.post(3, "content-length", "3")
	p.must(p.WriteData(3, true, []byte("2b")))
	p.reset(3, http2.ErrCodeProtocol)
	p.post(5, "content-length", "3")
	p.must(p.WriteData(5, false, []byte("2b")))
	p.head(5, true, "x-trailer", "1")
	p.reset(5, http2.ErrCodeProtocol)
	p.post(7)
	p.head(7, true, ":path", "/")
	p.reset(7, http2.ErrCodeProtocol)
	p.post(9)
	p.head(9, false, "x", "y")
	p.reset(9, http2.ErrCodeProtocol)
	for range 5 {
		if err := <-failed; err == nil {
			t.Error("the exchange heard of no fault")
		}
	}
}

func TestHeadTooLarge(t *testing.T) {
	_, at := serve(t, echo, ServerOptions{Limits: Limits{HeaderList: 4096, Block: 1 << 20, Continuations: 100}})
	p := dialPeer(t, at)
	p.get(1, "x-large", long(5000))
	if s := p.status(p.next()); s != "431" {
		t.Errorf("status %s, want 431", s)
	}
	p.get(3)
	if s := p.status(p.next()); s != "200" {
		t.Errorf("status %s, want 200", s)
	}
}

func long(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}
