package relay_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/relay"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// mirrored is a route whose requests are copied, by the mirror's keys in text.
func mirrored(t *testing.T, to, keys string, stats *relay.MirrorStats) func(*relay.Options, *hop.Route) {
	t.Helper()
	return func(o *relay.Options, r *hop.Route) {
		c, err := config.Parse("f", []byte("listeners: [{address: \":1\", protocol: http, routes: [{match: {prefix: /}, cluster: a, mirror: [{cluster: b"+keys+"}]}]}]\n"+
			"clusters: [{name: a, endpoints: [\"h:1\"]}, {name: b, endpoints: [\""+to+"\"]}]"))
		if err != nil {
			t.Fatal(err)
		}
		shadow := upstream.New(upstream.Options{Name: "b", Endpoints: upstream.Addresses(to), ConnectTimeout: patience})
		t.Cleanup(shadow.Close)
		table, err := route.New(&c.Listeners[0], func(name string) (*upstream.Cluster, string) { return shadow, name + " service" },
			func(*config.Route) ([]route.Guard, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		r.Mirrors = table.Find(&relay.Head{Method: []byte("GET"), Path: []byte("/")}).Mirrors
		o.Mirror = stats
	}
}

// heard is a server that answers, and keeps what it was asked.
type heard struct {
	mu    sync.Mutex
	asked []string
	trace []string // values of traceparent
	came  chan struct{}
}

func (h *heard) handler(status int, answer string, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.asked = append(h.asked, fmt.Sprintf("%s %s %s %q", r.Method, r.Host, r.RequestURI, b))
		h.trace = append(h.trace, r.Header.Get("Traceparent"))
		h.mu.Unlock()
		for i := 0; i+1 < len(fields); i += 2 {
			w.Header().Set(fields[i], fields[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
		if h.came != nil {
			h.came <- struct{}{}
		}
	}
}

// eventually waits for what nothing tells of.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("never %s", what)
		}
	}
}

func TestCopiesGoToTheMirror(t *testing.T) {
	versions(t, func(t *testing.T, client, upstream int) {
		front, copies, stats := new(heard), &heard{came: make(chan struct{}, 10)}, new(relay.MirrorStats)
		mirror := origin(t, copies.handler(200, "same", "X-Version", "2", "X-Same", "a"))
		p := start(t, origin(t, front.handler(200, "same", "X-Version", "1", "X-Same", "a")), upstream,
			mirrored(t, mirror, ", compare: {status: true, headers: [x-version, x-same, grpc-status], body: true}", stats))
		for _, part := range []io.Reader{nil, strings.NewReader("hello"), io.MultiReader(strings.NewReader("in "), strings.NewReader("pieces"))} {
			r, err := http.NewRequest("POST", p.url("/a?b=c"), part)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "shop.example:81"
			a, err := p.client(client).Do(r)
			if err != nil || a.StatusCode != 200 || body(t, a) != "same" {
				t.Fatalf("%+v, %v", a, err)
			}
			<-copies.came
		}
		for i, body := range []string{"", "hello", "in pieces"} {
			if want := fmt.Sprintf("POST shop.example-shadow:81 /a?b=c %q", body); copies.asked[i] != want {
				t.Errorf("the mirror was asked %s, want %s", copies.asked[i], want)
			}
			if want := fmt.Sprintf("POST shop.example:81 /a?b=c %q", body); front.asked[i] != want {
				t.Errorf("the host was asked %s, want %s", front.asked[i], want)
			}
		}
		x := p.spans.find(t, func(x *event.Exchange) bool { return x.Mirror })
		main := p.spans.find(t, func(m *event.Exchange) bool { return m.Kind == event.Server && m.SpanID == x.ParentID })
		if x.Kind != event.Client || x.Cluster != "b" || x.Peer != "b service" || x.TraceID != main.TraceID || x.HTTP.StatusCode != 200 || x.HTTP.Path != "/a" || x.Status == event.Error {
			t.Errorf("told as %s", x.AppendJSON(nil))
		}
		if want := fmt.Sprintf("-%x-%x-", x.TraceID, x.SpanID); !slices.ContainsFunc(copies.trace, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("the mirror got %v, none of span %x", copies.trace, x.SpanID)
		}
		eventually(t, "3 differences", func() bool { return stats.Different.Load() == 3 })
		if n := notice(t, p, event.EventMirrored); !strings.HasSuffix(n.Body, "differently in header.x-version") || attribute(n, "pitot.mirror.main.header.x-version") != "1" ||
			attribute(n, "pitot.mirror.own.header.x-version") != "2" || attribute(n, "pitot.mirror.own.ns") == "" {
			t.Errorf("told %+v", n)
		}
		if stats.Sent.Load() != 3 || stats.Same.Load() != 0 || stats.Dropped.Load() != 0 || stats.Failed.Load() != 0 {
			t.Errorf("counted %+v", stats.All())
		}
	})
}

func notice(t *testing.T, p *proxy, name string) (found event.Notice) {
	t.Helper()
	eventually(t, "told "+name, func() bool {
		p.spans.mu.Lock()
		defer p.spans.mu.Unlock()
		for _, n := range p.spans.batch.Notices {
			if n.Name == name {
				found = n
				return true
			}
		}
		return false
	})
	return found
}

func attribute(n event.Notice, key string) string {
	for _, a := range n.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

func TestAnswersOfMirrorsAreCompared(t *testing.T) {
	for name, tt := range map[string]struct {
		compare, status, body string
		different             bool
	}{
		"all the same":      {"{status: true, body: true}", "200", "same", false},
		"another status":    {"{status: true, body: true}", "404", "same", true},
		"status not looked": {"{body: true}", "404", "same", false},
		"another body":      {"{status: true, body: true}", "200", "diff", true},
		"body not looked":   {"{status: true}", "200", "different", false},
	} {
		t.Run(name, func(t *testing.T) {
			status := 200
			if tt.status == "404" {
				status = 404
			}
			stats := new(relay.MirrorStats)
			p := start(t, origin(t, new(heard).handler(200, "same")), 1, mirrored(t, origin(t, new(heard).handler(status, tt.body)), ", compare: "+tt.compare, stats))
			a, err := p.client(1).Get(p.url("/"))
			if err != nil {
				t.Fatal(err)
			}
			body(t, a)
			eventually(t, "compared", func() bool { return stats.Different.Load()+stats.Same.Load() == 1 })
			if got := stats.Different.Load() == 1; got != tt.different {
				t.Errorf("different %v, want %v", got, tt.different)
			}
		})
	}
}

// Whatever a mirror does, the exchange takes no notice.
func TestMirrorsHarmNobody(t *testing.T) {
	refusing := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	for name, mirror := range map[string]func(*testing.T) string{
		"refuses": func(*testing.T) string { return refusing() },
		"hangs": func(t *testing.T) string {
			return raw(t, func(c *net.TCPConn, r *bufio.Reader) { _, _ = r.WriteTo(io.Discard) })
		},
		"closes": func(t *testing.T) string { return raw(t, func(c *net.TCPConn, r *bufio.Reader) {}) },
		"talks nonsense": func(t *testing.T) string {
			return raw(t, func(c *net.TCPConn, r *bufio.Reader) { io.WriteString(c, "what?\r\n\r\n") })
		},
		"cuts": func(t *testing.T) string {
			return raw(t, func(c *net.TCPConn, r *bufio.Reader) {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
			})
		},
		"never ends": func(t *testing.T) string {
			return origin(t, func(w http.ResponseWriter, r *http.Request) {
				for {
					if _, err := w.Write(make([]byte, 1<<16)); err != nil {
						return
					}
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stats := new(relay.MirrorStats)
			p := start(t, origin(t, new(heard).handler(200, "fine")), 1, mirrored(t, mirror(t), ", compare: {status: true}", stats),
				func(_ *relay.Options, r *hop.Route) { r.Timeout = time.Second })
			for range 3 {
				a, err := p.client(1).Post(p.url("/"), "text/plain", strings.NewReader("hello"))
				if err != nil || a.StatusCode != 200 || body(t, a) != "fine" {
					t.Fatalf("%+v, %v", a, err)
				}
			}
			eventually(t, "failed", func() bool { return stats.Failed.Load() == 3 })
			if x := p.spans.find(t, func(x *event.Exchange) bool { return x.Mirror }); x.Status != event.Error || x.Flags == 0 {
				t.Errorf("told as %s", x.AppendJSON(nil))
			}
			if x := p.spans.find(t, ofKind(event.Server)); x.Status == event.Error || x.Flags != 0 {
				t.Errorf("told as %s", x.AppendJSON(nil))
			}
			if stats.Same.Load()+stats.Different.Load() > 0 {
				t.Errorf("counted %+v", stats.All())
			}
		})
	}
}

// Requests that are too large, too many, or that do not fit, are not mirrored.
func TestWhatIsNotMirrored(t *testing.T) {
	for name, tt := range map[string]struct {
		keys    string
		dropped uint64
	}{
		"a large request":  {", max_body: 1KiB", 1},
		"none of them":     {", percent: 0%", 0},
		"one without it":   {", headers: [{name: x-copy, present: true}]", 0},
		"one that fits it": {", headers: [{name: x-copy, absent: true}], max_body: 100", 1},
	} {
		t.Run(name, func(t *testing.T) {
			stats := new(relay.MirrorStats)
			p := start(t, origin(t, new(heard).handler(200, "fine")), 1, mirrored(t, "127.0.0.1:1", tt.keys, stats))
			a, err := p.client(1).Post(p.url("/"), "text/plain", bytes.NewReader(make([]byte, 128<<10)))
			if err != nil || body(t, a) != "fine" {
				t.Fatalf("%+v, %v", a, err)
			}
			eventually(t, "dropped", func() bool { return stats.Dropped.Load() == tt.dropped })
			if stats.Sent.Load() != 0 {
				t.Errorf("counted %+v", stats.All())
			}
		})
	}
}

func TestOnlySoManyCopiesAtOnce(t *testing.T) {
	stats, hold := new(relay.MirrorStats), make(chan struct{})
	mirror := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer mirror.Close()
	defer close(hold)
	p := start(t, origin(t, new(heard).handler(200, "fine")), 1, mirrored(t, strings.TrimPrefix(mirror.URL, "http://"), ", max_active: 2", stats))
	for range 5 {
		a, err := p.client(1).Get(p.url("/"))
		if err != nil || body(t, a) != "fine" {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	eventually(t, "sent", func() bool { return stats.Sent.Load() == 2 && stats.Dropped.Load() == 3 })
}
