package config

import (
	"io/fs"
	"strconv"
	"strings"
)

// maxUnixPath is how long the path of a Unix socket may be (unix(7), of
// Linux; it has 108 bytes with the NUL at the end).
const maxUnixPath = 107

// UnixPath is the path in the address of a Unix socket, unix:/path; "@" begins
// the name of an abstract one.
func UnixPath(address string) (path string, ok bool) { return strings.CutPrefix(address, "unix:") }

// Mode is SocketMode as a number; 0 where it is not set.
func (l *Listener) Mode() fs.FileMode {
	m, _ := strconv.ParseUint(l.SocketMode, 8, 12) // checked before
	return fs.FileMode(m)
}

func checkUnixPath(path string, wrong func(format string, a ...any)) {
	switch {
	case len(path) < 2 || path[0] != '/' && path[0] != '@':
		wrong("unix:%s is not valid; must be unix: and an absolute path, as unix:/run/pitot.sock, or an abstract name, as unix:@pitot", path)
	case len(path) > maxUnixPath:
		wrong("unix:%s is too long; the path of a Unix socket has at most %d bytes", path, maxUnixPath)
	case strings.IndexByte(path, 0) >= 0:
		wrong("%q is not valid; a path has no NUL", path)
	}
}

func (l *Listener) checkSocketMode(key string, wrong report) {
	if l.SocketMode == "" {
		return
	}
	path, unix := UnixPath(l.Address)
	m, err := strconv.ParseUint(l.SocketMode, 8, 12)
	switch {
	case !unix || strings.HasPrefix(path, "@"):
		wrong(key+".socket_mode", "only the file of a Unix socket has a mode; remove it, or set address to unix:/path")
	case err != nil || m == 0 || m > 0o777:
		wrong(key+".socket_mode", "%q is not valid; must be an octal mode, as 0660", l.SocketMode)
	}
}
