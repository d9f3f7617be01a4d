// Package store keeps what the terminal shows: rates, errors and latencies by
// service, route, collection and call site over several windows, and the
// newest exchanges. One consumer applies whole batches; a screen takes
// snapshots a few times a second. Everything in it is bounded.
package store

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/filter"
)

// Limits bound what a store keeps; what is over them goes to Other.
type Limits struct {
	Recent      int // newest exchanges
	Notices     int // newest notices
	Services    int
	Routes      int // of all services
	Collections int
	Sites       int // call sites of all collections
	Shapes      int // of one call site
}

// DefaultLimits keep a store under about 50 MB in the worst case.
func DefaultLimits() Limits {
	return Limits{Recent: 4096, Notices: 512, Services: 64, Routes: 256, Collections: 64, Sites: 256, Shapes: 8}
}

// Store is safe for use by many goroutines.
type Store struct {
	mu       sync.Mutex
	limits   Limits
	all      *aggregate
	filter   *filter.Filter
	filtered *aggregate // of what fits filter; nil without one
	recent   recent
	notices  []event.Notice
	standing standing
	seen     uint64 // exchanges applied
	lost     uint64 // told by notices of loss
	last     int64  // latest End
	wallLast time.Time
}

// New makes an empty store.
func New(l Limits) *Store {
	return &Store{limits: l, all: newAggregate(l), recent: recent{limit: l.Recent}}
}

// Consume applies batches until the channel is closed or ctx is done.
func (s *Store) Consume(ctx context.Context, batches <-chan *event.Batch) {
	for {
		select {
		case <-ctx.Done():
			return
		case b, ok := <-batches:
			if !ok {
				return
			}
			s.Apply(b, time.Now())
		}
	}
}

// Apply takes in a batch that has arrived now. It keeps the batch.
func (s *Store) Apply(b *event.Batch, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Exchanges {
		s.count(&b.Exchanges[i])
	}
	s.wallLast = now
	s.recent.add(b)
	for i := range b.Notices {
		s.notice(&b.Notices[i])
	}
}

// Count takes in one exchange and keeps nothing of it: it is in all numbers,
// but not among the newest.
func (s *Store) Count(x *event.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(x)
}

func (s *Store) count(x *event.Exchange) {
	s.last = max(s.last, x.End)
	s.all.add(x)
	if s.filtered != nil && s.filter.Match(x) {
		s.filtered.add(x)
	}
	s.seen++
}

func (s *Store) notice(n *event.Notice) {
	if n.Name == event.EventLoss {
		s.lost += lossOf(n)
	}
	var keep event.Batch // a copy of its own: the batch may be large
	keep.Notice(n)
	s.standing.notice(&keep.Notices[0], s.limits.Notices)
	s.notices = append(s.notices, keep.Notices...)
	if over := len(s.notices) - s.limits.Notices; over > 0 {
		s.notices = append(s.notices[:0:0], s.notices[over:]...)
	}
}

// lossOf is how many exchanges a notice of loss tells of, at least 1.
func lossOf(n *event.Notice) uint64 {
	for _, kv := range n.Attributes {
		if kv.Key == "lost" {
			if c, err := strconv.ParseUint(kv.Value, 10, 64); err == nil {
				return c
			}
		}
	}
	return 1
}

// Filter makes snapshots tell only of what fits f; nil tells of everything.
// Numbers begin again with the exchanges that are still kept.
func (s *Store) Filter(f *filter.Filter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filter, s.filtered = f, nil
	if f.String() == "" {
		s.filter = nil
		return
	}
	s.filtered = newAggregate(s.limits)
	s.recent.newest(func(x *event.Exchange) bool {
		if f.Match(x) {
			s.filtered.add(x)
		}
		return true
	})
}

// Seen is the number of exchanges applied so far.
func (s *Store) Seen() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}
