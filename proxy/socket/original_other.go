//go:build !linux

package socket

import (
	"errors"
	"net/netip"
	"syscall"
)

var errLinux = errors.New("only Linux can do that")

// Original is where the client of a redirected connection wanted to go.
func Original(Conn) (netip.AddrPort, error) { return netip.AddrPort{}, errLinux }

// SetTransparent lets a listening socket take connections to addresses of others.
func SetTransparent(syscall.RawConn, bool) error { return errLinux }
