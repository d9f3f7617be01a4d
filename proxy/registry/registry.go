// Package registry keeps who offers which service, as hosts tell themselves by
// checking in again and again, and serves it over HTTP in the form of the first
// version of Envoy's service discovery. It promises no consistency: who asks is
// to treat its answers as hints (docs/operations.md).
package registry

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Options make a Registry. Zero values stand for the defaults named here.
type Options struct {
	TTL         time.Duration // for which a check-in holds; 10 min by default
	LoadTTL     time.Duration // for which a load report holds; 3 min by default
	Cache       time.Duration // for which an answer may tell old check-in times; 30 s by default
	MaxServices int           // 10,000 by default
	MaxHosts    int           // of all services; 100,000 by default

	// Tell is told of changes of who is there, under no lock; may be nil.
	Tell func(Change)
}

// Defaults of Options.
const (
	DefaultTTL         = 10 * time.Minute
	DefaultLoadTTL     = 3 * time.Minute
	DefaultCache       = 30 * time.Second
	DefaultMaxServices = 10_000
	DefaultMaxHosts    = 100_000
)

// Change is a host that came or went.
type Change struct {
	Service, Address string
	What             string // registered, deregistered or expired
}

// Registry is the hosts of all services. Its methods may be called from many
// goroutines; they are told the time.
type Registry struct {
	o     Options
	epoch uint64 // tells the answers of this registry from those of one before it

	mu       sync.Mutex // guards what follows
	services map[string]*service
	hosts    int    // of all services
	versions uint64 // given out to services
	changes  uint64 // of what Save keeps
}

// service is one name with its hosts.
type service struct {
	hosts   map[netip.AddrPort]*entry
	version uint64 // of what is told, but for check-in times; no two services ever had the same
	cached  *Answer
}

// entry is a host as it is known.
type entry struct {
	Host
	seen    time.Time // last check-in
	weighed int       // weight that an operator set; 0 for none
	loaded  time.Time // when Load came
}

// New makes an empty registry.
func New(o Options) *Registry {
	o.TTL = cmp.Or(max(0, o.TTL), DefaultTTL)
	o.LoadTTL = cmp.Or(max(0, o.LoadTTL), DefaultLoadTTL)
	o.Cache = cmp.Or(max(0, o.Cache), DefaultCache)
	o.MaxServices = cmp.Or(max(0, o.MaxServices), DefaultMaxServices)
	o.MaxHosts = cmp.Or(max(0, o.MaxHosts), DefaultMaxHosts)
	return &Registry{o: o, epoch: rand.Uint64(), services: map[string]*service{}}
}

// Register takes a check-in: a new host, or the heartbeat of a known one, of
// which it takes over what changed. Its errors are of type *Refusal.
func (r *Registry) Register(now time.Time, in Registration) error {
	if err := in.check(); err != nil {
		return err
	}
	known, err := r.register(now, in)
	if err == nil && !known {
		r.tell(Change{in.Service, in.Address.String(), "registered"})
	}
	return err
}

func (r *Registry) register(now time.Time, in Registration) (known bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[in.Service]
	if s == nil {
		if len(r.services) >= r.o.MaxServices {
			return false, refuse(Full, "there are %d services already, which is the limit", len(r.services))
		}
		s = &service{hosts: map[netip.AddrPort]*entry{}}
	}
	e := s.hosts[in.Address]
	if known = e != nil; !known {
		if r.hosts >= r.o.MaxHosts {
			return false, refuse(Full, "there are %d hosts already, which is the limit", r.hosts)
		}
		e = new(entry)
		r.services[in.Service], s.hosts[in.Address] = s, e
		r.hosts++
	}
	e.seen = now
	if e.learn(in) || !known {
		r.changes++
		r.touch(s)
	}
	if in.Load != nil {
		e.Load, e.loaded = in.Load, now
		r.touch(s)
	}
	return known, nil
}

// touch notes that s is to be told anew. The caller has the lock.
func (r *Registry) touch(s *service) {
	r.versions++
	s.version = r.versions
}

// learn takes over what a check-in tells, and reports whether anything of it is new.
func (e *entry) learn(in Registration) (news bool) {
	old := e.Host
	e.Host = in.host()
	e.Load = old.Load
	e.weigh()
	return !old.same(&e.Host)
}

// weigh has an operator's weight stand in the place of the host's own.
func (e *entry) weigh() {
	if e.weighed == 0 {
		return
	}
	if e.Tags = maps.Clone(e.Tags); e.Tags == nil {
		e.Tags = Tags{}
	}
	e.Tags[TagWeight] = float64(e.weighed)
}

