package live

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/pcapfilter"
)

// needRaw skips what needs to capture where that is not allowed.
func needRaw(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Skipf("capturing is not allowed here (%v): run as root, or with CAP_NET_RAW", err)
	}
	unix.Close(fd)
}

// sink keeps what a capture tells.
type sink struct {
	mu       sync.Mutex
	spans    []string
	notices  []event.Notice
	answered int
	news     chan struct{}
}

func newSink() *sink { return &sink{news: make(chan struct{}, 1)} }

func (s *sink) Exchange(x *event.Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans = append(s.spans, fmt.Sprintf("%s %s > %s", x.Name, x.Client.Addr(), x.Server))
	if x.ErrorType == "" {
		s.answered++
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *sink) Notice(n *event.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices = append(s.notices, event.Notice{Name: n.Name, Body: strings.Clone(n.Body), Attributes: append([]event.KeyValue(nil), n.Attributes...)})
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// reach waits until n exchanges were told, for as long as a slow machine takes.
func (s *sink) reach(t *testing.T, n int) {
	t.Helper()
	for end := time.After(10 * time.Second); s.count() < n; {
		select {
		case <-s.news:
		case <-end:
			t.Errorf("%d of %d exchanges were told in time", s.count(), n)
			return
		}
	}
}

func options(s *sink, filter string, interfaces ...string) Options {
	f, err := pcapfilter.Parse(filter)
	if err != nil {
		panic(err)
	}
	return Options{
		Interfaces: interfaces, Filter: f, Workers: 2,
		Protocols: []decode.Protocol{http1.Protocol(http1.Options{})},
		Out:       func(int) event.Emitter { return s },
	}
}

// start captures until the function it returns is called.
func start(t *testing.T, o Options) (*Capture, func()) {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return c, running(t, c)
}

func running(t *testing.T, c *Capture) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func serve(t *testing.T) (port string, get func(path string)) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", r.URL.Path) }))
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return port, func(path string) {
		a, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Error(err)
			return
		}
		_ = a.Body.Close()
	}
}
