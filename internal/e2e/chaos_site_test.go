package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// behaviour is how a site treats who connects.
type behaviour int32

const (
	well      behaviour = iota // answers after a millisecond
	slow                       // after 300 ms
	failing                    // with 503, at once
	resetting                  // breaks off in the middle of the answer's body
	halfOpen                   // takes the request and never answers
	slowClose                  // stops in the middle of the body, and closes half a second later
	refusing                   // takes no connection
	blackHole                  // nor refuses any: nothing comes back
	flapping                   // well and refusing by turns
)

var behaviours = map[behaviour]string{
	well: "well", slow: "slow (300 ms)", failing: "503", resetting: "reset in the body", halfOpen: "half-open", slowClose: "slow close",
	refusing: "refused", blackHole: "black hole", flapping: "flapping",
}

// site is a server of HTTP/1.1 that misbehaves as it is told.
type site struct {
	t       *testing.T
	address string
	acts    *acts
	now     atomic.Int32 // behaviour
	asked   atomic.Int64 // requests that came

	change  sync.Mutex // one change at a time
	backlog []int      // sockets that fill the backlog of a black hole
	flap    *time.Ticker
	flapped chan struct{}

	mu     sync.Mutex // guards what follows
	listen net.Listener
	conns  map[net.Conn]bool
	wg     sync.WaitGroup
}

// acts are the requests that must be carried out once, by id, and how often
// they were.
type acts struct {
	mu   sync.Mutex
	done map[string]int
}

func (a *acts) do(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done[id]++
}

// twice is how many were carried out more than once.
func (a *acts) twice() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.done {
		if k > 1 {
			n++
		}
	}
	return n
}

// newSites starts n sites that do well.
func newSites(t *testing.T, n int) (all []*site) {
	a := &acts{done: map[string]int{}}
	for range n {
		s := &site{t: t, acts: a, conns: map[net.Conn]bool{}}
		s.open()
		t.Cleanup(func() { s.become(refusing); s.wg.Wait() })
		all = append(all, s)
	}
	return all
}

// open listens where the site was before, if it was anywhere.
func (s *site) open() {
	address := s.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.listen, s.address = l, l.Addr().String()
	s.mu.Unlock()
	s.wg.Go(func() { s.accept(l) })
}

func (s *site) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			s.serve(c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			_ = c.Close()
		})
	}
}

// shut takes no more connections and resets those that are there.
func (s *site) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listen != nil {
		_ = s.listen.Close()
		s.listen = nil
	}
	for c := range s.conns {
		reset(c)
	}
}

func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// become changes how the site behaves. Connections that are open are reset.
func (s *site) become(b behaviour) {
	s.change.Lock()
	defer s.change.Unlock()
	if s.flap != nil {
		s.flap.Stop()
		close(s.flapped)
		s.flap = nil
	}
	s.turn(b)
	if b == flapping {
		s.flap, s.flapped = time.NewTicker(150*time.Millisecond), make(chan struct{})
		tick, over := s.flap.C, s.flapped
		s.wg.Go(func() { s.turns(tick, over) })
	}
}

func (s *site) turns(tick <-chan time.Time, over chan struct{}) {
	for up := false; ; up = !up {
		select {
		case <-over:
			return
		case <-tick:
		}
		s.change.Lock()
		select {
		case <-over:
		default:
			s.turn(map[bool]behaviour{true: well, false: refusing}[up])
		}
		s.change.Unlock()
	}
}

// turn makes the site behave so. The caller has the lock of changes.
func (s *site) turn(b behaviour) {
	s.now.Store(int32(b))
	s.shut()
	for _, fd := range s.backlog {
		_ = syscall.Close(fd)
	}
	s.backlog = nil
	switch b {
	case refusing:
	case blackHole:
		s.fill()
	default:
		s.open()
	}
}

// fill listens and fills the backlog, so that the kernel drops who comes.
func (s *site) fill() {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	to := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	_, port, _ := net.SplitHostPort(s.address)
	fmt.Sscan(port, &to.Port)
	if err := syscall.Bind(fd, to); err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		s.t.Fatal(err)
	}
	s.backlog = append(s.backlog, fd)
	for range 3 { // one is taken, and it may be that another is
		c, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		_ = syscall.Connect(c, to) // goes on in the background
		s.backlog = append(s.backlog, c)
	}
}

const answer = "a body that is long enough to be broken off in its middle"

// serve answers the requests of one connection.
func (s *site) serve(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		s.asked.Add(1)
		if id := req.Header.Get("X-Once"); id != "" && behaviour(s.now.Load()) != failing {
			s.acts.do(id)
		}
		if !s.reply(c) {
			return
		}
	}
}

// reply answers one request; false ends the connection.
func (s *site) reply(c net.Conn) bool {
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(answer))
	switch behaviour(s.now.Load()) {
	case slow:
		time.Sleep(300 * time.Millisecond)
	case failing:
		_, err := fmt.Fprint(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
		return err == nil
	case resetting:
		_, _ = fmt.Fprint(c, head+answer[:20])
		time.Sleep(2 * time.Millisecond) // so that it is read before the reset
		reset(c)
		return false
	case halfOpen:
		_, _ = c.Read(make([]byte, 1)) // until somebody gives up
		return false
	case slowClose:
		_, _ = fmt.Fprint(c, head+answer[:20])
		time.Sleep(500 * time.Millisecond)
		return false
	default:
		time.Sleep(time.Millisecond)
	}
	_, err := fmt.Fprint(c, head+answer)
	return err == nil
}
