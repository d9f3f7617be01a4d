package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("127.0.0.1:%d", i+1))
	}
	return all
}

func TestRoundRobinIsFair(t *testing.T) {
	c := New(Options{Endpoints: Addresses(names(3)...)})
	count := map[string]int{}
	for range 300 {
		h, err := c.Pick(context.Background(), new(Want))
		if err != nil {
			t.Fatal(err)
		}
		count[h.Address()]++
		new(Want).Done(h)
	}
	for a, n := range count {
		if n != 100 {
			t.Errorf("%s was picked %d times of 300, want 100", a, n)
		}
	}
}

func policy(t testing.TB, name string) Policy {
	t.Helper()
	p, err := NewPolicy(name, Tuning{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// With two hosts, drawing without replacement always compares both.
func TestLeastRequestNeverPicksTheBusierOfTwo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(Options{Endpoints: Addresses(names(2)...), Policy: newLeastRequest(Tuning{})})
		a, b := c.Hosts()[0], c.Hosts()[1]
		busy := rapid.IntRange(1, 50).Draw(t, "busy")
		for range busy {
			a.begin()
		}
		for range busy {
			h, err := c.Pick(context.Background(), new(Want))
			if err != nil || h != b {
				t.Fatalf("picked %v, %v although the other host is less busy", h, err)
			}
		}
	})
}

