package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/upstream"
)

// strict has every address of a name be an endpoint.
type strict struct {
	*names
	name string
	port uint16
}

func newStrict(c *config.Discovery) (*strict, error) {
	host, port, err := split(c.Name)
	return &strict{newNames(c), host, port}, err
}

func split(name string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(name)
	if err != nil {
		return "", 0, fmt.Errorf("discovery: %w", err)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("discovery: port of %q: %w", name, err)
	}
	return host, uint16(n), nil
}

func (s *strict) Fetch(ctx context.Context) (Answer, error) {
	q := s.ask()
	found, err := q.addresses(ctx, s.name)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{TTL: q.holds()}
	for _, ip := range found {
		a.Endpoints = append(a.Endpoints, upstream.Endpoint{Address: netip.AddrPortFrom(ip, s.port).String()})
	}
	return a, nil
}

// Located is a source whose endpoints are names, and that knows where they are
// at the time.
type Located interface{ Where(address string) string }

// logical has a name itself be the only endpoint: connections go to the address
// that it has at the time, and those that are open stay when that changes. It is
// for services that answer every time with a few of very many addresses.
type logical struct {
	*strict
	now atomic.Pointer[string]
}

func newLogical(c *config.Discovery) (*logical, error) {
	s, err := newStrict(c)
	return &logical{strict: s}, err
}

func (l *logical) Fetch(ctx context.Context) (Answer, error) {
	a, err := l.strict.Fetch(ctx)
	if err != nil {
		return a, err
	}
	if len(a.Endpoints) > 0 { // an empty answer is no reason to go nowhere
		l.now.Store(&a.Endpoints[0].Address)
	}
	a.Endpoints = upstream.Addresses(net.JoinHostPort(l.name, strconv.Itoa(int(l.port))))
	return a, nil
}

// Where is the address that the name had in the last answer that had one; the
// name itself before the first.
func (l *logical) Where(address string) string {
	if now := l.now.Load(); now != nil {
		return *now
	}
	return address
}
