package registry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// List is the answer to who offers something, as in JSON.
type List struct {
	Service string `json:"service,omitempty"`
	Hosts   []Host `json:"hosts"`
}

// Answer is a List as it is sent, with the name of this version of it.
type Answer struct {
	List List
	Body []byte // JSON
	ETag string // changes with everything but check-in times

	version uint64
	until   time.Time // when it is to be made anew
}

// List is the hosts of a service, in order of their addresses; none for a service
// that nobody knows. It is not to be changed.
func (r *Registry) List(now time.Time, name string) (*Answer, error) {
	if err := checkName("service", name); err != nil {
		return nil, err
	}
	a, gone, fresh := r.answer(now, name)
	for _, c := range gone {
		r.tell(c)
	}
	if !fresh {
		return a, nil
	}
	var err error
	if a.Body, err = json.Marshal(&a.List); err != nil {
		return nil, fmt.Errorf("registry: list of %q: %w", name, err)
	}
	r.keep(name, a)
	return a, nil
}

// answer is the one that is kept, or a fresh one without a body.
func (r *Registry) answer(now time.Time, name string) (a *Answer, gone []Change, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[name]
	if s == nil {
		return &Answer{List: List{Service: name, Hosts: []Host{}}, ETag: fmt.Sprintf("\"%x-none\"", r.epoch)}, nil, true
	}
	if c := s.cached; c != nil && c.version == s.version && now.Before(c.until) {
		return c, nil, false
	}
	gone = r.expire(nil, now, name, s)
	a = &Answer{List: List{Service: name, Hosts: s.list()}, version: s.version, until: now.Add(r.o.Cache)}
	for _, e := range s.hosts {
		a.until = earliest(a.until, e.seen.Add(r.o.TTL))
		if e.Load != nil {
			a.until = earliest(a.until, e.loaded.Add(r.o.LoadTTL))
		}
	}
	a.ETag = fmt.Sprintf("\"%x-%x\"", r.epoch, s.version)
	return a, gone, true
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// keep has the same answer sent until something changes.
func (r *Registry) keep(name string, a *Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.services[name]; s != nil && s.version == a.version {
		s.cached = a
	}
}

// list is copies of the hosts. The caller has the lock.
func (s *service) list() []Host {
	all := make([]Host, 0, len(s.hosts))
	addresses := make([]netip.AddrPort, 0, len(s.hosts))
	for a := range s.hosts {
		addresses = append(addresses, a)
	}
	slices.SortFunc(addresses, netip.AddrPort.Compare)
	for _, a := range addresses {
		e := s.hosts[a]
		h := e.Host
		h.LastCheckIn = e.seen.UTC().Truncate(time.Millisecond)
		all = append(all, h)
	}
	return all
}

// OfRepo is the hosts whose service is built from a repository, in order of
// services and addresses.
func (r *Registry) OfRepo(now time.Time, repo string) List {
	r.Expire(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	l := List{Hosts: []Host{}}
	for _, s := range r.services {
		for _, h := range s.list() {
			if h.Repo == repo {
				l.Hosts = append(l.Hosts, h)
			}
		}
	}
	slices.SortStableFunc(l.Hosts, func(a, b Host) int { return cmp.Compare(a.Service, b.Service) })
	return l
}
