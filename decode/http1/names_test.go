package http1

import (
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

func TestTraceContext(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	const short = "a3ce929d0e0e4736"
	for _, c := range []struct{ fields, trace, parent, state string }{
		{"traceparent: 00-" + trace + "-" + span + "-01\r\ntracestate: a=b", trace, span, "a=b"},
		{"traceparent: 01-" + trace + "-" + span + "-01-more", trace, span, ""},
		{"traceparent: 00-" + trace + "-" + span + "-01-more", "", "", ""},
		{"traceparent: ff-" + trace + "-" + span + "-01", "", "", ""},
		{"traceparent: 00-" + strings.Repeat("0", 32) + "-" + span + "-01", "", "", ""},
		{"traceparent: 00-" + trace + "-" + strings.Repeat("0", 16) + "-01", "", "", ""},
		{"traceparent: 00-" + trace[1:] + "g-" + span + "-01", "", "", ""},
		{"traceparent: bad\r\ntracestate: a=b\r\nb3: " + trace + "-" + span + "-1", trace, span, ""},
		{"b3: " + short + "-" + span, strings.Repeat("0", 16) + short, span, ""},
		{"b3: " + trace + "-" + span + "-d-" + span, trace, span, ""},
		{"b3: 0", "", "", ""},
		{"X-B3-TraceId: " + trace + "\r\nX-B3-SpanId: " + span + "\r\nX-B3-Sampled: 1", trace, span, ""},
		{"X-B3-TraceId: " + trace, "", "", ""},
		{"uber-trace-id: " + trace + ":" + span + ":0:1", trace, span, ""},
		{"uber-trace-id: " + trace + "%3A" + span + "%3a0%3A1", trace, span, ""},
		{"uber-trace-id: 1f:2:0:1", strings.Repeat("0", 30) + "1f", strings.Repeat("0", 15) + "2", ""},
		{"uber-trace-id: " + trace, "", "", ""},
	} {
		h, _, err := parseRequest("GET / HTTP/1.1\r\nHost: a\r\n"+c.fields+"\r\n\r\n", Strict)
		if err != nil {
			t.Fatal(err)
		}
		var x event.Exchange
		FillRequest(&x, new(event.HTTP), h)
		if got, want := hexOf(x.TraceID[:])+hexOf(x.ParentID[:])+x.TraceState, c.trace+c.parent+c.state; got != want {
			t.Errorf("%q: got %s, want %s", c.fields, got, want)
		}
	}
}

// hexOf is b in hexadecimal, empty for zero.
func hexOf(b []byte) string {
	if strings.Trim(string(b), "\x00") == "" {
		return ""
	}
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func TestTargets(t *testing.T) {
	for _, c := range []struct{ in, host, path, query, name string }{
		{"GET /a?b HTTP/1.1\r\nHost: H.example:81", "H.example", "/a", "b", "GET /a"},
		{"GET http://u:p@b.example/x?y HTTP/1.1\r\nHost: other", "b.example", "/x", "y", "GET /x"},
		{"GET http://b.example HTTP/1.1\r\nHost: b.example", "b.example", "/", "", "GET /"},
		{"GET http://[::1]:80?q HTTP/1.1\r\nHost: x", "::1", "/", "q", "GET /"},
		{"CONNECT b.example:443 HTTP/1.1\r\nHost: x", "b.example", "", "", "CONNECT"},
		{"OPTIONS * HTTP/1.1\r\nHost: [::1]", "::1", "*", "", "OPTIONS"},
		{"PROPFIND /d HTTP/1.1\r\nHost: a", "a", "/d", "", "HTTP /d"},
		{"GET /two words HTTP/1.1\r\nHost: a", "a", "/two words", "", "GET /{id}"},
	} {
		h, _, err := parseRequest(c.in+"\r\n\r\n", Lenient)
		if err != nil {
			t.Fatal(c.in, err)
		}
		var x event.Exchange
		var p event.HTTP
		FillRequest(&x, &p, h)
		if p.Host != c.host || p.Path != c.path || p.Query != c.query || x.Name != c.name {
			t.Errorf("%q: host %q path %q query %q name %q", c.in, p.Host, p.Path, p.Query, x.Name)
		}
	}
}

func TestTextIsBounded(t *testing.T) {
	h, _, err := parseRequest("GET /"+strings.Repeat("a", 20_000)+"?q="+strings.Repeat("b", 20_000)+" HTTP/1.1\r\nHost: a\r\nUser-Agent: "+strings.Repeat("c", 9_000)+"\r\n\r\n", Lenient)
	if err != nil {
		t.Fatal(err)
	}
	var x event.Exchange
	var p event.HTTP
	FillRequest(&x, &p, h)
	if len(p.Path) != 4096 || len(p.Query) != 4096 || len(p.UserAgent) != 4096 || len(x.Name) > 300 {
		t.Errorf("path %d, query %d, user agent %d, name %d", len(p.Path), len(p.Query), len(p.UserAgent), len(x.Name))
	}
}

func TestDetect(t *testing.T) {
	const no, maybe, yes = 0, 1, 2
	for _, c := range []struct {
		d    event.Dir
		in   string
		want int
	}{
		{0, "G", maybe}, {0, "GET", maybe}, {0, "GET /", maybe}, {0, "GET / HTTP/1.1\r", maybe}, {0, "GET / HTTP/1.1\r\n", yes}, {0, "GET / HTTP/1.0\n", yes},
		{0, "\r\nGET / HTTP/1.1\r\n", yes}, {0, "QUERY /x HTTP/1.1\r\n", yes}, {0, "VERSION-CONTROL /x HTTP/1.1\r\n", yes},
		{0, "GET /\r\n", yes}, {0, "GET / x\r\n", maybe}, {0, "get /x\r\n", maybe}, {0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", no}, {0, "GET / HTTP/2.0\r\n", maybe}, {0, "GET/ HTTP/1.1\r\n", maybe}, {0, "EHLO example.org\r\n", no}, {0, "{\"a\":1}\n", no}, {0, "OPTIONS sip:a SIP/2.0\r\n", no},
		{0, "\x16\x03\x01\x02", no}, {0, strings.Repeat("A", 600), no}, {0, "GET \x00", no},
		{0, "GET /" + strings.Repeat("a", 600), yes}, {0, "", maybe},
		{1, "HTT", maybe}, {1, "HTTP/1.1", maybe}, {1, "HTTP/1.1 ", yes}, {1, "http/1.0 200", yes}, {1, "HTTP/2.0 ", no}, {1, "SSH-2.0", no}, {1, "HTTP/1.1200", no},
	} {
		if got := int(Detect(c.d, []byte(c.in))); got != c.want {
			t.Errorf("direction %d, %.40q: got %d, want %d", c.d, c.in, got, c.want)
		}
	}
}
