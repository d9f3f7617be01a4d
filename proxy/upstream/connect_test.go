package upstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 10 * time.Second

// crowd is a cluster of one host that takes connections, and what was asked of it.
type crowd struct {
	*testing.T
	c *Cluster
	h *Host
}

// server takes connections, and keeps them.
func server(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var taking sync.WaitGroup
	taking.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); taking.Wait() })
	return l.Addr().String()
}

func newCrowd(t *testing.T, o Options) crowd {
	address := server(t)
	o.Endpoints = append(Addresses(address), o.Endpoints...)
	c := New(o)
	t.Cleanup(c.Close)
	return crowd{t, c, c.Hosts()[0]}
}

type answer struct {
	who    int
	conn   *Conn
	reused bool
	err    error
}

// ask has somebody wait for a connection, and returns when he is in the queue.
func (c crowd) ask(who int, a Ask, to chan<- answer) context.CancelFunc {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	before := c.c.queue.n.Load()
	go func() {
		conn, reused, err := c.h.Connect(ctx, a)
		to <- answer{who, conn, reused, err}
	}()
	c.await(func() bool { return c.c.queue.n.Load() > before })
	return cancel
}

func (c crowd) await(ok func() bool) {
	c.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			c.Fatal("it did not come about")
		}
	}
}

func (c crowd) connect(a Ask) *Conn {
	c.Helper()
	conn, reused, err := c.h.Connect(c.Context(), a)
	if err != nil || reused {
		c.Fatal(reused, err)
	}
	return conn
}

// Beyond the limit exchanges wait in line, and get connections as they are
// handed back.
func TestConnectionsAreHandedOnInOrder(t *testing.T) {
	c := newCrowd(t, Options{Breakers: [2]Thresholds{{Connections: 2}, {}}})
	one, two := c.connect(Ask{}), c.connect(Ask{})
	got := make(chan answer, 4)
	for i := range 4 {
		defer c.ask(i, Ask{}, got)()
	}
	if statOf(t, c.c, "upstream_rq_pending_active") != 4 || statOf(t, c.c, "circuit_breakers.default.cx_open") != 1 || statOf(t, c.c, "upstream_cx_overflow") != 4 {
		t.Errorf("while they wait: %v", c.c.Stats())
	}
	for i, back := 0, one; i < 4; i++ {
		c.h.Put(back)
		a := <-got
		if a.who != i || a.conn != back || !a.reused || a.err != nil {
			t.Fatalf("number %d got %+v", i, a)
		}
	}
	if c.h.Put(one); c.h.Idle() != 1 || statOf(t, c.c, "upstream_rq_pending_active") != 0 || statOf(t, c.c, "upstream_cx_total") != 2 {
		t.Errorf("afterwards: %v", c.c.Stats())
	}
	two.Close()
}

// The place of a connection that is closed goes to who waits.
func TestClosingGivesLeaveToConnect(t *testing.T) {
	c := newCrowd(t, Options{Breakers: [2]Thresholds{{Connections: 1}, {}}})
	one := c.connect(Ask{})
	got := make(chan answer, 1)
	defer c.ask(0, Ask{Fresh: true}, got)()
	one.Close()
	a := <-got
	if a.err != nil || a.reused || a.conn == one {
		t.Fatalf("got %+v", a)
	}
	a.conn.Close()
	if n := c.c.breakers[0].connections.n.Load(); n != 0 || c.h.conns.Load() != 0 {
		t.Errorf("%d connections are left counted", n)
	}
}

// A stale connection in the pool does not keep one from being made.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	address := server(t)
	c := newCrowd(t, Options{Endpoints: Addresses(address), Breakers: [2]Thresholds{{Connections: 1}, {}}, ConnectTimeout: time.Second})
	c.h.Put(c.connect(Ask{}))
	fresh := c.connect(Ask{Fresh: true}) // the idle one is closed for it
	if c.h.Idle() != 0 || c.c.Open() != 1 {
		t.Errorf("%d idle of %d", c.h.Idle(), c.c.Open())
	}
	c.h.Put(fresh)
	there := c.c.Hosts()[1]
	first, _, err := there.Connect(t.Context(), Ask{}) // the first to a host always
	if err != nil || c.c.Open() != 2 {
		t.Fatal(err, c.c.Open())
	}
	second, _, err := there.Connect(t.Context(), Ask{}) // two places too few: both the idle one's
	if err == nil {
		second.Close()
	}
	if !errors.Is(err, ErrOverflow) && err != nil || c.h.Idle() != 0 {
		t.Errorf("%v; %d are idle elsewhere", err, c.h.Idle())
	}
	first.Close()
}

