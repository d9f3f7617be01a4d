package relay

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/hop"
	"github.com/pitot-io/pitot/proxy/route"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// shadow is the copy of one request on its way. It shares no memory with the
// exchange, whose goroutines call keep, cast and exchangeOver.
type shadow struct {
	g     *Engine
	m     *route.Mirror
	route *route.Route
	out   event.Emitter
	limit time.Duration

	request Head
	body    []byte
	large   bool // more came than is kept

	x       event.Exchange // as its attempt is told
	p       event.HTTP
	attempt hop.Attempt
	resp    Head
	scratch route.Scratch

	main result // what the client's answer was

	mu   sync.Mutex // guards what follows
	sent bool
	both int // of exchange and copy, how many are over
	own  result
}

// timeout of a copy whose route has none.
const mirrorTimeout = 15 * time.Second

func newShadow(e *exchange, m *route.Mirror) *shadow {
	s := &shadow{g: e.g, m: m, route: e.route, out: e.conn.out, limit: e.route.Timeout}
	if s.limit <= 0 {
		s.limit = mirrorTimeout
	}
	s.request = cloneHead(&e.out)
	suffix(&s.request, m.Suffix)
	s.p = event.HTTP{
		Method: string(e.out.Method), Scheme: e.p.Scheme, Host: strings.Clone(e.p.Host), Port: e.p.Port, Path: strings.Clone(e.p.Path),
		Query: strings.Clone(e.p.Query), Version: e.p.Version, RequestID: strings.Clone(e.p.RequestID), Template: strings.Clone(e.p.Template), Route: e.p.Route,
	}
	s.x = event.Exchange{
		TraceID: e.x.TraceID, SpanID: e.x.SpanID, TraceState: strings.Clone(e.x.TraceState), Protocol: event.HTTP11, Name: strings.Clone(e.x.Name),
		Peer: e.x.Peer, Service: m.Service, Listener: e.x.Listener, Route: e.x.Route, Cluster: m.Cluster.Name(), Stream: e.x.Stream,
		Decode: e.x.Decode & event.Redacted, HTTP: &s.p,
	}
	return s
}

// cloneHead copies what is sent of a head.
func cloneHead(h *Head) Head {
	c := *h
	for _, b := range []*[]byte{&c.Method, &c.Target, &c.Scheme, &c.Host, &c.Path, &c.Query} {
		*b = bytes.Clone(*b)
	}
	c.Upgrade, c.RequestID, c.Traceparent = nil, nil, nil
	c.Fields = make([]http1.Field, 0, len(h.Fields))
	for _, f := range h.Fields {
		if f.Name, f.Value = bytes.Clone(f.Name), bytes.Clone(f.Value); f.ID != http1.Expect { // all is here
			c.Fields = append(c.Fields, f)
		}
	}
	return c
}

// suffix adds to the host's name, before its port.
func suffix(h *Head, text string) {
	if text == "" || len(h.Host) == 0 {
		return
	}
	name, port := h.Host, []byte(nil)
	if i := bytes.LastIndexByte(name, ':'); i >= 0 && bytes.IndexByte(name[i:], ']') < 0 {
		name, port = name[:i], name[i:]
	}
	h.Host = bytes.Join([][]byte{name, []byte(text), port}, nil)
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == http1.HostField {
			f.Value = h.Host
		}
	}
}

// keep adds a piece of the body.
func (s *shadow) keep(b []byte) {
	if s.large = s.large || int64(len(s.body)+len(b)) > s.m.Body; s.large {
		s.body = nil
		return
	}
	s.body = append(s.body, b...)
}

// cast sends the copy, which has come to its end.
func (s *shadow) cast() {
	if s.sent || s.large {
		return
	}
	s.sent = s.g.mirrors.begin(s.run)
}

// exchangeOver is called when the exchange is.
func (s *shadow) exchangeOver(trace event.TraceID, span event.SpanID) {
	if !s.sent {
		s.g.o.Mirror.Dropped.Add(1)
		s.m.Active.Add(-1)
		return
	}
	s.over()
}

