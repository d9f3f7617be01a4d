package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/pitot-io/pitot/internal/config"
)

// names asks name servers, through the resolver of Go's library, which knows
// search lists, files of hosts, retries, truncation and what answers to believe.
// What it does not tell is for how long an answer holds; that is read along.
type names struct {
	servers []string // host:port each; the system's where there are none
	family  string
	ttl     bool          // wanted
	limit   time.Duration // for one server to answer
	next    atomic.Uint32 // of servers
}

func newNames(c *config.Discovery) *names {
	return &names{servers: c.Resolvers, family: c.Family, ttl: c.RespectTTL, limit: c.Timeout / 2} // so that a second one gets a chance
}

// asking is one question, with what its answers say about how long they hold.
type asking struct {
	*names
	*net.Resolver

	mu  sync.Mutex
	ttl time.Duration // the least; 0 for none yet
}

func (n *names) ask() *asking {
	a := &asking{names: n}
	a.Resolver = &net.Resolver{PreferGo: true, StrictErrors: true, Dial: a.dial}
	return a
}

// holds is for how long the answers hold; 0 where nobody wants to know.
func (a *asking) holds() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.names.ttl {
		return 0
	}
	return a.ttl
}

// addresses are those of a name, in order; none is an answer, too.
func (a *asking) addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	network := map[string]string{config.OnlyV4: "ip4", config.OnlyV6: "ip6"}[a.family]
	if network == "" {
		network = "ip"
	}
	found, err := a.LookupNetIP(ctx, network, name)
	if unknown(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortFunc(found, netip.Addr.Compare) // name servers mix them
	found = slices.Compact(found)
	if v4 := slices.IndexFunc(found, netip.Addr.Is6); a.family == config.PreferV4 && v4 > 0 {
		found = found[:v4] // addresses of IPv4 come first
	}
	return found, nil
}

// unknown reports whether name servers answered that there is nothing by a name.
func unknown(err error) bool {
	d, ok := errors.AsType[*net.DNSError](err)
	return ok && d.IsNotFound && !d.IsTimeout && !d.IsTemporary
}

// dial connects to the system's name server, or to the next one of ours.
func (a *asking) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if n := uint32(len(a.servers)); n > 0 {
		address = a.servers[a.next.Add(1)%n]
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if u, ok := c.(*net.UDPConn); ok {
		return &datagrams{u, a}, nil
	}
	return &stream{Conn: c, asking: a}, nil
}

// datagrams is a connection on which every read is a message.
type datagrams struct {
	*net.UDPConn
	asking *asking
}

func (d *datagrams) Read(b []byte) (int, error) {
	n, err := d.UDPConn.Read(b)
	d.asking.note(b[:n])
	return n, err
}

func (d *datagrams) SetDeadline(t time.Time) error { return d.UDPConn.SetDeadline(d.asking.sooner(t)) }

// stream is one on which a message comes after its length (RFC 1035, 4.2.2).
type stream struct {
	net.Conn
	asking *asking
	seen   []byte // of the message; bounded by its length's two bytes
}

func (s *stream) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if s.seen = append(s.seen, b[:n]...); len(s.seen) > 2 && len(s.seen) >= 2+int(s.seen[0])<<8+int(s.seen[1]) {
		s.asking.note(s.seen[2:])
		s.seen = s.seen[:0]
	}
	return n, err
}

func (s *stream) SetDeadline(t time.Time) error { return s.Conn.SetDeadline(s.asking.sooner(t)) }

// sooner leaves time for another server.
func (a *asking) sooner(t time.Time) time.Time {
	if limit := time.Now().Add(a.limit); limit.Before(t) {
		return limit
	}
	return t
}

// Bounds of how long an answer is taken to hold.
const (
	leastTTL = time.Second
	mostTTL  = time.Hour
)

// note reads how long the answers of a message hold: the least of their TTLs.
func (a *asking) note(message []byte) {
	var p dnsmessage.Parser
	if _, err := p.Start(message); err != nil || p.SkipAllQuestions() != nil {
		return
	}
	for {
		h, err := p.AnswerHeader()
		if err != nil || p.SkipAnswer() != nil {
			return
		}
		a.mu.Lock()
		if ttl := min(max(leastTTL, time.Duration(h.TTL)*time.Second), mostTTL); a.ttl == 0 || ttl < a.ttl {
			a.ttl = ttl
		}
		a.mu.Unlock()
	}
}