// Deregister takes hosts away: those of ip, of that port only where port is not
// 0. It fails with a *Refusal when there is none.
func (r *Registry) Deregister(name string, ip netip.Addr, port uint16) error {
	gone := r.deregister(name, ip, port)
	for _, a := range gone {
		r.tell(Change{name, a.String(), "deregistered"})
	}
	if len(gone) == 0 {
		return refuse(Unknown, "service %q has no host %s", name, place(ip, port))
	}
	return nil
}

func (r *Registry) deregister(name string, ip netip.Addr, port uint16) (gone []netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[name]
	for _, a := range s.of(ip, port) {
		r.remove(name, s, a)
		gone = append(gone, a)
	}
	return gone
}

// of are the addresses of a service's hosts at ip, or at one port of it.
func (s *service) of(ip netip.Addr, port uint16) (all []netip.AddrPort) {
	if s == nil {
		return nil
	}
	for a := range s.hosts {
		if !ip.IsValid() || a.Addr() == ip && (port == 0 || a.Port() == port) {
			all = append(all, a)
		}
	}
	return all
}

// remove forgets a host, and a service with its last. The caller has the lock.
func (r *Registry) remove(name string, s *service, a netip.AddrPort) {
	delete(s.hosts, a)
	r.hosts--
	r.changes++
	r.touch(s)
	if len(s.hosts) == 0 {
		delete(r.services, name)
	}
}

// Weigh sets the weight of a service's hosts: all of them where ip is not valid,
// all of ip where port is 0. What hosts say of themselves counts no more; weight 0
// takes that back. It fails with a *Refusal.
func (r *Registry) Weigh(name string, ip netip.Addr, port uint16, weight int) error {
	if weight != 0 {
		if err := checkWeight(float64(weight)); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[name]
	all := s.of(ip, port)
	if len(all) == 0 {
		return refuse(Unknown, "service %q has no host %s", name, place(ip, port))
	}
	for _, a := range all {
		e := s.hosts[a]
		if e.weighed != 0 && weight == 0 {
			e.Tags = maps.Clone(e.Tags)
			delete(e.Tags, TagWeight) // until its next check-in says more
		}
		e.weighed = weight
		e.weigh()
	}
	r.touch(s)
	r.changes++
	return nil
}

// Report takes in how busy hosts are: those of ip, or of one port of it. It fails
// with a *Refusal. A report is no check-in.
func (r *Registry) Report(now time.Time, name string, ip netip.Addr, port uint16, l Load) error {
	if err := l.check(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.services[name]
	all := s.of(ip, port)
	if len(all) == 0 || !ip.IsValid() {
		return refuse(Unknown, "service %q has no host %s", name, place(ip, port))
	}
	for _, a := range all {
		s.hosts[a].Load, s.hosts[a].loaded = &l, now
	}
	r.touch(s)
	return nil
}

// Expire takes away who has not checked in for the TTL, and returns how many
// that were.
func (r *Registry) Expire(now time.Time) int {
	var gone []Change
	r.mu.Lock()
	for name, s := range r.services {
		gone = r.expire(gone, now, name, s)
	}
	r.mu.Unlock()
	for _, c := range gone {
		r.tell(c)
	}
	return len(gone)
}

// expire is Expire for one service. The caller has the lock.
func (r *Registry) expire(gone []Change, now time.Time, name string, s *service) []Change {
	for a, e := range s.hosts {
		if !now.Before(e.seen.Add(r.o.TTL)) {
			r.remove(name, s, a)
			gone = append(gone, Change{name, a.String(), "expired"})
		} else if e.Load != nil && !now.Before(e.loaded.Add(r.o.LoadTTL)) {
			e.Load = nil
			r.touch(s)
		}
	}
	return gone
}

// Services are the names of those that have hosts, with how many, in order of
// names.
func (r *Registry) Services() (all []Count) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, s := range r.services {
		all = append(all, Count{name, len(s.hosts)})
	}
	slices.SortFunc(all, func(a, b Count) int { return cmp.Compare(a.Service, b.Service) })
	return all
}

// Count is a service with the number of its hosts.
type Count struct {
	Service string `json:"service"`
	Hosts   int    `json:"hosts"`
}

// Size is how many hosts there are.
func (r *Registry) Size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hosts
}

func (r *Registry) tell(c Change) {
	if r.o.Tell != nil {
		r.o.Tell(c)
	}
}
