// Package route finds out what becomes of an HTTP request, whatever version
// carries it: which of a listener's routes takes it, and what that does to it.
// A table is compiled from the configuration; finding a route, and what a route
// does, allocates nothing once its scratch memory has grown.
package route

import (
	"strings"
	"time"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/retry"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// Route says what becomes of a request: it goes to a cluster, or is answered
// here (Answers). It does not change once it is made.
type Route struct {
	Name    string            // as it appears in spans
	Pattern string            // path or template, of few values: http.route; empty where only a guess can be made
	Service string            // name of what answers; the cluster's name when empty
	Cluster *upstream.Cluster // nil where Share tells
	Mirrors []*Mirror         // copies of requests go there, too
	Guards  []Guard           // are asked about each request, in this order

	High bool // goes by the circuit breakers of high priority

	Timeout        time.Duration // from the end of the request to the head of the answer; 0 for no limit
	Idle           time.Duration // of an exchange in which nothing moves; 0 for the server's own, negative for no limit
	Body           int64         // bytes of a request's body; likewise
	MaxGRPCTimeout time.Duration // bounds what grpc-timeout asks for; 0 for no bound

	Retry *retry.Policy // nil for no retries but those that nobody can notice

	Upgrades []string // protocols that a connection may change to
	Connect  bool     // let CONNECT through

	Request  Edits // of what the upstream gets; the route's own, then the listener's
	Response Edits // of what the client gets

	Calls Caller // where calls of gRPC are answered here; nil for no calls

	rewrite rewrite
	reply   *reply // where the route answers
	aim     aim    // at hosts
	split   *split // where its requests go to several clusters
	names   []operation
}

// operation is a span's name for a method.
type operation struct{ method, name string }

// methods are those whose names stand in operations; others are HTTP.
var methods = []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY", "HTTP"}

// compile makes the route of c; the cluster and what the listener adds are the
// caller's.
func compile(c *config.Route, l *config.Listener) (*Route, error) {
	r := &Route{
		Name: c.Name, High: c.Priority == config.PriorityHigh, Timeout: c.Timeout, Idle: orNone(c.IdleTimeout), Body: int64(orNone(c.MaxBody)), MaxGRPCTimeout: c.MaxGRPCTimeout,
		Pattern: c.Match.Path + c.Match.Template, Upgrades: c.Upgrades, Connect: c.Connect,
	}
	r.name()
	var err error
	if r.Request, err = newEdits(c.RequestHeaders, l.RequestHeaders); err != nil {
		return nil, err
	}
	if r.Response, err = newEdits(c.ResponseHeaders, l.ResponseHeaders); err != nil {
		return nil, err
	}
	if r.rewrite, err = newRewrite(c); err != nil {
		return nil, err
	}
	r.reply = newReply(c)
	if r.aim, err = newAim(c); err != nil {
		return nil, err
	}
	r.Retry, err = retry.New(c.Retry, MatchField)
	return r, err
}

// orNone turns the configuration's 0, no limit, into that of a Route.
func orNone[T ~int64](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

func (r *Route) name() {
	if r.Pattern == "" {
		return
	}
	for _, m := range methods {
		r.names = append(r.names, operation{m, m + " " + r.Pattern})
	}
}

// Tell notes in x that the request is the route's.
func (r *Route) Tell(x *event.Exchange) {
	x.Route = r.Name
	if r.Cluster != nil {
		x.Cluster = r.Cluster.Name()
	}
	if r.Pattern == "" || x.HTTP == nil {
		return
	}
	x.HTTP.Route = r.Pattern
	for i := range r.names {
		if n := &r.names[i]; n.method == x.HTTP.Method || i == len(r.names)-1 {
			x.Name = n.name
			return
		}
	}
}

// Allows reports whether a connection may change to the protocol of that name.
func (r *Route) Allows(protocol []byte) bool {
	for _, u := range r.Upgrades {
		if strings.EqualFold(u, decode.View(protocol)) {
			return true
		}
	}
	return false
}

// Scratch holds the text that a request's passage makes. It is made to be
// reused: what it holds is good until Reset.
type Scratch struct {
	text   []byte
	late   []late
	host   []byte // what the client asked for
	hosted bool   // and that was rewritten
}

// keptText is how much memory for text is kept from one request to the next, in
// bytes: a few long heads are not to make all exchanges large.
const keptText = 16 << 10

// Reset forgets everything.
func (s *Scratch) Reset() {
	if cap(s.text) > keptText {
		s.text = nil
	}
	s.text, s.late, s.host, s.hosted = s.text[:0], s.late[:0], nil, false
}

// since is the text from at on.
func (s *Scratch) since(at int) []byte { return s.text[at:len(s.text):len(s.text)] }

// AskedHost is the host that the client asked for, where Rewrite has changed it.
func (s *Scratch) AskedHost() (host []byte, changed bool) { return s.host, s.hosted }

// Text adds to the text, and gives what was added.
func (s *Scratch) Text(add func(b []byte) []byte) []byte {
	at := len(s.text)
	s.text = add(s.text)
	return s.since(at)
}

// setField sets the first field of that id to value, or adds it.
func setField(h *http1.Head, name []byte, id http1.FieldID, value []byte) {
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == id && !f.Hop {
			f.Value = value
			return
		}
	}
	h.Fields = append(h.Fields, http1.Field{Name: name, Value: value, ID: id})
}
