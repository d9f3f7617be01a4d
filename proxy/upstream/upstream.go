// Package upstream is the server's side of the proxy: clusters of endpoints,
// the choice of one of them, and the connections kept open to it. It knows
// nothing of what is spoken on a connection.
package upstream

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/proxy/socket"
)

// ErrNoHost says that a cluster has no host to pick (response flag UH).
var ErrNoHost = errors.New("no host")

// ErrOverflow says that a cluster has as much under way as its circuit breakers
// allow (response flag UO).
var ErrOverflow = errors.New("circuit breaker is open")

// Options make a Cluster. Zero values stand for the defaults named here.
type Options struct {
	Name      string
	Endpoints []Endpoint
	Policy    Policy // see Policies; round robin by default
	Balance   Balance
	Clock     func() int64 // ns since the Unix epoch; the system's by default
	Checked   bool         // active health checks say who is healthy: discovery alone takes nobody away

	Newcomers Flag // of hosts that come, until an active check clears them: FailedCheck, and Unchecked to have them not count until then

	// Where says where an endpoint is to be dialled at the time; nil for at its
	// address.
	Where func(address string) string

	// Before is the cluster in whose place this one comes; nil for none. What
	// was known of its hosts is taken over; without Endpoints, all of them are.
	Before *Cluster

	Steer *Steering // by what hosts say of their load; nil for not

	IgnoreHealth bool // when discovery tells no more of a host: it is removed though checks find it healthy

	Tell func(*event.Notice) // is told what is decided about hosts; may be nil

	Budget *Budget // of retries; nil for the Retries of Breakers

	ConnectTimeout time.Duration // of one dial; 5 s by default
	MaxIdle        int           // idle connections kept per host; 1024 by default, negative keeps none
	IdleTimeout    time.Duration // after which an idle connection is closed; 1 h by default
	MaxUses        int           // exchanges on one connection; 0 for no limit

	Breakers        [2]Thresholds // of exchanges of default and of high priority
	HostConnections int64         // to one host at once; 0 for no limit but that of the breakers
	Backoff         Backoff       // how long a host that cannot be reached is passed over

	Protocol string // what HTTP is spoken in, for those who speak it; not looked at here
	Settings any    // of what is spoken; likewise

	TLS TLS // what connections are protected with; nil for nothing

	// Greet adds to b what a host gets to know first on a connection, before
	// TLS, about the client that it is for. Nil says nothing.
	Greet func(b []byte, client, server netip.AddrPort) []byte

	// Original has the cluster's hosts be where clients wanted to go; there are
	// no Endpoints then. Own are addresses of the proxy itself, to which nothing
	// goes.
	Original bool
	Own      func(netip.AddrPort) bool
}

// TLS is the client's side of TLS for one cluster.
type TLS interface {
	// Secure makes a session over a socket to an endpoint, host:port. It may
	// wait until ctx ends. When it fails, the socket is left open, and the
	// error's Reason, where it has one, is fit for an answer.
	Secure(ctx context.Context, c socket.Conn, endpoint string) (*socket.Stream, error)
	Stats() []Stat
}

// Defaults of Options.
const (
	DefaultConnectTimeout = 5 * time.Second
	DefaultMaxIdle        = 1024
	DefaultIdleTimeout    = time.Hour
)

// Cluster is a named set of hosts that can stand in for each other. All of its
// methods may be called from many goroutines.
type Cluster struct {
	name    string
	options Options
	tls     TLS
	speaks  string
	none    Counter // upstream_cx_none_healthy

	breakers [numClasses]breaker
	queue    queue // of who waits for connections

	now       atomic.Pointer[members]
	observers atomic.Pointer[[]Observer]
	retries   Retries
	watchers  []func()   // that OnChange was given; guarded by mu
	learner   learner    // nil where the policy learns nothing
	mu        sync.Mutex // one change at a time
	endpoints []Endpoint // as told last; guarded by mu
	leaving   []*Host    // no members any more, with something open; guarded by mu
	past      []Stat     // of those that are over; guarded by mu

	counts    balanceCounts
	underWay  atomic.Int64            // exchanges; counted only where bounded
	callers   atomic.Pointer[Cluster] // the proxies that send to this cluster; nil where they are not known
	followers []*Cluster              // whose callers this cluster is; guarded by mu
	bounded   bool                    // the policy goes by that
	due       atomic.Int64            // when it is to be decided anew who is picked, ns since the Unix epoch; 0 for never
	built     int64                   // when it was; guarded by mu
	costly    bool                    // it takes a while; guarded by mu
	stale     atomic.Bool             // hosts have changed since
	calm      bool                    // it has been out of panic; guarded by mu
	unasked   int                     // members without an answer to a check; guarded by mu
	panicking []int                   // priorities, as told; guarded by mu
	untold    []event.Notice          // guarded by mu

	steering    *steering // nil where load decides nothing
	memberships Counter   // membership_change
	updates     Updates

	greet    func(b []byte, client, server netip.AddrPort) []byte
	original *original // nil where there are endpoints
}

