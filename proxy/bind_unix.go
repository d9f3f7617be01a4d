package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// bindUnix opens a listening Unix socket, whose file has the given mode, 0 for
// what the umask leaves, and is removed when the listener is closed. The file
// that a process which was killed has left behind is taken over.
func bindUnix(what, path string, mode fs.FileMode, key string) (net.Listener, error) {
	l, err := listenUnix(path, mode)
	if errors.Is(err, syscall.EADDRINUSE) && stale(path) {
		_ = os.Remove(path) // fails where somebody was faster; so does the second try, then
		l, err = listenUnix(path, mode)
	}
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE) && !isSocket(path) && path[0] != '@':
		return nil, fmt.Errorf("%s: %s exists and is no socket; move it away, or set %s to another path", what, path, key)
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use by another process; stop that one, or set %s to another path", what, path, key)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: the folder of %s does not exist; make it, or set %s to another path", what, path, key)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: making %s is not permitted; set %s to a path in a folder that pitot may write to", what, path, key)
	}
	return nil, fmt.Errorf("%s: %w; set %s to another path", what, err, key)
}

func listenUnix(path string, mode fs.FileMode) (net.Listener, error) {
	var lc net.ListenConfig
	if path[0] == '@' {
		return lc.Listen(context.Background(), "unix", path)
	}
	if mode != 0 {
		lc.Control = func(_, _ string, c syscall.RawConn) error { // so that the file never has a wider one
			return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), uint32(mode)) })
		}
	}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil || mode == 0 {
		return l, err
	}
	if err := os.Chmod(path, mode); err != nil { // the umask may have taken bits away
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// stale reports whether path is a socket at which nobody listens.
func stale(path string) bool {
	if path[0] == '@' || !isSocket(path) {
		return false
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		_ = c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func isSocket(path string) bool {
	i, err := os.Lstat(path)
	return err == nil && i.Mode().Type() == fs.ModeSocket
}
