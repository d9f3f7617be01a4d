package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
)

// A cluster without endpoints has a host for each destination, until nothing is
// open there.
func TestHostsOfDestinations(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open, unused := netip.MustParseAddrPort(l.Addr().String()), netip.MustParseAddrPort("[2001:db8::1]:80")
	own := netip.MustParseAddrPort("192.0.2.1:15001")
	c := New(Options{Name: "wherever", Original: true, Own: func(a netip.AddrPort) bool { return a == own }})
	defer c.Close()
	at := func(a netip.AddrPort) context.Context { return WithSource(t.Context(), Source{Server: a}) }

	h, err := c.Pick(at(open), new(Want))
	if err != nil || h.Address() != open.String() {
		t.Fatalf("picked %v, %v", h, err)
	}
	if again, err := c.Pick(at(open), new(Want)); again != h || err != nil {
		t.Errorf("picked another for the same destination: %v", err)
	} else {
		new(Want).Done(again)
	}
	conn, err := h.Dial(at(open))
	if err != nil {
		t.Fatal(err)
	}
	new(Want).Done(h)
	other, err := c.Pick(at(unused), new(Want))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Hosts()); n != 2 || c.Choices() != 1 {
		t.Errorf("%d hosts, %d choices", n, c.Choices())
	}
	c.original.forget()
	if len(c.Hosts()) != 2 {
		t.Error("a host in use was forgotten")
	}
	new(Want).Done(other)
	c.original.forget()
	if all := c.Hosts(); len(all) != 1 || all[0] != h || !other.Forgotten() || h.Forgotten() {
		t.Errorf("left are %v", all)
	}
	conn.Close()
	c.original.forget()
	if len(c.Hosts()) != 0 {
		t.Error("a host that nobody uses is still there")
	}
	for name, ctx := range map[string]context.Context{"no source": t.Context(), "no destination": at(netip.AddrPort{})} {
		if _, err := c.Pick(ctx, new(Want)); !errors.Is(err, ErrNoHost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Pick(at(own), new(Want)); !errors.Is(err, ErrNoHost) || !errors.Is(err, ErrOwnAddress) {
		t.Errorf("a loop: %v", err)
	}
	w := new(Want)
	w.Avoid(h)
	if _, err := c.Pick(at(open), w); !errors.Is(err, ErrNoHost) {
		t.Errorf("another destination: %v", err)
	}
}

// Connections that say whose they are serve nobody else, and go with him.
func TestConnectionsOfOneClient(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	greet := func(b []byte, client, _ netip.AddrPort) []byte { return append(b, client.String()...) }
	c := New(Options{Name: "told", Endpoints: Addresses(l.Addr().String()), Greet: greet})
	defer c.Close()
	h := c.Hosts()[0]
	first, second := Source{Client: netip.MustParseAddrPort("192.0.2.1:1")}, Source{Client: netip.MustParseAddrPort("192.0.2.1:2")}
	conn, err := h.Dial(WithSource(t.Context(), first))
	if err != nil {
		t.Fatal(err)
	}
	h.Put(conn)
	if h.Get() != nil || h.GetAgain(1) != nil || h.GetFor(WithSource(t.Context(), second), 0) != nil {
		t.Error("somebody else's connection was given")
	}
	if got := h.GetFor(WithSource(t.Context(), first), 0); got != conn {
		t.Error("the client's own connection was not given")
	}
	h.Put(conn)
	c.Forget(second)
	if h.Idle() != 1 {
		t.Error("another client's end closed it")
	}
	if c.Forget(first); h.Idle() != 0 {
		t.Error("the connection outlasts its client")
	}
}
