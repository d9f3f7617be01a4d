package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/pitot-io/pitot/internal/event"
)

// Parts says what a snapshot has to hold beside the totals.
type Parts uint8

const (
	PartServices Parts = 1 << iota
	PartMongo
	PartRecent
)

// Query asks for a snapshot.
type Query struct {
	Parts  Parts
	Window Window
	Rows   int       // newest exchanges at most
	Now    time.Time // zero: the time of the newest exchange, as in a replay
}

// Snapshot is the store at one moment. It shares nothing that still changes.
type Snapshot struct {
	Window      Window
	Now         time.Time // on the clock of the traffic
	Elapsed     time.Duration
	Total       Stats
	Seen, Lost  uint64
	Services    []Service
	Collections []Collection
	Recent      []*event.Exchange // oldest first, filtered
	Notices     []event.Notice
	Standing    []event.Notice // of what is wrong until it is mended, oldest first
}

// Service is one service with its routes.
type Service struct {
	Name     string
	Protocol event.Protocol
	Stats
	Routes []Route
}

// Route is one operation of a service.
type Route struct {
	Name string
	Stats
}

// Collection is one MongoDB collection with the call sites that use it.
type Collection struct {
	Database, Name string
	Stats
	Sites []Site
}

// FullName is database and collection as MongoDB writes them.
func (c *Collection) FullName() string {
	if c.Database == "" || c.Name == "" {
		return c.Database + c.Name
	}
	return c.Database + "." + c.Name
}

// Site is one place in the code and one operation.
type Site struct {
	Name, Operation string
	Stats
	Shapes   []Shape // by total time, since the start
	More     uint64  // calls of shapes beyond the limit
	PerTrace int     // most calls of one shape in one trace
}

// Snapshot tells the store at q.Now. Rows without traffic in the window are
// left out; the others come by number, most first.
func (s *Store) Snapshot(q Query) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.all
	if s.filtered != nil {
		a = s.filtered
	}
	in := s.span(a, q)
	out := &Snapshot{
		Window: q.Window, Now: time.Unix(0, in.now), Seen: s.seen, Lost: s.lost, Total: a.total.stats(in),
		Elapsed: time.Duration(in.secs * float64(time.Second)), Notices: slices.Clone(s.notices), Standing: slices.Clone(s.standing.all),
	}
	if q.Parts&PartServices != 0 {
		out.Services = a.snapServices(in)
	}
	if q.Parts&PartMongo != 0 {
		out.Collections = a.snapCollections(in)
	}
	if q.Parts&PartRecent != 0 {
		out.Recent = s.snapRecent(q.Rows)
	}
	return out
}

// span puts now on the clock of the traffic: the newest exchange's end, and the
// time since it arrived. So neither a skewed clock nor a replay empties a window.
func (s *Store) span(a *aggregate, q Query) span {
	in := span{window: q.Window, now: s.last}
	if !q.Now.IsZero() && !s.wallLast.IsZero() {
		in.now += max(0, int64(q.Now.Sub(s.wallLast)))
	}
	past := time.Duration(max(0, in.now-a.first))
	if a.first == 0 {
		past = 0
	}
	length := q.Window.Length()
	if q.Window == All {
		length = past
	}
	in.secs = max(time.Second, min(length, past)).Seconds()
	in.trend = q.Window
	for in.trend == All || q.Window == All && in.trend > Minute && past <= (in.trend-1).Length() {
		in.trend--
	}
	return in
}

func (s *Store) snapRecent(rows int) (out []*event.Exchange) {
	s.recent.newest(func(x *event.Exchange) bool {
		if s.filter.Match(x) {
			out = append(out, x)
		}
		return len(out) < rows
	})
	slices.Reverse(out)
	return out
}

func (a *aggregate) snapServices(in span) (out []Service) {
	for k, s := range a.services {
		row := Service{Name: k.name, Protocol: k.proto, Stats: s.stats(in)}
		if row.N == 0 {
			continue
		}
		if row.Name == "" && k.addr.IsValid() {
			row.Name = k.addr.String()
		}
		for name, r := range s.routes {
			if st := r.stats(in); st.N > 0 {
				row.Routes = append(row.Routes, Route{name, st})
			}
		}
		slices.SortFunc(row.Routes, func(a, b Route) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b Service) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Protocol, b.Protocol))
	})
	return out
}

func (a *aggregate) snapCollections(in span) (out []Collection) {
	for k, c := range a.collections {
		row := Collection{Database: k.db, Name: k.name, Stats: c.stats(in)}
		if row.N == 0 {
			continue
		}
		for sk, s := range c.sites {
			if st := s.stats(in); st.N > 0 {
				row.Sites = append(row.Sites, s.snap(sk, st))
			}
		}
		slices.SortFunc(row.Sites, func(a, b Site) int {
			return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Operation, b.Operation))
		})
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b Collection) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.FullName(), b.FullName()))
	})
	return out
}

func (s *site) snap(k siteKey, st Stats) Site {
	shapes := slices.Clone(s.shapes)
	slices.SortFunc(shapes, func(a, b Shape) int { return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Hash, b.Hash)) })
	return Site{Name: k.name, Operation: k.operation, Stats: st, Shapes: shapes, More: s.more, PerTrace: s.perTrace}
}
