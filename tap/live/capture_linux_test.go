package live

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pitot-io/pitot/decode"
	"github.com/pitot-io/pitot/decode/http1"
	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap/pcapfile"
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
		{"no name", nil, "name an interface to capture from; there are "},
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

// namespace runs do in a network namespace of its own, on a thread that ends
// with it; it gives the number of that thread, whose namespace it is.
func namespace(t *testing.T, do func(thread int)) {
	t.Helper()
	done := make(chan struct{})
	go func() { // t.Fatal must not be called here
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread is of no more use
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		do(unix.Gettid())
	}()
	<-done
}

func ip(t *testing.T, args string) bool {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Errorf("ip %s: %v %s", args, err, out)
	}
	return err == nil
}

// answer answers HTTP requests on l until it is closed.
func answer(l net.Listener) {
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
}

func ask(t *testing.T, address, path string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: far\r\nConnection: close\r\n\r\n", path)
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Errorf("%q %v", line, err)
	}
}

// TestTwoHosts captures on one end of a cable between two hosts, each of which
// asks the other. One packet comes with a VLAN tag, which the kernel takes off.
func TestTwoHosts(t *testing.T) {
	needRaw(t)
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool, " is not here")
		}
	}
	file := filepath.Join(t.TempDir(), "two.pcapng")
	s := newSink()
	namespace(t, func(near int) {
		if !ip(t, "link add v0 type veth peer name v1") {
			return
		}
		ready, over := make(chan net.Listener, 1), make(chan struct{})
		farDone := make(chan struct{})
		go namespaceFar(t, near, ready, over, farDone)
		far := <-ready
		if far == nil {
			<-farDone
			return
		}
		ip(t, "address add 10.99.0.1/24 dev v0")
		ip(t, "link set v0 up")
		o := options(s, "tcp and net 10.99.0.0/16", "v0")
		o.Record = NewRecorder(RecordOptions{File: file})
		c, err := Open(o)
		if err != nil {
			t.Error(err)
			return
		}
		stop := running(t, c)
		l, err := net.Listen("tcp", "10.99.0.1:8081")
		if err != nil {
			t.Error(err)
		} else {
			go answer(l)
		}
		ask(t, "10.99.0.2:8080", "/near-asks")
		close(over)
		<-farDone
		s.reach(t, 2)
		stop()
		l.Close()
		far.Close()
	})
	got := strings.Join(s.spans, "\n")
	for _, want := range []string{
		"GET /near-asks 10.99.0.1 > 10.99.0.2:8080", "GET /far-asks 10.99.0.2 > 10.99.0.1:8081",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not among\n%s", want, got)
		}
	}
	if n := tagged(t, file); n != 1 {
		t.Errorf("%d packets were written with a VLAN tag, not 1", n)
	}
}

// namespaceFar is the other host.
func namespaceFar(t *testing.T, near int, ready chan<- net.Listener, over <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	namespace(t, func(far int) {
		// From here the other namespace's end of the cable is pulled over.
		pull := exec.Command("nsenter", fmt.Sprintf("--net=/proc/%d/task/%d/ns/net", os.Getpid(), near), "ip", "link", "set", "v1", "netns", fmt.Sprint(far))
		if out, err := pull.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
			ready <- nil
			return
		}
		ip(t, "address add 10.99.0.2/24 dev v1")
		ip(t, "link set v1 up")
		l, err := net.Listen("tcp", "0.0.0.0:8080")
		if err != nil {
			t.Error(err)
			ready <- nil
			return
		}
		go answer(l)
		ready <- l
		<-over
		ask(t, "10.99.0.1:8081", "/far-asks")
		sendTagged(t, "v1")
	})
}

// sendTagged sends a TCP segment in VLAN 5.
func sendTagged(t *testing.T, name string) {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Error(err)
		return
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(fd)
	p := []byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x81\x00\x00\x05\x08\x00" +
		"\x45\x00\x00\x28\x00\x00\x00\x00\x40\x06\x00\x00\x0a\x63\x05\x02\x0a\x63\x05\x01" + // 10.99.5.2 > 10.99.5.1
		"\x04\xd2\x00\x50\x00\x00\x00\x01\x00\x00\x00\x00\x50\x02\xff\xff\x00\x00\x00\x00")
	if err := unix.Sendto(fd, p, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
		t.Error(err)
	}
}

// tagged counts the packets of a file that have a VLAN tag.
func tagged(t *testing.T, name string) (n int) {
	t.Helper()
	r, err := pcapfile.Open(name, nil, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var rec pcapfile.Record
	for r.Next(&rec) == nil {
		if len(rec.Data) > 18 && string(rec.Data[12:18]) == "\x81\x00\x00\x05\x08\x00" {
			n++
		}
	}
	return n
}
