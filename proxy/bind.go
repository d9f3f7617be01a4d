package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/pitot-io/pitot/internal/config"
	"github.com/pitot-io/pitot/proxy/socket"
)

// bindListener opens the socket of listener number i.
func bindListener(i int, c *config.Listener) (net.Listener, error) {
	what, key := fmt.Sprintf("listener %q", c.Name), fmt.Sprintf("listeners[%d].address (--listen)", i)
	if path, ok := socket.UnixPath(c.Address); ok {
		return bindUnix(what, path, c.Mode(), key)
	}
	return bind(what, c.Address, key)
}

// bind opens a listening socket; its errors say how to mend them.
func bind(what, address, key string) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // it costs on every connection, and the clients that speak it are few
	l, err := lc.Listen(context.Background(), "tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use by another process; stop that one, or set %s to another port (0 takes a free one)", what, address, key)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: listening on %s is not permitted; set %s to a port from 1024 on, or give pitot the capability CAP_NET_BIND_SERVICE", what, address, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s: %s is not an address of this machine; set %s to one that is", what, address, key)
	}
	return nil, fmt.Errorf("%s: %w; set %s to an address of this machine", what, err, key)
}

// transparent has a listener's socket take connections to addresses of others.
func transparent(name string, l net.Listener) error {
	raw, err := l.(syscall.Conn).SyscallConn()
	if err == nil {
		err = socket.SetTransparent(raw, !socket.AddrPort(l.Addr()).Addr().Is4())
	}
	switch {
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("listener %q: transparent: tproxy is not permitted; give pitot the capability CAP_NET_ADMIN, or set transparent to redirect", name)
	case err != nil:
		return fmt.Errorf("listener %q: transparent: tproxy: %w; set transparent to redirect", name, err)
	}
	return nil
}
