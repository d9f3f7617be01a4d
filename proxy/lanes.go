package proxy

import (
	"errors"
	"sync"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/mongo"
	"github.com/pitot-io/pitot/proxy/upstream"
)

const (
	// maxLanes is how many further hosts a client's connection may be brought to
	// at once. For one more an unused one is closed.
	maxLanes = 64

	// unlikeFor is for how long a host is passed over that has promised less
	// than the client's home.
	unlikeFor = 10 * time.Second
)

// lanes are those of a pair, one for each host at most: the mongo.Ways of its
// mongo.Conn. A nil one has none.
type lanes struct {
	g      *gated
	source upstream.Source
	want   upstream.Want    // of the goroutine that reads the client, as unlike
	unlike map[string]int64 // until when, ns since the Unix epoch

	mu   sync.Mutex // guards what follows
	all  map[string]*lane
	gone [2]int64 // bytes of those that are over
	over bool     // no more are made
}

// Way is mongo.Ways': hosts are picked, and the next ones where one cannot be
// had, as for a whole connection.
func (s *lanes) Way(a *mongo.Aim) (to mongo.Taken, none *mongo.Absence) {
	if l := s.at(a.Place); l != nil {
		return mongo.Taken{Way: l.way, Host: a.Place}, nil
	}
	w := &s.want
	w.Reset()
	w.Now, w.Whole, w.Hash, w.Hashed, w.Override = a.Now, true, a.Hash, true, a.Place
	leave := s.g.p.t.over
	var last error
	for tries := 0; ; {
		h, err := s.g.p.t.cluster.Pick(s.g.ctx, w)
		if err != nil || w.Avoids(h) { // nobody else is left
			if err == nil {
				leave(h)
			}
			return to, s.absence(errors.Join(last, err), tries)
		}
		to = mongo.Taken{Host: h.Address(), Why: w.Why}
		if l := s.at(to.Host); l != nil || h.Address() == s.g.p.up.Host().Address() {
			leave(h) // it is active by that connection
			if l != nil {
				to.Way = l.way
			}
			return to, nil
		}
		if s.unlike[to.Host] <= a.Now {
			tries++
			if to.Way, last = s.reach(h, a.Now); last == nil {
				return to, nil
			}
		}
		leave(h)
		if tries == maxConnects || errors.Is(last, upstream.ErrOverflow) || s.g.ctx.Err() != nil {
			return mongo.Taken{}, s.absence(last, tries)
		}
		w.Avoid(h)
	}
}

// reach opens a lane to h, in a goroutine of its own: connecting takes a large
// stack.
func (s *lanes) reach(h *upstream.Host, now int64) (w *mongo.Way, err error) {
	if !s.room() {
		return nil, upstream.ErrOverflow
	}
	elsewhere(func() {
		var l *lane
		if l, err = s.open(upstream.WithSource(s.g.ctx, s.source), h); err == nil {
			w = l.way
		}
	})
	if errors.Is(err, mongo.ErrUnlike) {
		if s.unlike == nil {
			s.unlike = map[string]int64{}
		}
		s.unlike[h.Address()] = now + int64(unlikeFor)
		s.g.p.t.Log.Debug("a host of MongoDB is passed over", "host", h.Address(), "client", s.source.Client, "error", err)
	}
	return w, err
}

// absence is what a command is told that nobody can be had for.
func (s *lanes) absence(err error, tries int) *mongo.Absence {
	a := &mongo.Absence{Message: "no server could be reached for this command", Flags: event.FlagUF}
	switch {
	case errors.Is(err, upstream.ErrOverflow):
		a.Message, a.Flags = "there are too many connections for this command to get one", event.FlagUO
	case tries == 0:
		a.Message, a.Flags = "there is no healthy server for this command", event.FlagUH
	case tries > 1:
		a.Flags |= event.FlagURX
	}
	return a
}

// at is the lane to a host; nil for none.
func (s *lanes) at(host string) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[host]
}

// room reports whether there may be one lane more, for which it closes one that
// has nothing to do.
func (s *lanes) room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) < maxLanes {
		return true
	}
	for host, l := range s.all {
		if l.way.Retire() {
			delete(s.all, host)
			_ = l.up.Close() // its goroutine sees the error
			return true
		}
	}
	return false
}

func (s *lanes) add(l *lane) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.all[l.up.Host().Address()] = l
	}
	return !s.over
}

// remove takes a lane out; over reports whether all are to end.
func (s *lanes) remove(l *lane) (over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if host := l.up.Host().Address(); s.all[host] == l {
		delete(s.all, host)
	}
	s.gone[event.ToServer] += l.sent.Load()
	s.gone[event.ToClient] += l.half[event.ToClient].moved
	return s.over
}

// moved is how many of the client's bytes went to other hosts and came from them,
// once all lanes are over.
func (s *lanes) moved() (n [2]int64) {
	if s == nil {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// busy reports whether a command is under way at any of the hosts.
func (s *lanes) busy() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.all {
		if l.way.Busy() {
			return true
		}
	}
	return false
}

// ended is called at the end of the client's stream, or of that of its home,
// which ends all of it.
func (s *lanes) ended(d event.Dir) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, l := range s.all {
		if d == event.ToClient {
			_ = l.up.Close() // its goroutine sees the error
		} else {
			_ = l.up.CloseWrite()
		}
	}
}

// close closes all, and those that would come.
func (s *lanes) close() {
	if s != nil {
		s.ended(event.ToClient)
	}
}

var _ mongo.Ways = (*lanes)(nil)
