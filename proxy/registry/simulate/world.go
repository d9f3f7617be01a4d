// Package simulate plays what can go wrong between hosts, a registry and a proxy,
// in time that is passed in, and looks whether anybody loses a host that works.
// Registry, discovery and cluster are those of the product; hosts, the network
// between, and the asking of health checks are played.
package simulate

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pitot-io/pitot/proxy/registry"
	"github.com/pitot-io/pitot/proxy/upstream"
	"github.com/pitot-io/pitot/proxy/upstream/discovery"
)

// Options of a simulation. Zero values stand for the defaults named here.
type Options struct {
	Hosts     int           // of the service; 100 by default
	For       time.Duration // simulated time of each scenario; 40 min by default
	Seed      uint64        // of what happens by chance
	Unchecked bool          // without health checks: discovery alone decides
}

// How the simulated service is run.
const (
	tick      = time.Second
	heartbeat = 10 * time.Second // between two check-ins of a host
	ttl       = time.Minute      // of the registry
	refresh   = 10 * time.Second // of the proxy's discovery, with as much jitter
	checks    = 5 * time.Second  // between two health checks of a host
	failures  = 3                // health checks in a row after which a host is out
	successes = 2                // after which it is back
	warmUp    = time.Minute      // before anything goes wrong
	picks     = 20               // exchanges a tick
)

// world is one scenario under way.
type world struct {
	Options
	chance   *rand.Rand
	began    time.Time
	now      time.Time
	registry *registry.Registry
	cluster  *upstream.Cluster
	poller   *discovery.Poller
	next     time.Time // question of the poller
	fault    fault     // what is wrong with the registry at the time
	hosts    []*host
	byName   map[string]*host
	r        *Result
}

// host is a server of the service.
type host struct {
	address netip.AddrPort
	phase   time.Duration // of its check-ins and checks
	silent  bool          // does not check in
	died    time.Time     // zero while it lives
	out     time.Time     // when it got no exchanges any more
	gone    time.Time     // when it was no member any more
	known   bool          // it is a member that its checks find healthy
	streak  int           // of checks: successes above 0, failures below
	lost    bool          // it was taken away though it works
}

func newWorld(o Options, seed uint64) *world {
	w := &world{
		Options: o, chance: rand.New(rand.NewPCG(o.Seed, seed)), began: time.Unix(1_700_000_000, 0), byName: map[string]*host{}, r: new(Result),
	}
	w.now, w.next = w.began, w.began
	w.registry = w.newRegistry()
	options := upstream.Options{Name: "simulated", Checked: !o.Unchecked, Clock: func() int64 { return w.now.UnixNano() }}
	if !o.Unchecked {
		options.Newcomers = upstream.FailedCheck
	}
	w.cluster = upstream.New(options)
	w.poller = discovery.NewPoller(w, discovery.Options{Cluster: w.cluster, Refresh: refresh, Jitter: refresh, Random: w.chance.Float64})
	for range o.Hosts {
		w.join()
	}
	w.r.Least = o.Hosts
	return w
}

func (w *world) newRegistry() *registry.Registry { return registry.New(registry.Options{TTL: ttl}) }

// join adds a host.
func (w *world) join() *host {
	n := len(w.hosts)
	h := &host{
		address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 8080),
		phase:   time.Duration(w.chance.IntN(int(heartbeat/tick))) * tick,
	}
	w.hosts, w.byName[h.address.String()] = append(w.hosts, h), h
	return h
}

// living are the hosts that work.
func (w *world) living() (all []*host) {
	for _, h := range w.hosts {
		if h.died.IsZero() {
			all = append(all, h)
		}
	}
	return all
}

// kill ends so many hosts, drawn by chance.
func (w *world) kill(n int) {
	all := w.living()
	w.chance.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, h := range all[:min(n, len(all))] {
		h.died = w.now
	}
}

// fault is what is wrong with the registry: it makes an answer of the right one.
type fault func(w *world, right []byte) ([]byte, error)

// Fetch is the proxy's question to the registry.
func (w *world) Fetch(context.Context) (discovery.Answer, error) {
	list, err := w.registry.List(w.now, "simulated")
	if err != nil {
		return discovery.Answer{}, err
	}
	body := list.Body
	if w.fault != nil {
		if body, err = w.fault(w, body); err != nil {
			return discovery.Answer{}, err
		}
	}
	return discovery.ParseHosts(body)
}

// due reports whether something that happens every so often happens now.
func (w *world) due(every, phase time.Duration) bool { return (w.now.Sub(w.began)+phase)%every == 0 }

// step plays one tick.
func (w *world) step(ctx context.Context) error {
	for _, h := range w.hosts {
		if h.died.IsZero() && !h.silent && w.due(heartbeat, h.phase) {
			if err := w.registry.Register(w.now, registry.Registration{Service: "simulated", Address: h.address}); err != nil {
				return err
			}
		}
	}
	w.registry.Expire(w.now)
	if !w.now.Before(w.next) {
		w.next = w.now.Add(w.poller.Step(ctx, w.now))
	}
	w.check()
	w.look()
	return w.send(ctx)
}

// check plays health checks: members are asked, and marked as a checker does.
func (w *world) check() {
	if w.Unchecked {
		return
	}
	for _, m := range w.cluster.Hosts() {
		h := w.byName[m.Address()]
		first := m.Flags()&upstream.FailedCheck != 0 && h.streak == 0
		if !first && !w.due(checks, h.phase) {
			continue
		}
		if !h.died.IsZero() {
			h.streak = min(h.streak, 0) - 1
		} else {
			h.streak = max(h.streak, 0) + 1
		}
		if h.streak <= -failures {
			m.Mark(upstream.FailedCheck, true)
		} else if first && h.streak > 0 || h.streak >= successes {
			m.Mark(upstream.FailedCheck, false)
		}
	}
}

// look takes down what has become of the hosts.
func (w *world) look() {
	member := make(map[string]*upstream.Host)
	usable := 0
	for _, m := range w.cluster.Hosts() {
		if member[m.Address()] = m; m.Usable() {
			usable++
		}
	}
	alive := 0
	for _, h := range w.hosts {
		m := member[h.address.String()]
		in := m != nil && m.Usable()
		if h.died.IsZero() {
			alive++
			h.lost = h.lost || h.known && !in
			h.known = h.known || in
			continue
		}
		if h.known && !in && h.out.IsZero() {
			h.out = w.now
		}
		if h.known && m == nil && h.gone.IsZero() {
			h.gone = w.now
		}
	}
	if w.now.Sub(w.began) >= warmUp {
		w.r.Healthy, w.r.Least = min(w.r.least(alive), alive), min(w.r.Least, usable)
	}
}

// send plays exchanges, which must find a host at any time.
func (w *world) send(ctx context.Context) error {
	if w.now.Sub(w.began) < warmUp {
		return nil
	}
	for range picks {
		var want upstream.Want
		want.Now = w.now.UnixNano()
		w.r.Exchanges++
		m, err := w.cluster.Pick(ctx, &want)
		if errors.Is(err, upstream.ErrNoHost) {
			w.r.Failed++
			continue
		} else if err != nil {
			return err
		}
		if !w.byName[m.Address()].died.IsZero() {
			w.r.Failed++
		}
		want.Done(m)
	}
	return nil
}
