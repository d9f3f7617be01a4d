package mongo

import (
	"sync"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/route"
)

// lot is what was decided about a request, until its answer has passed.
type lot struct {
	flags event.ResponseFlags
	pacer route.Pacer
	to    Taken   // of connections whose commands are routed
	hello bool    // it is the first greeting of one of these
	ids   []int32 // of the request, and of the answer of a chain that the next one answers
}

// lots are those of a connection, by id.
type lots struct {
	mu  sync.Mutex // innermost of all locks
	all map[int32]*lot
}

// maxLots bounds how many there are; drivers have one request at a time under
// way. Further requests go on without.
const maxLots = 1024

// put remembers what was decided about a request. A request that has the id of
// one before takes its place.
func (s *lots) put(id int32, l *lot) {
	s.drop(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) < maxLots {
		l.ids = append(l.ids, id)
		s.all[id] = l
	} else if l.pacer != nil {
		l.pacer.Done()
		l.pacer = nil
	}
}

// of is the lot of an id; nil where there is none.
func (s *lots) of(id int32) *lot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[id]
}

// told is what spans are told of an id's lot.
func (s *lots) told(id int32) (f event.ResponseFlags, to Taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.all[id]; l != nil {
		f, to = l.flags, l.to
	}
	return f, to
}

// route notes where the request of l goes.
func (s *lots) route(l *lot, to Taken) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.to = to
}

func (s *lots) flag(l *lot, f event.ResponseFlags) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.flags |= f
}

// follow has l be for what answers the message of that id, too.
func (s *lots) follow(l *lot, id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[id] != nil {
		return
	}
	if len(l.ids) > 1 {
		delete(s.all, l.ids[1])
		l.ids = l.ids[:1]
	}
	l.ids = append(l.ids, id)
	s.all[id] = l
}

// drop ends the lot of an id, if there is one.
func (s *lots) drop(id int32) {
	s.mu.Lock()
	l := s.all[id]
	if l != nil {
		for _, id := range l.ids {
			delete(s.all, id)
		}
	}
	s.mu.Unlock()
	if l != nil && l.pacer != nil {
		l.pacer.Done()
	}
}

// close ends all.
func (s *lots) close() {
	for {
		s.mu.Lock()
		id, any := int32(0), false
		for id = range s.all {
			any = true
			break
		}
		s.mu.Unlock()
		if !any {
			return
		}
		s.drop(id)
	}
}
