// Package inherit hands listening sockets from one process to the next, so
// that a restart refuses nobody: connections wait in the socket's queue, which
// belongs to the kernel, until the next process accepts them. It speaks the
// protocol of systemd's socket units, sd_listen_fds(3), in both roles.
package inherit

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// The variables of sd_listen_fds(3), and the one by which a successor finds
// where to say that it listens.
const (
	pidVariable   = "LISTEN_PID"
	countVariable = "LISTEN_FDS"
	namesVariable = "LISTEN_FDNAMES"
	readyVariable = "PITOT_READY_FD"
)

// firstFD is where sd_listen_fds(3) puts the first socket.
const firstFD = 3

// Sockets are those that this process was started with. The zero value has none.
type Sockets struct {
	all   []inherited
	ready *os.File // where a predecessor waits for word; nil without one
}

type inherited struct {
	name   string
	listen net.Listener
}

// FromEnvironment takes the sockets that the process was started with, and the
// variables that tell of them, so that children do not take them a second time.
func FromEnvironment() (*Sockets, error) {
	pid, count := os.Getenv(pidVariable), os.Getenv(countVariable)
	names, ready := os.Getenv(namesVariable), os.Getenv(readyVariable)
	for _, v := range []string{pidVariable, countVariable, namesVariable, readyVariable} {
		_ = os.Unsetenv(v) // fails for impossible names only
	}
	s := &Sockets{}
	if fd, err := strconv.Atoi(ready); err == nil && fd > 2 {
		syscall.CloseOnExec(fd)
		s.ready = os.NewFile(uintptr(fd), "ready")
	}
	if count == "" || ready == "" && pid != strconv.Itoa(os.Getpid()) {
		return s, nil // none, or another process's
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 1000 {
		return s, fmt.Errorf("%s=%q is not a number of sockets", countVariable, count)
	}
	return s, s.adopt(n, strings.Split(names, ":"))
}

func (s *Sockets) adopt(n int, names []string) error {
	for i := range n {
		fd := firstFD + i
		syscall.CloseOnExec(fd)
		name := ""
		if i < len(names) {
			name = names[i]
		}
		f := os.NewFile(uintptr(fd), name)
		l, err := net.FileListener(f)
		_ = f.Close() // the listener has a descriptor of its own
		if err != nil {
			s.Close()
			return fmt.Errorf("descriptor %d of %s=%d is no listening stream socket: %w", fd, countVariable, n, err)
		}
		s.all = append(s.all, inherited{name, l})
	}
	return nil
}

// Take is the socket of that name, or one bound to that address (host:port, or
// a path); nil when there is none. It is handed out once.
func (s *Sockets) Take(name, address string) net.Listener {
	if s == nil {
		return nil
	}
	for i := range s.all {
		if h := &s.all[i]; h.listen != nil && (h.name == name || same(h.listen.Addr(), address)) {
			l := h.listen
			h.listen = nil
			if u, ok := l.(*net.UnixListener); ok {
				u.SetUnlinkOnClose(s.ready != nil) // a predecessor leaves the file to us, systemd keeps its own
			}
			return l
		}
	}
	return nil
}

// same reports whether a socket bound to a is what the configuration calls address.
func same(a net.Addr, address string) bool {
	if a.Network() == "unix" {
		return "unix:"+a.String() == address
	}
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return false
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != strconv.Itoa(t.Port) {
		return false
	}
	if host == "" {
		return t.IP.IsUnspecified()
	}
	return t.IP.Equal(net.ParseIP(host))
}

// Close closes the sockets that nobody took.
func (s *Sockets) Close() {
	for i := range s.all {
		if l := s.all[i].listen; l != nil {
			_ = l.Close() // nobody listens to it
			s.all[i].listen = nil
		}
	}
}

// Left are the names of sockets that nobody took.
func (s *Sockets) Left() (names []string) {
	for i := range s.all {
		if h := &s.all[i]; h.listen != nil {
			names = append(names, fmt.Sprintf("%q (%s)", h.name, h.listen.Addr()))
		}
	}
	return names
}

// Ready tells the predecessor, where there is one, that this process listens.
func (s *Sockets) Ready() {
	if s.ready == nil {
		return
	}
	_, _ = s.ready.Write([]byte{1}) // a predecessor that has gone needs no word
	_ = s.ready.Close()
	s.ready = nil
}
