package event

import (
	"slices"
	"unsafe"
)

// BatchCap is how many exchanges a Batch takes before it is full.
const BatchCap = 256

const arenaSize = 32 << 10

// Batch is a run of exchanges and notices on its way to subscribers. While
// one owner fills it nobody else may look; once handed on it is immutable and
// shared by every subscriber.
//
// Add copies the text of an exchange into arenas that belong to the batch, so
// that an exchange costs no allocation of its own: a batch of 256 costs about a
// dozen, and the garbage collector frees all of it at once.
type Batch struct {
	Exchanges []Exchange
	Notices   []Notice

	http  slab[HTTP]
	http2 slab[H2]
	grpc  slab[RPC]
	ws    slab[WS]
	mongo slab[Mongo]
	kv    []KeyValue
	arena []byte
}

// Len is the number of exchanges and notices.
func (b *Batch) Len() int { return len(b.Exchanges) + len(b.Notices) }

// Full reports whether the batch should be handed on.
func (b *Batch) Full() bool { return b.Len() >= BatchCap }

// Reset empties the batch, so that its owner may fill it anew. Nobody may use
// what it held any more.
func (b *Batch) Reset() {
	b.Exchanges, b.Notices = b.Exchanges[:0], b.Notices[:0]
	b.http, b.http2, b.grpc, b.ws, b.mongo = b.http[:0], b.http2[:0], b.grpc[:0], b.ws[:0], b.mongo[:0]
	b.kv, b.arena = b.kv[:0], b.arena[:0]
}

// Exchange adds a copy of x, which makes a Batch an Emitter.
func (b *Batch) Exchange(x *Exchange) {
	if b.Exchanges == nil {
		b.Exchanges = make([]Exchange, 0, BatchCap)
	}
	prev, last := b.alike(x)
	if n := len(b.Exchanges); n < cap(b.Exchanges) {
		b.Exchanges = b.Exchanges[:n+1]
		b.Exchanges[n] = *x
	} else {
		b.Exchanges = append(b.Exchanges, *x)
	}
	b.own(&b.Exchanges[len(b.Exchanges)-1], prev, last)
}

// alike is where x's text may be found already: last is the exchange before,
// prev the one of x's own kind where the last is not. A proxy tells the span of
// an attempt and then that of its exchange: these two share the request, and
// each shares the names of services with the one before the other.
func (b *Batch) alike(x *Exchange) (prev, last *Exchange) {
	n := len(b.Exchanges)
	if n == 0 {
		return &noExchange, &noExchange
	}
	last = &b.Exchanges[n-1]
	if n > 1 && last.Kind != x.Kind {
		return &b.Exchanges[n-2], last
	}
	return last, last
}

// Notice adds a copy of n.
func (b *Batch) Notice(n *Notice) {
	c := *n
	c.Service, c.Body, c.Name = b.text(n.Service), b.text(n.Body), b.text(n.Name)
	c.Attributes = b.pairs(n.Attributes)
	b.Notices = append(b.Notices, c)
}

// own replaces what x borrows by copies. Fields that tend to repeat are taken
// over from an exchange before where they are equal.
func (b *Batch) own(x, prev, last *Exchange) {
	b.keep(&x.Name, prev.Name)
	b.keep(&x.Service, prev.Service)
	b.keep(&x.Peer, prev.Peer)
	b.keep(&x.TraceState, prev.TraceState)
	b.keep(&x.StatusMessage, prev.StatusMessage)
	b.keep(&x.ErrorType, prev.ErrorType)
	b.keep(&x.Listener, prev.Listener)
	b.keep(&x.Route, prev.Route)
	b.keep(&x.Cluster, prev.Cluster)
	b.keep(&x.Endpoint, prev.Endpoint)
	b.keep(&x.Picked, prev.Picked)
	b.keep(&x.Retried, prev.Retried)
	b.keep(&x.Unix, prev.Unix)
	b.keep(&x.Capture, prev.Capture)
	if x.HTTP != nil {
		x.HTTP = b.ownHTTP(x.HTTP, last.HTTP)
	}
	if x.HTTP2 != nil {
		x.HTTP2 = b.ownHTTP2(x.HTTP2)
	}
	if x.GRPC != nil {
		x.GRPC = b.ownGRPC(x.GRPC, last.GRPC)
	}
	if x.WebSocket != nil {
		x.WebSocket = b.ownWebSocket(x.WebSocket)
	}
	if x.Mongo != nil {
		x.Mongo = b.ownMongo(x.Mongo, last.Mongo)
	}
}

// slab gives out places for parts, BatchCap at a time. A full one stays alive
// through the exchanges that point into it.
type slab[T any] []T

// copy is a place that holds what v does. append would copy it by way of the
// stack, which many connections have.
func (s *slab[T]) copy(v *T) *T {
	if len(*s) == cap(*s) {
		*s = make([]T, 0, BatchCap)
	}
	*s = (*s)[:len(*s)+1]
	c := &(*s)[len(*s)-1]
	*c = *v
	return c
}

// The zero values stand for "no exchange before"; they are only read.
var (
	noExchange Exchange
	noHTTP     HTTP
	noGRPC     RPC
	noMongo    Mongo
)

func (b *Batch) ownHTTP(h, prev *HTTP) *HTTP {
	if prev == nil {
		prev = &noHTTP
	}
	c := b.http.copy(h)
	b.keep(&c.Method, prev.Method)
	b.keep(&c.Scheme, prev.Scheme)
	b.keep(&c.Host, prev.Host)
	b.keep(&c.Path, prev.Path)
	b.keep(&c.Query, prev.Query)
	b.keep(&c.Version, prev.Version)
	b.keep(&c.UserAgent, prev.UserAgent)
	b.keep(&c.RequestID, prev.RequestID)
	b.keep(&c.Template, prev.Template)
	b.keep(&c.Route, prev.Route)
	b.keep(&c.Upgrade, prev.Upgrade)
	if c.Detail != nil {
		c.Detail = b.ownDetail(c.Detail)
	}
	return c
}

