package event

import "unsafe"

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

	http  []HTTP
	mongo []Mongo
	arena []byte
}

// Len is the number of exchanges and notices.
func (b *Batch) Len() int { return len(b.Exchanges) + len(b.Notices) }

// Full reports whether the batch should be handed on.
func (b *Batch) Full() bool { return b.Len() >= BatchCap }

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
	b.keep(&x.Capture, prev.Capture)
	if x.HTTP != nil {
		x.HTTP = b.ownHTTP(x.HTTP, last.HTTP)
	}
	if x.Mongo != nil {
		x.Mongo = b.ownMongo(x.Mongo, last.Mongo)
	}
}

// The zero values stand for "no exchange before"; they are only read.
var (
	noExchange Exchange
	noHTTP     HTTP
	noMongo    Mongo
)

func (b *Batch) ownHTTP(h, prev *HTTP) *HTTP {
	if prev == nil {
		prev = &noHTTP
	}
	if len(b.http) == cap(b.http) {
		b.http = make([]HTTP, 0, BatchCap) // the full slab stays alive through the exchanges that point into it
	}
	b.http = b.http[:len(b.http)+1]
	c := &b.http[len(b.http)-1]
	*c = *h // append would copy it by way of the stack, which many connections have
	b.keep(&c.Method, prev.Method)
	b.keep(&c.Scheme, prev.Scheme)
	b.keep(&c.Host, prev.Host)
	b.keep(&c.Path, prev.Path)
	b.keep(&c.Query, prev.Query)
	b.keep(&c.Version, prev.Version)
	b.keep(&c.UserAgent, prev.UserAgent)
	b.keep(&c.RequestID, prev.RequestID)
	b.keep(&c.Template, prev.Template)
	b.keep(&c.Upgrade, prev.Upgrade)
	return c
}

func (b *Batch) ownMongo(m, prev *Mongo) *Mongo {
	if prev == nil {
		prev = &noMongo
	}
	if len(b.mongo) == cap(b.mongo) {
		b.mongo = make([]Mongo, 0, BatchCap)
	}
	b.mongo = b.mongo[:len(b.mongo)+1]
	c := &b.mongo[len(b.mongo)-1]
	*c = *m
	b.keep(&c.Database, prev.Database)
	b.keep(&c.Collection, prev.Collection)
	b.keep(&c.Operation, prev.Operation)
	b.keep(&c.Query, prev.Query)
	b.keep(&c.CodeName, prev.CodeName)
	b.keep(&c.Session, prev.Session)
	b.keep(&c.Compressor, prev.Compressor)
	b.keep(&c.Application, prev.Application)
	b.keep(&c.Driver, prev.Driver)
	b.ownSite(&c.Site, &prev.Site)
	return c
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

// keep makes *s text of the batch, prev's when equal.
func (b *Batch) keep(s *string, prev string) {
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
	c := make([]KeyValue, len(kv))
	for i, p := range kv {
		c[i] = KeyValue{b.text(p.Key), b.text(p.Value)}
	}
	return c
}
