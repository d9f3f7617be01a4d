package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/pitot-io/pitot/proxy/socket"
)

// HTTP asks by a request of HTTP.
type HTTP struct {
	Method  string
	Path    string // with the query
	Host    string // the host's own name, or Cluster, where empty
	Cluster string
	Header  http.Header
	Version Version

	Expected  []Statuses
	Retriable []Statuses // count towards the threshold; what is neither is enough at once
	Prefix    []byte     // of the answer's body
	Service   string     // that x-envoy-upstream-healthchecked-cluster begins with; empty for any
}

// Statuses are a range of which both ends belong to it.
type Statuses struct{ From, To int }

// Version is the version of HTTP that is spoken.
type Version uint8

const (
	HTTP1  Version = iota
	HTTP2          // without TLS, by prior knowledge
	Agreed         // what TLS agrees on; HTTP1 without TLS
)

// Fields of answers that Envoy gives a meaning.
const (
	fieldDegraded  = "X-Envoy-Degraded"
	fieldImmediate = "X-Envoy-Immediate-Health-Check-Fail"
	fieldCluster   = "X-Envoy-Upstream-Healthchecked-Cluster"
)

// Name is the kind of check.
func (c *HTTP) Name() string { return "http" }

// Ask asks by a request.
func (c *HTTP) Ask(ctx context.Context, l *Line) Answer {
	return l.ask(ctx, func(ctx context.Context) Answer {
		r, err := c.request(ctx, l)
		if err != nil {
			return failed(err)
		}
		a, err := l.roundTrip(r, c.Version)
		if err != nil {
			return failed(err)
		}
		return c.judge(l, a)
	})
}

func (c *HTTP) request(ctx context.Context, l *Line) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, c.Method, l.scheme()+"://check"+c.Path, nil)
	if err != nil {
		return nil, err
	}
	r.Host = l.name(c.Host, c.Cluster)
	r.Header.Set("User-Agent", "pitot-health-check")
	for name, values := range c.Header {
		r.Header[name] = values
	}
	return r, nil
}

// name is what a host is called: as configured, as it is told of, or what is
// left.
func (l *Line) name(configured, other string) string {
	if configured != "" {
		return configured
	}
	if e := l.Host.Endpoint(); e.Hostname != "" {
		return e.Hostname
	}
	return other
}

func (l *Line) scheme() string {
	if l.conn.TLS != nil {
		return "https"
	}
	return "http"
}

// roundTrip sends r and reads the answer's head.
func (l *Line) roundTrip(r *http.Request, v Version) (*http.Response, error) {
	if v == Agreed && l.conn.TLS != nil && l.conn.TLS.ConnectionState().NegotiatedProtocol == "h2" {
		v = HTTP2
	}
	if v == HTTP2 {
		return l.roundTrip2(r)
	}
	if err := r.Write(l.conn); err != nil {
		return nil, err
	}
	for range maxInterim {
		a, err := http.ReadResponse(l.in, r)
		if err != nil || a.StatusCode >= 200 {
			return a, err
		}
	}
	return nil, errors.New("too many interim answers")
}

// maxInterim is how many answers of class 1xx may come before the final one.
const maxInterim = 8

func (l *Line) roundTrip2(r *http.Request) (*http.Response, error) {
	if l.two == nil {
		var only http.Protocols
		only.SetUnencryptedHTTP2(true) // TLS is below
		dial := func(context.Context, string, string) (net.Conn, error) { return &bare{l.conn}, nil }
		t := &http.Transport{DialContext: dial, DialTLSContext: dial, Protocols: &only, DisableCompression: true, MaxResponseHeaderBytes: maxAnswer}
		var err error
		if l.two, err = t.NewClientConn(r.Context(), l.scheme(), "check:0"); err != nil {
			return nil, err
		}
	}
	return l.two.RoundTrip(r)
}

// bare hides that a connection is one of TLS.
type bare struct{ net.Conn }

var _ net.Conn = (*socket.Stream)(nil)

// judge finds out what an answer says.
func (c *HTTP) judge(l *Line, a *http.Response) Answer {
	began, err := c.read(l, a)
	if err != nil {
		return failed(err)
	}
	got := Answer{Lag: -1, Why: "status " + fmt.Sprint(a.StatusCode), Verified: c.Service != ""}
	got.Excluded = has(a, fieldImmediate)
	switch {
	case in(a.StatusCode, c.Retriable):
		got.Outcome = Weak
	case !in(a.StatusCode, c.Expected):
		got.Outcome = Failure
	case got.Excluded:
		got.Outcome, got.Why = Failure, "it says that it fails ("+strings.ToLower(fieldImmediate)+")"
	case !bytes.Equal(began, c.Prefix):
		got.Outcome, got.Why = Failure, "the body does not begin as it should"
	case !strings.HasPrefix(a.Header.Get(fieldCluster), c.Service):
		got.Outcome, got.Wrong, got.Why = Failure, true, "somebody else answers ("+strings.ToLower(fieldCluster)+")"
	default:
		got.Degraded = has(a, fieldDegraded)
	}
	return got
}

// has reports whether an answer has a field, whatever it says (Envoy).
func has(a *http.Response, field string) bool { return len(a.Header[field]) > 0 }

// read reads the body, and returns of its beginning as much as is compared. A
// connection whose body does not end soon is not kept.
func (c *HTTP) read(l *Line, a *http.Response) ([]byte, error) {
	defer a.Body.Close()
	began := make([]byte, len(c.Prefix))
	n, err := io.ReadFull(a.Body, began)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	rest, err := io.CopyN(io.Discard, a.Body, maxBody)
	if rest == maxBody || err != nil && err != io.EOF || a.Close {
		l.closeLater()
	}
	return began[:n], nil
}

// maxBody bounds what is read of a body beyond what is compared, in bytes.
const maxBody = 64 << 10

func in(status int, all []Statuses) bool {
	for _, s := range all {
		if s.From <= status && status <= s.To {
			return true
		}
	}
	return false
}