// ownDetail copies what is there only on demand: it may allocate.
func (b *Batch) ownDetail(d *HTTPDetail) *HTTPDetail {
	return &HTTPDetail{
		RequestHeaders: b.pairs(d.RequestHeaders), ResponseHeaders: b.pairs(d.ResponseHeaders),
		RequestBody: b.text(d.RequestBody), ResponseBody: b.text(d.ResponseBody),
		RequestEnd: d.RequestEnd, RequestCut: d.RequestCut, ResponseCut: d.ResponseCut,
	}
}

func (b *Batch) ownHTTP2(h *H2) *H2 {
	c := b.http2.copy(h)
	c.Reset, c.ResetBy = b.text(h.Reset), b.text(h.ResetBy)
	return c
}

func (b *Batch) ownGRPC(g, prev *RPC) *RPC {
	if prev == nil {
		prev = &noGRPC
	}
	c := b.grpc.copy(g)
	b.keep(&c.Method, prev.Method)
	b.keep(&c.Message, prev.Message)
	b.keep(&c.Encoding, prev.Encoding)
	b.keep(&c.Streaming, prev.Streaming)
	b.keep(&c.Web, prev.Web)
	b.keep(&c.RequestJSON, prev.RequestJSON)
	b.keep(&c.ResponseJSON, prev.ResponseJSON)
	c.Metadata = b.pairs(c.Metadata)
	return c
}

func (b *Batch) ownWebSocket(w *WS) *WS {
	c := b.ws.copy(w)
	c.CloseReason, c.ClosedBy = b.text(w.CloseReason), b.text(w.ClosedBy)
	c.Subprotocol, c.Extensions = b.text(w.Subprotocol), b.text(w.Extensions)
	c.Messages = slices.Clone(w.Messages) // nil but on demand
	for i := range c.Messages {
		m := &c.Messages[i]
		m.Data = b.text(m.Data)
	}
	return c
}

func (b *Batch) ownMongo(m, prev *Mongo) *Mongo {
	if prev == nil {
		prev = &noMongo
	}
	c := b.mongo.copy(m)
	b.keep(&c.Database, prev.Database)
	b.keep(&c.Collection, prev.Collection)
	b.keep(&c.Operation, prev.Operation)
	b.keep(&c.Query, prev.Query)
	b.keep(&c.CodeName, prev.CodeName)
	b.keep(&c.Session, prev.Session)
	b.keep(&c.Compressor, prev.Compressor)
	b.keep(&c.Application, prev.Application)
	b.keep(&c.Driver, prev.Driver)
	b.keep(&c.Labels, prev.Labels)
	b.ownSite(&c.Site, &prev.Site)
	if c.Handshake != nil {
		c.Handshake = b.ownHandshake(c.Handshake)
	}
	return c
}

// ownHandshake copies what is there once a connection: it may allocate.
func (b *Batch) ownHandshake(h *MongoHandshake) *MongoHandshake {
	c := *h
	c.OS, c.Platform, c.Compressors = b.text(h.OS), b.text(h.Platform), b.text(h.Compressors)
	c.Mechanism, c.ReplicaSet, c.Role = b.text(h.Mechanism), b.text(h.ReplicaSet), b.text(h.Role)
	return &c
}

func (b *Batch) ownSite(s, prev *CallSite) {
	b.keep(&s.Name, prev.Name)
	b.keep(&s.Function, prev.Function)
	b.keep(&s.File, prev.File)
	b.keep(&s.Application, prev.Application)
	b.keep(&s.Environment, prev.Environment)
	b.keep(&s.Controller, prev.Controller)
	b.keep(&s.Action, prev.Action)
	b.keep(&s.Route, prev.Route)
	b.keep(&s.Text, prev.Text)
	b.keep(&s.Stack, prev.Stack)
	b.keep(&s.TraceState, prev.TraceState)
	s.Extra = b.pairs(s.Extra)
}

// keep makes *s text of the batch, prev's when equal. Most fields of most
// exchanges are empty: that is asked without a call.
func (b *Batch) keep(s *string, prev string) {
	if *s != "" {
		b.keepText(s, prev)
	}
}

func (b *Batch) keepText(s *string, prev string) {
	if *s == prev {
		*s = prev
		return
	}
	*s = b.text(*s)
}

func (b *Batch) text(s string) string {
	if len(s) == 0 {
		return ""
	}
	if len(s) > cap(b.arena)-len(b.arena) {
		b.arena = make([]byte, 0, max(arenaSize, len(s)))
	}
	at := len(b.arena)
	b.arena = append(b.arena, s...)
	// The arena only grows within its capacity, so these bytes never change again.
	return unsafe.String(&b.arena[at], len(s))
}

func (b *Batch) pairs(kv []KeyValue) []KeyValue {
	if len(kv) == 0 {
		return nil
	}
	if len(kv) > cap(b.kv)-len(b.kv) { // who has pairs in the full one keeps it alive
		b.kv = make([]KeyValue, 0, max(BatchCap, len(kv)))
	}
	at := len(b.kv)
	for _, p := range kv {
		b.kv = append(b.kv, KeyValue{b.text(p.Key), b.text(p.Value)})
	}
	return b.kv[at:len(b.kv):len(b.kv)]
}