// New makes a cluster; it dials nothing yet.
func New(o Options) *Cluster {
	o = o.withDefaults()
	c := &Cluster{name: o.Name, options: o, tls: o.TLS, greet: o.Greet, speaks: o.Protocol}
	if o.Original {
		c.original = newOriginal(o.Own, func(to netip.AddrPort) *Host { return newHost(c, to.String(), o) })
	}
	c.bounded = o.Policy.Traits().Bounded
	c.learner, _ = o.Policy.(learner)
	for class, t := range o.Breakers {
		c.breakers[class].init(c, class, t)
		if o.Budget != nil {
			c.breakers[class].budget(c, class, *o.Budget)
		}
	}
	if o.Steer != nil {
		c.steering = &steering{Steering: o.Steer.withDefaults()}
		c.Observe(c.steering)
	}
	c.now.Store(new(members))
	c.begin(o.Endpoints, o.Before)
	c.options.Before = nil // which may go
	return c
}

func (o Options) withDefaults() Options {
	if o.Policy == nil {
		o.Policy = newRoundRobin(Tuning{})
	}
	if o.Clock == nil {
		o.Clock = func() int64 { return time.Now().UnixNano() }
	}
	o.Balance = o.Balance.withDefaults()
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = DefaultConnectTimeout
	}
	if o.MaxIdle == 0 {
		o.MaxIdle = DefaultMaxIdle
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = DefaultIdleTimeout
	}
	o.Backoff = o.Backoff.withDefaults()
	return o
}

// Secure reports whether connections to the cluster speak TLS.
func (c *Cluster) Secure() bool { return c.tls != nil }

// Protocol is what HTTP is spoken in with the cluster.
func (c *Cluster) Protocol() string { return c.speaks }

// Name is the cluster's name in the configuration.
func (c *Cluster) Name() string { return c.name }

// Hosts are the cluster's hosts as they are now, in the order in which they were
// told; in no order where they are the destinations of clients. They are not to
// be changed.
func (c *Cluster) Hosts() []*Host {
	if c.original != nil {
		return c.original.all()
	}
	return c.now.Load().all
}

// Choices is how many hosts there are to choose from for one exchange.
func (c *Cluster) Choices() int {
	if c.original != nil {
		return 1
	}
	return len(c.now.Load().all)
}

// Policy is the name of the cluster's policy.
func (c *Cluster) Policy() string {
	if c.original != nil {
		return "original_destination"
	}
	return c.options.Policy.Name()
}

// Why is by what hosts are picked now: the policy, and what changes its choice.
func (c *Cluster) Why() string {
	if c.original != nil {
		return c.Policy()
	}
	return c.now.Load().why
}

// Retire is for a cluster that others take the place of: idle connections are
// closed, and those in use when they are put back. What still goes to it is
// served.
func (c *Cluster) Retire() {
	for _, h := range c.Hosts() {
		h.retire()
	}
}

// Open is the number of connections, idle or in use.
func (c *Cluster) Open() (n int64) {
	all, _ := c.everybody()
	for _, h := range all {
		n += h.stats.cxActive.Load()
	}
	return n
}

// Close closes every connection of the cluster, idle or in use. What is dialled
// or put back later is closed at once.
func (c *Cluster) Close() {
	c.closeBreakers()
	if c.original != nil {
		c.original.close()
	}
	all, _ := c.everybody()
	for _, h := range all {
		h.close()
	}
}

// Tell tells what was decided about the cluster's hosts; h is the one, nil where
// it is about all of them. It adds to n whom it is about.
func (c *Cluster) Tell(h *Host, n *event.Notice) {
	if c.options.Tell == nil {
		return
	}
	n.Attributes = append(n.Attributes, event.KeyValue{Key: event.AttrCluster, Value: c.name})
	if h != nil {
		n.Attributes = append(n.Attributes, event.KeyValue{Key: event.AttrPeerAddress, Value: h.address})
	}
	c.options.Tell(n)
}