func TestTheFirstConnectionToAHostIsNeverRefused(t *testing.T) {
	c := newCrowd(t, Options{Breakers: [2]Thresholds{{Connections: -1}, {}}})
	one, err := c.h.DialNow(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.h.DialNow(t.Context(), false); !errors.Is(err, ErrOverflow) {
		t.Errorf("a second one: %v", err)
	}
	one.Close()
}

func TestConnectionsToOneHostAreBounded(t *testing.T) {
	address := server(t)
	c := newCrowd(t, Options{Endpoints: Addresses(address), HostConnections: 2})
	one, two := c.connect(Ask{}), c.connect(Ask{})
	got := make(chan answer, 1)
	defer c.ask(0, Ask{}, got)()
	for range 2 {
		other, _, err := c.c.Hosts()[1].Connect(t.Context(), Ask{})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
	}
	two.Close()
	if a := <-got; a.err != nil || a.reused {
		t.Errorf("got %+v", a)
	} else {
		a.conn.Close()
	}
	one.Close()
}

// Who waits is counted, and waits no longer than he is told.
func TestWaitingIsBounded(t *testing.T) {
	c := newCrowd(t, Options{Breakers: [2]Thresholds{{Connections: 1, Pending: 1}, {}}, ConnectTimeout: time.Second})
	one := c.connect(Ask{})
	got := make(chan answer, 1)
	cancel := c.ask(0, Ask{Timed: true}, got)
	if _, _, err := c.h.Connect(t.Context(), Ask{}); !errors.Is(err, ErrOverflow) || statOf(t, c.c, "upstream_rq_pending_overflow") != 1 {
		t.Errorf("a second one that wants to wait: %v", err)
	}
	cancel()
	if a := <-got; !errors.Is(a.err, context.Canceled) || errors.Is(a.err, ErrOverflow) {
		t.Errorf("who has gone got %+v", a)
	}
	if _, _, err := c.h.Connect(t.Context(), Ask{}); !errors.Is(err, ErrOverflow) {
		t.Errorf("after the connect timeout: %v", err)
	}
	if n := c.c.queue.n.Load(); n != 0 || c.c.queue.first != nil {
		t.Errorf("%d are left in the queue", n)
	}
	one.Close()
	c.connect(Ask{}).Close()
}

// A place in the queue that is given up just as it is served is not lost.
func TestNoPlaceIsLost(t *testing.T) {
	c := newCrowd(t, Options{Breakers: [2]Thresholds{{Connections: 1}, {}}})
	for range 200 {
		one := c.connect(Ask{})
		place := c.h.Queue(false)
		done := make(chan struct{})
		go func() { defer close(done); one.Close() }()
		place.Leave()
		<-done
	}
	if n := c.c.breakers[0].connections.n.Load(); n != 0 || c.h.conns.Load() != 0 {
		t.Errorf("%d connections are left counted", n)
	}
}

// Many exchanges over few connections, some of which break, some of whose
// clients leave: never more are open than may be, everybody who stays is served,
// and nothing is left counted.
func TestQueueUnderRace(t *testing.T) {
	const most, clients, each = 3, 12, 60
	second := server(t)
	c := newCrowd(t, Options{Endpoints: Addresses(second), Breakers: [2]Thresholds{{Connections: most}, {}}, HostConnections: 2})
	var served, left atomic.Int64
	use := func(r *rand.Rand, h *Host) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if r.IntN(8) == 0 {
			ctx, cancel = context.WithTimeout(t.Context(), time.Duration(r.IntN(300))*time.Microsecond)
			defer cancel()
		}
		conn := h.GetFor(ctx, 0)
		if conn == nil {
			var err error
			if conn, _, err = h.Connect(ctx, Ask{Timed: true, Fresh: r.IntN(10) == 0}); err != nil {
				if deadline, _ := ctx.Deadline(); time.Now().After(deadline) {
					left.Add(1)
					return nil
				}
				return err
			}
		}
		if open := c.c.Open(); open > most+1 { // the first to a host may be one too many
			return fmt.Errorf("%d are open", open)
		}
		if served.Add(1); r.IntN(5) == 0 {
			return conn.Close()
		}
		h.Put(conn)
		return nil
	}
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range each {
				if err := use(r, c.c.Hosts()[r.IntN(2)]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if served.Load()+left.Load() != clients*each || c.c.queue.n.Load() != 0 || c.c.queue.first != nil {
		t.Errorf("%d served, %d left, %d in the queue", served.Load(), left.Load(), c.c.queue.n.Load())
	}
	c.c.Close()
	if n := c.c.breakers[0].connections.n.Load(); n != 0 {
		t.Errorf("%d connections are left counted", n)
	}
}
