package desync

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// streamed is a request of HTTP/2, and what becomes of it on its way to an
// upstream of HTTP/1.1.
type streamed struct {
	name   string
	fields []string // names and values, in turn
	body   string   // "" for a head that ends the stream
	comes  string   // to the client
	sent   string   // to the upstream, without the fields that pitot adds
}

// head is a good request's pseudo-fields, with more after them.
func head(method string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "http", ":path", "/p", ":authority", "x"}, more...)
}

const (
	malformed = "reset PROTOCOL_ERROR"
	answers   = "status 200"
)

func malformedOne(name string, fields []string, body string) streamed {
	return streamed{name: name, fields: fields, body: body, comes: malformed}
}

// What HTTP/2 can say and HTTP/1.1 cannot is refused before it becomes bytes of
// HTTP/1.1 (RFC 9113, 8.2 and 10.3).
func TestDowngrade(t *testing.T) {
	injected := "x\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x"
	lanes(t, []streamed{
		{"GET", head("GET", "a", "b"), "", answers, "GET /p HTTP/1.1\r\nhost: x\r\na: b\r\n\r\n"},
		{"POST", head("POST", "content-length", "5"), "hello", answers, "POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"},
		{"POST without length", head("POST"), "hello", answers, "POST /p HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{"cookies", head("GET", "cookie", "a=b", "cookie", "c=d"), "", answers, "GET /p HTTP/1.1\r\nhost: x\r\ncookie: a=b; c=d\r\n\r\n"},

		malformedOne("CR and LF in a value", head("GET", "a", injected), ""),
		malformedOne("LF in a value", head("GET", "a", "b\nc: d"), ""),
		malformedOne("CR in a value", head("GET", "a", "b\rc: d"), ""),
		malformedOne("NUL in a value", head("GET", "a", "b\x00"), ""),
		malformedOne("LF in a name", head("GET", "a: b\nc", "d"), ""),
		malformedOne("colon in a name", head("GET", "transfer-encoding: chunked\r\na", "b"), ""),
		malformedOne("space in a name", head("GET", "content-length ", "5"), ""),
		malformedOne("capitals in a name", head("GET", "Transfer-Encoding", "chunked"), ""),
		malformedOne("empty name", head("GET", "", "b"), ""),
		malformedOne("space before a value", head("GET", "a", " b"), ""),
		malformedOne("LF in the path", []string{":method", "GET", ":scheme", "http", ":path", "/p HTTP/1.1\r\nHost: y\r\n\r\nGET /hidden", ":authority", "x"}, ""),
		malformedOne("space in the path", []string{":method", "GET", ":scheme", "http", ":path", "/p HTTP/1.1", ":authority", "x"}, ""),
		malformedOne("tab in the path", []string{":method", "GET", ":scheme", "http", ":path", "/p\tHTTP/1.1", ":authority", "x"}, ""),
		malformedOne("empty path", []string{":method", "GET", ":scheme", "http", ":path", "", ":authority", "x"}, ""),
		malformedOne("no path", []string{":method", "GET", ":scheme", "http", ":authority", "x"}, ""),
		malformedOne("path without slash", []string{":method", "GET", ":scheme", "http", ":path", "p", ":authority", "x"}, ""),
		malformedOne("absolute path", []string{":method", "GET", ":scheme", "http", ":path", "http://y/p", ":authority", "x"}, ""),
		malformedOne("asterisk", []string{":method", "GET", ":scheme", "http", ":path", "*", ":authority", "x"}, ""),
		malformedOne("method with a target", []string{":method", "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\nGET", ":scheme", "http", ":path", "/p", ":authority", "x"}, ""),
		malformedOne("method with a space", head("GET /hidden"), ""),
		malformedOne("no method", []string{":scheme", "http", ":path", "/p", ":authority", "x"}, ""),
		malformedOne("two methods", head("GET", "a", "b", ":method", "POST"), ""),
		malformedOne("two paths", []string{":method", "GET", ":scheme", "http", ":path", "/p", ":path", "/q", ":authority", "x"}, ""),
		malformedOne("two authorities", []string{":method", "GET", ":scheme", "http", ":path", "/p", ":authority", "x", ":authority", "y"}, ""),
		malformedOne("pseudo-field behind a field", append([]string{"a", "b"}, head("GET")...), ""),
		malformedOne("unknown pseudo-field", append([]string{":a", "b"}, head("GET")...), ""),
		malformedOne("pseudo-field of answers", append([]string{":status", "200"}, head("GET")...), ""),
		malformedOne("authority with LF", []string{":method", "GET", ":scheme", "http", ":path", "/p", ":authority", injected}, ""),
		malformedOne("authority with a user", []string{":method", "GET", ":scheme", "http", ":path", "/p", ":authority", "u@x"}, ""),
		malformedOne("host that differs", head("GET", "host", "y"), ""),
		malformedOne("two hosts", []string{":method", "GET", ":scheme", "http", ":path", "/p", "host", "x", "host", "y"}, ""),

		malformedOne("transfer-encoding", head("POST", "transfer-encoding", "chunked"), "0\r\n\r\n"+hidden),
		malformedOne("transfer-encoding without body", head("GET", "transfer-encoding", "chunked"), ""),
		malformedOne("transfer-encoding of another kind", head("POST", "transfer-encoding", "x"), "hello"),
		malformedOne("connection", head("GET", "connection", "close"), ""),
		malformedOne("keep-alive", head("GET", "keep-alive", "1"), ""),
		malformedOne("proxy-connection", head("GET", "proxy-connection", "close"), ""),
		malformedOne("upgrade", head("GET", "upgrade", "websocket"), ""),
		malformedOne("te of another kind", head("GET", "te", "gzip"), ""),
		malformedOne("length shorter than the body", head("POST", "content-length", "0"), hidden),
		malformedOne("length longer than the body", head("POST", "content-length", "50"), "hello"),
		malformedOne("length with plus", head("POST", "content-length", "+5"), "hello"),
		malformedOne("list of lengths", head("POST", "content-length", "5, 5"), "hello"),
		malformedOne("two lengths", head("POST", "content-length", "5", "content-length", "6"), "hello"),
		malformedOne("length without body", head("POST", "content-length", "5"), ""),
	}, func(s streamed) string { return s.name }, func(t *testing.T, l *lane, s streamed) { s.try(t, l) })
}

func (s streamed) try(t *testing.T, l *lane) {
	p := l.pitots[0]
	comes := s.ask(p)
	sent := plain(p.origin.took())
	t.Logf("%-8s %s, passed on %q", p.name, comes, passed(sent))
	if comes != s.comes {
		t.Errorf("the client gets %q, want %q", comes, s.comes)
	}
	if sent != s.sent && !(s.comes == malformed && len(whole(passed(sent))) == 0) {
		t.Errorf("the upstream got %q, want %q", sent, s.sent)
	}
	if strings.Contains(sent, "hidden") {
		t.Errorf("the upstream got %q", sent)
	}
	differ := false
	for _, f := range l.peers {
		comes := s.ask(f)
		theirs := passed(f.origin.took())
		t.Logf("%-8s %s, passed on %q", f.name, comes, theirs)
		differ = differ || !same(theirs, passed(sent))
	}
	if differ && len(whole(passed(sent))) > 0 {
		agree(t, l.peers, sent, sent)
	}
}

// ask sends s as the first stream of a connection, and says what comes of it.
func (s streamed) ask(f *front) string {
	c, err := net.Dial(f.network, f.h2)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	framer := http2.NewFramer(c, c)
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		return err.Error()
	}
	_ = framer.WriteSettings()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for i := 0; i < len(s.fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: s.fields[i], Value: s.fields[i+1]})
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: s.body == ""})
	if s.body != "" {
		_ = framer.WriteData(1, true, []byte(s.body))
	}
	return outcome(framer)
}

// outcome is what becomes of the first stream.
func outcome(framer *http2.Framer) string {
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := framer.ReadFrame()
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			return "nothing"
		} else if err != nil {
			return "the end"
		}
		switch x := frame.(type) {
		case *http2.MetaHeadersFrame:
			return "status " + x.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return fmt.Sprintf("reset %v", x.ErrCode)
		case *http2.GoAwayFrame:
			if x.ErrCode != http2.ErrCodeNo {
				return fmt.Sprintf("goaway %v", x.ErrCode)
			}
		}
	}
}
