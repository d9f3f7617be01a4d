package http2

import (
	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/internal/event"
)

// take goes on with a connection that HTTP/1.1 upgraded (RFC 7540, 3.2): the
// request that asked for it is stream 1's, and the client's side of that has
// ended. The client sends the preface next, the server frames.
func take(c decode.Conn, h decode.Handover, o Options) decode.Decoder {
	t := newConn(c, o)
	t.apply(event.ToServer, h.Settings)
	if h.Request == nil || h.Request.HTTP == nil || h.Settings == nil {
		return t
	}
	t.set.opened(1)
	s := t.start(1)
	if s == nil {
		return t
	}
	s.requested = true
	s.ended[event.ToServer] = true
	t.inherit(s, h.Request)
	return t
}

// inherit makes r, which was told, the request of s, and its span the parent.
func (t *conn) inherit(s *stream, r *event.Exchange) {
	x, p, q := &s.x, &s.p, r.HTTP
	x.TraceID, x.ParentID, x.TraceState = r.TraceID, r.SpanID, t.copy(&s.text, r.TraceState)
	x.Start, x.RequestBytes, x.RequestSeq = r.Start, r.RequestBytes, r.RequestSeq
	x.Decode |= r.Decode & (event.MidStream | event.RequestGap | event.Redacted)
	p.Method, p.Scheme, p.Host, p.Port = t.copy(&s.text, q.Method), t.copy(&s.text, q.Scheme), t.copy(&s.text, q.Host), q.Port
	p.Path, p.Query = t.copy(&s.text, q.Path), t.copy(&s.text, q.Query)
	p.UserAgent, p.RequestID = t.copy(&s.text, q.UserAgent), t.copy(&s.text, q.RequestID)
	p.RequestBody = q.RequestBody
	t.name(s)
	s.last = r.Start
	if s.keep != nil && q.Detail != nil {
		s.keep.inherit(q.Detail)
	}
}

// inherit takes over what was kept of a request. Its body's coding is undone.
func (k *keep) inherit(d *event.HTTPDetail) {
	for _, f := range d.RequestHeaders {
		k.detail.RequestHeaders = append(k.detail.RequestHeaders, event.KeyValue{Key: clone(f.Key), Value: clone(f.Value)})
	}
	k.bodies[event.ToServer] = append(k.bodies[event.ToServer], d.RequestBody...)
	k.cut[event.ToServer] = d.RequestCut
}
