package live

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pitot-io/pitot/internal/event"
)

// TestEveryExchangeOnLoopback: each once, though loopback shows packets twice.
func TestEveryExchangeOnLoopback(t *testing.T) {
	needRaw(t)
	for _, name := range []string{"lo", Any} {
		t.Run(name, func(t *testing.T) {
			port, get := serve(t)
			s := newSink()
			c, stop := start(t, options(s, "tcp port "+port, name))
			defer stop()
			const clients, each = 8, 100
			var wg sync.WaitGroup
			for i := range clients {
				wg.Go(func() {
					for j := range each {
						get(fmt.Sprintf("/%d/%d", i, j))
					}
				})
			}
			wg.Wait()
			s.reach(t, clients*each)
			stop()
			if n := c.Stats(); s.count() != clients*each || n.Exchanges != clients*each || n.Dropped != 0 || n.Gaps != 0 {
				t.Errorf("%d exchanges of %d: %+v", s.count(), clients*each, n)
			}
			if want := "GET /{id}/{id} 127.0.0.1 > 127.0.0.1:" + port; s.spans[0] != want {
				t.Errorf("%s, not %s", s.spans[0], want)
			}
		})
	}
}

// TestTheKernelsDropsAreTold: a ring that nobody reads overflows.
func TestTheKernelsDropsAreTold(t *testing.T) {
	needRaw(t)
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	_, port, _ := net.SplitHostPort(u.LocalAddr().String())
	s := newSink()
	o := options(s, "udp port "+port, "lo")
	o.Workers, o.Ring = 1, 2<<20
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	const sent = 3000
	for range sent {
		if _, err := u.WriteTo(make([]byte, 1000), u.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	running(t, c)()
	n := c.Stats()
	if n.Dropped == 0 || n.Packets == 0 || n.Packets+n.Dropped != sent {
		t.Errorf("%d packets were read and %d dropped, of %d", n.Packets, n.Dropped, sent)
	}
	if len(s.notices) == 0 || s.notices[0].Name != event.EventLoss || s.notices[0].Attributes[0].Value != "kernel" || s.notices[0].Attributes[1].Value != fmt.Sprint(n.Dropped) {
		t.Errorf("%+v; %d were dropped", s.notices, n.Dropped)
	}
}

func TestSnapLenCuts(t *testing.T) {
	needRaw(t)
	port, get := serve(t)
	s := newSink()
	o := options(s, "tcp port "+port, "lo")
	o.SnapLen = 100
	c, stop := start(t, o)
	defer stop()
	get("/" + strings.Repeat("x", 500))
	get("/")
	stop()
	if n := c.Stats(); n.Cut == 0 || n.Missing < 400 {
		t.Errorf("%+v", n)
	}
}

// TestWhatCannotBeOpened: each message says what there is and what to do.
func TestWhatCannotBeOpened(t *testing.T) {
	for _, c := range []struct {
		name string
		ifs  []string
		want string
	}{
		{"no name", nil, "name an interface to capture from with -i, or any for all of them; there are "},
		{"a wrong name", []string{"eht0"}, `there is no interface "eht0"; there are `},
		{"any and another", []string{"any", "lo"}, "any stands for all interfaces; name no other beside it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(options(newSink(), "", c.ifs...))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.HasSuffix(c.want, "there are ") && !strings.Contains(err.Error(), "lo") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestLackOfPermissionIsExplained(t *testing.T) {
	err := explain(fmt.Errorf("socket: %w", unix.EPERM))
	if !strings.Contains(err.Error(), "CAP_NET_RAW") || !strings.Contains(err.Error(), "sudo setcap cap_net_raw=ep /") {
		t.Error(err)
	}
	if other := errors.New("x"); explain(other) != other {
		t.Error("another error was changed")
	}
}
