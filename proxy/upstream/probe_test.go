package upstream

import (
	"io"
	"net"
	"net/netip"
	"testing"
)

// counting is an observer with numbers of its own.
type counting struct{ reports uint64 }

func (c *counting) Report(*Host, Result) { c.reports++ }
func (c *counting) Stats() []Stat        { return []Stat{{Name: "reports", Value: c.reports}} }

func TestNumbersOfObserversAndFlags(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a", "b", "c", "d"), Newcomers: FailedCheck | Unchecked})
	numbers := func() map[string]uint64 {
		all := map[string]uint64{}
		for _, s := range c.Stats() {
			all[s.Name] = s.Value
		}
		return all
	}
	if n := numbers(); n["membership_healthy"] != 0 || n["membership_excluded"] != 4 {
		t.Errorf("before a check: %v", n)
	}
	for _, h := range c.Hosts()[1:] {
		h.Mark(FailedCheck|Unchecked, false)
	}
	c.Hosts()[1].Mark(DegradedCheck, true)
	c.Hosts()[2].Mark(ImmediateFail|FailedCheck, true)
	c.Observe(new(counting))
	c.Hosts()[3].Report(&Result{Status: 200})
	n := numbers()
	for name, want := range map[string]uint64{"membership_total": 4, "membership_healthy": 1, "membership_degraded": 1, "membership_excluded": 2, "reports": 1} {
		if n[name] != want {
			t.Errorf("%s is %d, want %d", name, n[name], want)
		}
	}
}

func TestOnChange(t *testing.T) {
	c := New(Options{Endpoints: Addresses("a")})
	calls := 0
	c.OnChange(func() { calls++; c.Hosts() })
	c.Update(Addresses("a"))
	c.Hosts()[0].Mark(Drained, true)
	if calls != 0 {
		t.Errorf("%d calls, and nobody came or went", calls)
	}
	c.Update(Addresses("a", "b"))
	c.Update(Addresses("b"))
	if calls != 2 {
		t.Errorf("%d calls, want 2", calls)
	}
}

// A probe is no connection of the cluster's, and tells that it is for nobody.
func TestProbe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	c := New(Options{Endpoints: Addresses("127.0.0.1:1"), Greet: func(b []byte, client, server netip.AddrPort) []byte {
		if client.IsValid() || server.IsValid() {
			t.Error("a probe has no client")
		}
		return append(b, "hello"...)
	}})
	defer c.Close()
	h := c.Hosts()[0]
	s, err := h.Probe(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if c.Open() != 0 || h.Used() {
		t.Error("a probe is counted")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(peer); string(b) != "hello" || err != nil {
		t.Errorf("the peer got %q, %v", b, err)
	}
	h.Tag(map[string]string{"role": "primary"})
	if h.Tags()["role"] != "primary" {
		t.Errorf("tags %v", h.Tags())
	}
}
