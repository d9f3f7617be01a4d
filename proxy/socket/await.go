package socket

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// RestAfter is how long a connection waits before whoever serves it changes to
// a new goroutine, where that is worth it: what serving takes of the stack is
// several times what waiting does, and a goroutine's stack seldom shrinks.
const RestAfter = time.Second

// Await waits until there is something to read, or an end, and takes nothing.
// It is what a new goroutine waits in: it takes little of the stack, where an
// attempt to read would have it grow again.
func Await(raw syscall.RawConn) error { return raw.Read(arrived) }

func arrived(fd uintptr) bool {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} // an end can be read, too
	n, err := unix.Poll(p[:], 0)
	return n > 0 || err != nil && err != unix.EINTR
}
