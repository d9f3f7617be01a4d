package store

import (
	"net/netip"
	"strings"

	"github.com/pitot-io/pitot/internal/event"
)

// Other is the name that takes what is over a limit.
const Other = "_OTHER"

// aggregate holds every series that one set of exchanges has.
type aggregate struct {
	limits      Limits
	total       series
	first       int64 // earliest Start, 0 before there is one
	services    map[serviceKey]*service
	routes      int
	collections map[collectionKey]*collection
	sites       int
	repeats     repeats
}

// serviceKey tells services apart; one that has no name goes by its address.
type serviceKey struct {
	name  string
	addr  netip.AddrPort
	proto event.Protocol
}

type service struct {
	series
	routes map[string]*series
}

type collectionKey struct{ db, name string }

type collection struct {
	series
	sites map[siteKey]*site
}

type siteKey struct{ name, operation string }

type site struct {
	series
	id       uint64
	shapes   []Shape
	more     uint64 // calls of shapes beyond MaxShapes
	perTrace int    // most calls of one shape in one trace
}

// Shape is a query with its literals taken out.
type Shape struct {
	Hash  uint64
	Query string
	N     uint64 // calls since the start
	Total int64  // ns
}

func newAggregate(l Limits) *aggregate {
	return &aggregate{limits: l, services: map[serviceKey]*service{}, collections: map[collectionKey]*collection{}}
}

// countsAsExchange reports whether x is an exchange of its own. An attempt at an
// upstream (a client span) belongs to the server span of its exchange.
func countsAsExchange(x *event.Exchange) bool { return x.Kind == event.Server || x.Mongo != nil }

func (a *aggregate) add(x *event.Exchange) {
	if !countsAsExchange(x) {
		return
	}
	if a.first == 0 || x.Start < a.first {
		a.first = x.Start
	}
	m := measured(x)
	a.total.add(&m)
	s := a.service(x)
	s.add(&m)
	a.route(s, x.Name).add(&m)
	if x.Mongo != nil {
		c := a.collection(x.Mongo)
		c.add(&m)
		at := a.site(c, x.Mongo)
		at.add(&m)
		at.see(x, &a.repeats, a.limits.Shapes)
	}
}

// service takes a call to a database under the database's name.
func (a *aggregate) service(x *event.Exchange) *service {
	k := serviceKey{name: x.Service, proto: x.Protocol}
	if x.Kind == event.Client && x.Peer != "" {
		k.name = x.Peer
	}
	switch {
	case x.GRPC != nil: // gRPC-Web on HTTP/1 too
		k.proto = event.GRPC
	case k.proto == event.HTTP10:
		k.proto = event.HTTP11
	}
	if k.name == "" {
		k.addr = x.Server
	}
	if s := a.services[k]; s != nil {
		return s
	}
	if len(a.services) >= a.limits.Services {
		k = serviceKey{name: Other}
	}
	s := a.services[k]
	if s == nil {
		k.name = strings.Clone(k.name)
		s = &service{routes: map[string]*series{}}
		a.services[k] = s
	}
	return s
}

func (a *aggregate) route(s *service, name string) *series {
	if r := s.routes[name]; r != nil {
		return r
	}
	if a.routes >= a.limits.Routes {
		name = Other
	}
	r := s.routes[name]
	if r == nil {
		r = new(series)
		s.routes[strings.Clone(name)] = r
		a.routes++
	}
	return r
}

func (a *aggregate) collection(m *event.Mongo) *collection {
	k := collectionKey{m.Database, m.Collection}
	if c := a.collections[k]; c != nil {
		return c
	}
	if len(a.collections) >= a.limits.Collections {
		k = collectionKey{"", Other}
	}
	c := a.collections[k]
	if c == nil {
		c = &collection{sites: map[siteKey]*site{}}
		a.collections[collectionKey{strings.Clone(k.db), strings.Clone(k.name)}] = c
	}
	return c
}

func (a *aggregate) site(c *collection, m *event.Mongo) *site {
	k := siteKey{m.Site.Name, m.Operation}
	if s := c.sites[k]; s != nil {
		return s
	}
	if a.sites >= a.limits.Sites {
		k = siteKey{Other, ""}
	}
	s := c.sites[k]
	if s == nil {
		a.sites++
		s = &site{id: uint64(a.sites)}
		c.sites[siteKey{strings.Clone(k.name), strings.Clone(k.operation)}] = s
	}
	return s
}

// see looks at the shape of a command, which add does not.
func (s *site) see(x *event.Exchange, r *repeats, maxShapes int) {
	m := x.Mongo
	if m.Shape == 0 {
		return
	}
	s.perTrace = max(s.perTrace, r.count(x.TraceID, m.Shape, s.id))
	for i := range s.shapes {
		if sh := &s.shapes[i]; sh.Hash == m.Shape {
			sh.N++
			sh.Total += x.Duration()
			return
		}
	}
	if len(s.shapes) >= maxShapes {
		s.more++
		return
	}
	s.shapes = append(s.shapes, Shape{m.Shape, strings.Clone(m.Query), 1, x.Duration()})
}