func TestLeastRequestKeepsHostsLevel(t *testing.T) {
	c := New(Options{Endpoints: Addresses(names(5)...), Policy: newLeastRequest(Tuning{})})
	for range 1000 {
		if _, err := c.Pick(context.Background(), new(Want)); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range c.Hosts() {
		if h.Active() < 190 || h.Active() > 210 {
			t.Errorf("%s has %d of 1000 exchanges, want about 200", h.Address(), h.Active())
		}
	}
}

func TestNoHost(t *testing.T) {
	c := New(Options{Name: "shop"})
	if _, err := c.Pick(context.Background(), new(Want)); !errors.Is(err, ErrNoHost) {
		t.Errorf("Pick of an empty cluster: %v, want ErrNoHost", err)
	}
	one := New(Options{Endpoints: Addresses(names(1)...)})
	w := new(Want)
	w.Avoid(one.Hosts()[0])
	if _, err := one.Pick(context.Background(), w); !errors.Is(err, ErrNoHost) {
		t.Errorf("Pick but for the only host: %v, want ErrNoHost", err)
	}
	if _, err := NewPolicy("fastest", Tuning{}); err == nil {
		t.Error("an unknown policy was taken")
	}
}

// listen accepts connections and hands them to the test.
func listen(t *testing.T) (address string, accepted <-chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ch, done := make(chan net.Conn, 64), make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			ch <- c
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String(), ch
}

func dial(t *testing.T, h *Host) *Conn {
	t.Helper()
	c, err := h.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func stat(t *testing.T, c *Cluster, name string) uint64 {
	t.Helper()
	for _, s := range c.Stats() {
		if s.Name == name {
			return s.Value
		}
	}
	t.Fatalf("no stat %q", name)
	return 0
}

func TestPoolGivesTheLatestAndNoticesClosedPeers(t *testing.T) {
	address, accepted := listen(t)
	c := New(Options{Endpoints: Addresses(address)})
	defer c.Close()
	h := c.Hosts()[0]
	first, second := dial(t, h), dial(t, h)
	peer1, peer2 := <-accepted, <-accepted
	defer peer1.Close()
	h.Put(first)
	h.Put(second)
	if got := h.Get(); got != second || got.Used != 1 {
		t.Fatalf("Get gave %v, want the connection put back last", got)
	}
	h.Put(second)
	peer2.Close()
	// The end of the peer's stream is there once a read says so.
	if _, err := io.Copy(io.Discard, second); err != nil {
		t.Fatal(err)
	}
	if got := h.Get(); got != first {
		t.Fatalf("Get gave %v, want the one whose peer is still there", got)
	}
	if n := stat(t, c, "upstream_cx_active"); n != 1 {
		t.Errorf("upstream_cx_active %d, want 1", n)
	}
	if h.Get() != nil {
		t.Error("Get gave a connection although none is idle")
	}
}

func TestPoolRefusesUnaskedBytes(t *testing.T) {
	address, accepted := listen(t)
	c := New(Options{Endpoints: Addresses(address)})
	defer c.Close()
	conn := dial(t, c.Hosts()[0])
	peer := <-accepted
	defer peer.Close()
	if !conn.Alive() {
		t.Fatal("a fresh connection is not alive")
	}
	if _, err := peer.Write([]byte("HTTP/1.1 408\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	var one [1]byte
	if _, err := io.ReadFull(conn, one[:]); err != nil { // so that the rest has arrived
		t.Fatal(err)
	}
	if conn.Alive() {
		t.Error("a connection with an unasked answer counts as good")
	}
}

func TestPoolIsBounded(t *testing.T) {
	address, accepted := listen(t)
	c := New(Options{Endpoints: Addresses(address), MaxIdle: 1, MaxUses: 2})
	defer c.Close()
	h := c.Hosts()[0]
	a, b := dial(t, h), dial(t, h)
	defer (<-accepted).Close()
	defer (<-accepted).Close()
	h.Put(a)
	h.Put(b)
	if h.Idle() != 1 || stat(t, c, "upstream_cx_active") != 1 {
		t.Errorf("%d idle, %d open; want 1 of each", h.Idle(), stat(t, c, "upstream_cx_active"))
	}
	h.Put(h.Get())
	if h.Idle() != 0 {
		t.Error("a connection was kept beyond its number of exchanges")
	}
}

func TestIdleTimeoutCloses(t *testing.T) {
	address, accepted := listen(t)
	c := New(Options{Endpoints: Addresses(address), IdleTimeout: 20 * time.Millisecond})
	defer c.Close()
	h := c.Hosts()[0]
	h.Put(dial(t, h))
	peer := <-accepted
	defer peer.Close()
	_ = peer.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("the peer read %v, want the end of the connection", err)
	}
	if n := stat(t, c, "upstream_cx_idle_timeout"); n != 1 {
		t.Errorf("upstream_cx_idle_timeout %d, want 1", n)
	}
}

func TestDialErrorsTellTimeoutFromRefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	c := New(Options{Name: "shop", Endpoints: Addresses(address)})
	var refused *DialError
	if _, err := c.Hosts()[0].Dial(t.Context()); !errors.As(err, &refused) || refused.Timeout {
		t.Errorf("dialling a closed port: %v, want a refusal", err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	var late *DialError
	if _, err := c.Hosts()[0].Dial(ctx); !errors.As(err, &late) || !late.Timeout {
		t.Errorf("dialling after the deadline: %v, want a timeout", err)
	}
	if stat(t, c, "upstream_cx_connect_fail") != 2 || stat(t, c, "upstream_cx_connect_timeout") != 1 {
		t.Errorf("stats %+v", c.Stats())
	}
}

func TestCloseEndsConnectionsInUse(t *testing.T) {
	address, accepted := listen(t)
	c := New(Options{Endpoints: Addresses(address)})
	h := c.Hosts()[0]
	used, idle := dial(t, h), dial(t, h)
	defer (<-accepted).Close()
	defer (<-accepted).Close()
	h.Put(idle)
	c.Close()
	if _, err := used.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading in a closed cluster: %v", err)
	}
	h.Put(used)
	if h.Get() != nil || stat(t, c, "upstream_cx_active") != 0 {
		t.Error("a closed cluster still has connections")
	}
	if _, err := h.Dial(t.Context()); err == nil {
		t.Error("a closed cluster dials")
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	address, accepted := listen(t)
	c := New(Options{Endpoints: Addresses(address), Policy: newLeastRequest(Tuning{})})
	defer c.Close()
	c.Hosts()[0].Put(dial(t, c.Hosts()[0]))
	defer (<-accepted).Close()
	w := new(Want)
	n := testing.AllocsPerRun(100, func() {
		h, _ := c.Pick(context.Background(), w)
		conn := h.Get()
		h.Report(&Result{Status: 200, Took: time.Millisecond})
		h.Put(conn)
		new(Want).Done(h)
	})
	if n != 0 {
		t.Errorf("%v allocations per exchange, want 0", n)
	}
}

func BenchmarkExchange(b *testing.B) {
	for _, p := range Policies() {
		b.Run(p.Name, func(b *testing.B) {
			c := New(Options{Endpoints: Addresses(names(8)...), Policy: p.New(Tuning{})})
			w := new(Want)
			b.ReportAllocs()
			for b.Loop() {
				h, _ := c.Pick(context.Background(), w)
				new(Want).Done(h)
			}
		})
	}
}

// Who can try again gets a connection that was just put back unseen; who
// cannot, or comes later, gets none that the peer has closed.
func TestGetAgainTrustsForAMoment(t *testing.T) {
	for _, c := range []struct {
		name  string
		get   func(h *Host, put time.Time) *Conn
		taken bool
	}{
		{"at once, again", func(h *Host, put time.Time) *Conn { return h.GetAgain(put.UnixNano()) }, true},
		{"later, again", func(h *Host, put time.Time) *Conn { return h.GetAgain(put.Add(trustFor).UnixNano()) }, false},
		{"the clock was set back", func(h *Host, put time.Time) *Conn { return h.GetAgain(put.Add(-time.Hour).UnixNano()) }, false},
		{"once", func(h *Host, _ time.Time) *Conn { return h.Get() }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, accepted := listen(t)
			cluster := New(Options{Endpoints: Addresses(address)})
			defer cluster.Close()
			h := cluster.Hosts()[0]
			conn := dial(t, h)
			(<-accepted).Close()
			if _, err := io.Copy(io.Discard, conn); err != nil { // the peer's end is there
				t.Fatal(err)
			}
			h.Put(conn)
			if got := c.get(h, conn.idle) != nil; got != c.taken {
				t.Errorf("taken: %v, want %v", got, c.taken)
			}
		})
	}
}
