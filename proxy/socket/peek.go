package socket

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// ErrEnded says that a peer has closed its side before it had said enough.
var ErrEnded = errors.New("the connection ended")

// Peek looks at what a peer says first, and takes n bytes of it: as many as
// look asks for once it has seen enough. Until then look gives 0, and is asked
// again when there is more. It sees at most len(buf) bytes. The error is look's,
// os.ErrDeadlineExceeded, ErrEnded or another of the socket's; nothing is taken
// then.
func Peek(c Conn, buf []byte, deadline time.Time, look func([]byte) (n int, err error)) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	_ = c.SetReadDeadline(deadline) // fails only when closed, and then so does the read
	defer c.SetReadDeadline(time.Time{})
	p := peek{buf: buf, look: look}
	if err := raw.Read(p.ready); err != nil {
		return err
	}
	if p.err != nil {
		return p.err
	}
	for taken := 0; taken < p.take; { // all of it is here
		n, err := c.Read(buf[:p.take-taken])
		if err != nil {
			return err
		}
		taken += n
	}
	return nil
}

type peek struct {
	buf  []byte
	look func([]byte) (int, error)
	seen int // bytes that look knows
	take int
	err  error
}

// ready looks at what is there; false waits for more.
func (p *peek) ready(fd uintptr) bool {
	n, _, err := syscall.Recvfrom(int(fd), p.buf, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	for err == syscall.EINTR {
		n, _, err = syscall.Recvfrom(int(fd), p.buf, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}
	switch {
	case err == syscall.EAGAIN:
		return false
	case err != nil:
		p.err = os.NewSyscallError("recvfrom", err)
		return true
	}
	if n > p.seen {
		p.seen = n
		p.take, p.err = p.look(p.buf[:n])
	}
	if p.take == 0 && p.err == nil && (n == 0 || Ended(fd)) {
		p.err = ErrEnded
	}
	return p.take > 0 || p.err != nil
}
