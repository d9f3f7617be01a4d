package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Link is a socket as TLS uses it. crypto/tls waits inside of its reads, ends
// a session for good when a write is late, and says goodbye on every close;
// with a Link between it and the socket none of this is so.
type Link struct {
	Conn
	State any // of whoever made the session, kept with it

	// Late, where it is set, is asked when a write has come to its deadline
	// after n more bytes: whether to go on, and until when.
	Late func(n int) (until time.Time, on bool)

	fd      uintptr // while trying
	trying  bool
	closing atomic.Bool
	aborted atomic.Bool
}

// Over is the link to make a session over.
func Over(c Conn) *Link { return &Link{Conn: c} }

// ErrAgain says that there is nothing to read yet. It is a temporary error, by
// which crypto/tls knows that the session goes on.
var ErrAgain error = again{}

type again struct{}

func (again) Error() string   { return "socket: nothing to read yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

var _ net.Error = again{}

func (l *Link) Read(b []byte) (int, error) {
	if l.trying {
		return readNow(l.fd, b)
	}
	return l.Conn.Read(b)
}

// Write writes all of b, or fails for good.
func (l *Link) Write(b []byte) (n int, err error) {
	switch {
	case l.aborted.Load():
		return 0, net.ErrClosed
	case l.closing.Load():
		return l.writeNow(b)
	}
	for {
		m, err := l.Conn.Write(b[n:])
		n += m
		if err == nil || l.Late == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		until, on := l.Late(m)
		if !on {
			return n, err
		}
		_ = l.Conn.SetWriteDeadline(until) // fails only when closed, and then so does the write
	}
}

// writeNow writes what the socket takes without waiting: a goodbye is not
// worth more.
func (l *Link) writeNow(b []byte) (n int, err error) {
	raw, err := l.Conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	_ = l.Conn.SetWriteDeadline(time.Time{}) // fails only when closed
	if e := raw.Write(func(fd uintptr) bool { n, err = WriteNow(fd, b); return true }); e != nil {
		return 0, e
	}
	return max(n, 0), err
}

// readNow reads what is there, with ErrAgain where nothing is.
func readNow(fd uintptr, b []byte) (int, error) {
	for {
		n, err := ReadNow(fd, b)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case err == syscall.EAGAIN:
			return 0, ErrAgain
		case err != syscall.EINTR:
			return 0, err
		}
	}
}
