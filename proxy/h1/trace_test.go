package h1

import (
	"bufio"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
)

// heads is an upstream that answers with 204 and keeps what it got.
func heads(t *testing.T) (*origin, chan string) {
	got := make(chan string, 16)
	return serveRaw(t, func(c *net.TCPConn, r *bufio.Reader) {
		for {
			h := head(r)
			if h == "" {
				return
			}
			got <- h
			io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	}), got
}

// field is the value of the only field of that name.
func field(t *testing.T, head, name string) string {
	t.Helper()
	var found []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if k, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(k, name) {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d fields %s in\n%s", len(found), name, head)
	}
	return found[0]
}

func TestTraceGoesOn(t *testing.T) {
	o, got := heads(t)
	p := start(t, o.addr)
	c := p.dial()
	c.send(get + "Traceparent: 00-" + traceID + "-" + spanID + "-00\r\nTracestate: a=1\r\nTracestate: b=2\r\n\r\n")
	c.answer("GET")
	x, a := p.spans.server(t, 1), p.spans.all(t, event.Client, 1)[0]
	if hexOf(x.TraceID[:]) != traceID || hexOf(x.ParentID[:]) != spanID || x.SpanID.IsZero() {
		t.Errorf("server span %s", x.AppendJSON(nil))
	}
	if a.TraceID != x.TraceID || a.ParentID != x.SpanID || a.SpanID == x.SpanID {
		t.Errorf("client span %s", a.AppendJSON(nil))
	}
	h := <-got
	if tp := field(t, h, "traceparent"); tp != "00-"+traceID+"-"+hexOf(a.SpanID[:])+"-00" {
		t.Errorf("the upstream got traceparent %s", tp)
	}
	if !strings.Contains(h, "Tracestate: a=1\r\nTracestate: b=2\r\n") {
		t.Errorf("the upstream got\n%s", h)
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func TestTraceBegins(t *testing.T) {
	o, got := heads(t)
	p := start(t, o.addr, func(o *Options, _ *Route) { o.AttemptSpans = false })
	for _, bad := range []string{"", "Traceparent: 00-zz\r\nTracestate: a=1\r\n", "Traceparent: ff-" + traceID + "-" + spanID + "-01\r\n"} {
		c := p.dial()
		c.send(get + bad + "\r\n")
		c.answer("GET")
		h := <-got
		all := p.spans.all(t, event.Server, 1)
		x := all[len(all)-1]
		if tp := field(t, h, "traceparent"); tp != "00-"+hexOf(x.TraceID[:])+"-"+hexOf(x.SpanID[:])+"-01" || x.TraceID.IsZero() || !x.ParentID.IsZero() {
			t.Errorf("after %q traceparent %s, span %s", bad, tp, x.AppendJSON(nil))
		}
		if strings.Contains(h, "Tracestate") {
			t.Errorf("after %q the upstream got\n%s", bad, h)
		}
		p.spans.mu.Lock()
		p.spans.batch = event.Batch{}
		p.spans.mu.Unlock()
	}
}

func TestRequestID(t *testing.T) {
	o, got := heads(t)
	p := start(t, o.addr)
	c := p.dial()
	c.send(get + "\r\n" + get + "X-Request-Id: mine\r\n\r\n")
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if id := field(t, <-got, "x-request-id"); !uuid.MatchString(id) {
		t.Errorf("x-request-id %q is no UUID of version 4", id)
	}
	if id := field(t, <-got, "x-request-id"); id != "mine" {
		t.Errorf("x-request-id %q, want the client's", id)
	}
	if x := p.spans.server(t, 2); x.HTTP.RequestID != "mine" {
		t.Errorf("span %s", x.AppendJSON(nil))
	}
}

func TestForwarded(t *testing.T) {
	o, got := heads(t)
	for _, c := range []struct {
		trust            bool
		fields           string
		wantFor, wantPro string
	}{
		{false, "", "127.0.0.1", "http"},
		{false, "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\n", "1.1.1.1, 2.2.2.2, 127.0.0.1", "http"},
		{true, "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n", "1.1.1.1", "https"},
	} {
		p := start(t, o.addr, func(o *Options, _ *Route) { o.Trust = c.trust })
		cl := p.dial()
		cl.send(get + c.fields + "\r\n")
		cl.answer("GET")
		h := <-got
		if f, pr := field(t, h, "x-forwarded-for"), field(t, h, "x-forwarded-proto"); f != c.wantFor || pr != c.wantPro {
			t.Errorf("trust %v, %q: x-forwarded-for %q, x-forwarded-proto %q", c.trust, c.fields, f, pr)
		}
	}
}

// RFC 9112, 3.2.2: the host of an absolute target replaces the Host field.
func TestAbsoluteTarget(t *testing.T) {
	o, got := heads(t)
	p := start(t, o.addr)
	c := p.dial()
	for target, want := range map[string]string{
		"http://a.example/p?q":  "GET /p?q HTTP/1.1",
		"http://a.example":      "GET / HTTP/1.1",
		"http://a.example?q=1":  "GET /?q=1 HTTP/1.1",
		"http://a.example:80/x": "GET /x HTTP/1.1",
	} {
		host, _, _ := strings.Cut(strings.TrimLeft(strings.TrimPrefix(target, "http:"), "/"), "/")
		host, _, _ = strings.Cut(host, "?")
		c.send("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		if resp, body := c.answer("GET"); resp.StatusCode != 204 {
			t.Fatalf("%s: %s %q", target, resp.Status, body)
		}
		h := <-got
		if line, _, _ := strings.Cut(h, "\r\n"); line != want || field(t, h, "host") != host {
			t.Errorf("%s became\n%s", target, h)
		}
	}
}