// run sends the copy and reads the answer.
func (s *shadow) run() {
	defer s.m.Active.Add(-1)
	s.g.o.Mirror.Sent.Add(1)
	ctx, cancel := context.WithTimeout(s.g.mirrors.ctx, s.limit)
	defer cancel()
	began := time.Now()
	want := upstream.Want{Now: began.UnixNano()}
	host, err := s.m.Cluster.Pick(ctx, &want)
	if err != nil {
		s.failed(nil, hop.PickFault(err))
		return
	}
	defer want.Done(host)
	s.attempt.Picked, s.x.Endpoint = want.Why, host.Address()
	up, err := s.g.o.Dialer(s.m.Cluster).Open(ctx, host, How{Again: true, Now: want.Now})
	if err != nil {
		s.attempt.Begin(&s.x, host, nil, want.Now)
		s.failed(host, hop.ConnectFault(err))
		return
	}
	defer up.Close()
	s.attempt.Begin(&s.x, host, up.Conn(), want.Now)
	cancelled := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cancelled)
		up.Cancel(Cancelled)
	})
	defer func() {
		if !stop() { // not after Close, when the connection may be another's
			<-cancelled
		}
	}()
	err = s.transact(up, host)
	if s.own.took = time.Since(began); err != nil {
		s.failed(host, failureOf(ctx, err))
		return
	}
	s.own.ok = true
	s.end(host, up, nil)
	s.over()
}

func failureOf(ctx context.Context, err error) *hop.Failure {
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return hop.AnswerTimeout
	case ctx.Err() != nil:
		return hop.ProxyEnds
	case malformed(err):
		return hop.UpstreamFault(err)
	}
	return hop.UpstreamClosed
}

// transact sends the copy, and reads the answer to its end.
func (s *shadow) transact(up Upstream, host *upstream.Host) error {
	h := &s.request
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == http1.Traceparent && len(f.Value) >= 52 {
			hex.Encode(f.Value[36:52], s.attempt.X.SpanID[:])
		}
	}
	s.route.HostAt(h, h.Fields, host.Address(), &s.scratch)
	if err := s.send(up); err != nil {
		return err
	}
	for {
		if err := up.Answer(&s.resp); err != nil {
			return err
		}
		if !s.resp.Interim() {
			break
		}
	}
	s.attempt.X.FirstByte = time.Now().UnixNano()
	http1.FillResponse(&s.x, &s.p, &s.resp)
	s.own.head(s.m, &s.resp)
	return s.read(up)
}

func (s *shadow) send(up Upstream) error {
	end := len(s.body) == 0
	if err := up.Send(&s.request, end); err != nil || end {
		return flushed(up, err)
	}
	if err := up.Write(s.body); err != nil {
		return err
	}
	return flushed(up, up.Finish(nil))
}

// read reads the answer's body.
func (s *shadow) read(up Upstream) error {
	hash := xxhash.New()
	for {
		b, err := up.Next()
		if err == io.EOF {
			s.own.hash = hash.Sum64()
			s.own.add(s.m, up.Trailers())
			return nil
		}
		if err != nil {
			return err
		}
		s.own.bytes += int64(len(b))
		if s.m.Payload {
			_, _ = hash.Write(b) // never fails
		}
	}
}

// failed ends a copy that got no answer, or not all of it.
func (s *shadow) failed(host *upstream.Host, f *hop.Failure) {
	s.g.o.Mirror.Failed.Add(1)
	if host != nil {
		s.end(host, nil, f)
	}
	s.over()
}

// end tells the copy's span.
func (s *shadow) end(host *upstream.Host, up Upstream, f *hop.Failure) {
	a := &s.attempt
	a.X.End, a.X.Mirror = time.Now().UnixNano(), true
	if up != nil {
		w := up.Wire()
		a.X.RequestBytes, a.X.ResponseBytes = w.Sent, w.Received
		if w.Stream != 0 {
			a.X.Protocol, a.X.HTTP2, s.p.Version = event.HTTP2, &event.H2{StreamID: w.Stream}, "2"
		}
	}
	a.End(&s.x, host, &hop.Outcome{
		Failure: f, Answered: s.own.status != 0, Status: s.own.status, RequestBody: int64(len(s.body)), ResponseBody: s.own.bytes,
	})
	if s.g.o.AttemptSpans {
		s.out.Exchange(&a.X)
	}
}

// over compares the answers, once both are there.
func (s *shadow) over() {
	s.mu.Lock()
	s.both++
	both := s.both == 2
	s.mu.Unlock()
	if both && s.m.Compares() && s.main.ok && s.own.ok {
		s.compare()
	}
}
