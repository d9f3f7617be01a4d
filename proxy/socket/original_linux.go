package socket

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// soOriginalDst is SO_ORIGINAL_DST, and IP6T_SO_ORIGINAL_DST (netfilter's
// headers of Linux).
const soOriginalDst = 80

// Original is where the client of a connection wanted to go that netfilter
// redirected to this machine. It fails where it did not.
func Original(c Conn) (to netip.AddrPort, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return to, err
	}
	four := AddrPort(c.LocalAddr()).Addr().Is4()
	controlled := raw.Control(func(fd uintptr) {
		if four { // also of a socket for both families
			to, err = original4(fd)
		} else {
			to, err = original6(fd)
		}
	})
	if controlled != nil {
		return to, controlled
	}
	return to, err
}

// What is read is a socket address of the kernel, whose port stands in the
// network's order.
func original4(fd uintptr) (netip.AddrPort, error) {
	var sa unix.RawSockaddrInet4
	if err := getsockopt(fd, unix.SOL_IP, unsafe.Pointer(&sa), unsafe.Sizeof(sa)); err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), port(&sa.Port)), nil
}

func original6(fd uintptr) (netip.AddrPort, error) {
	var sa unix.RawSockaddrInet6
	if err := getsockopt(fd, unix.SOL_IPV6, unsafe.Pointer(&sa), unsafe.Sizeof(sa)); err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port(&sa.Port)), nil
}

func port(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }

func getsockopt(fd uintptr, level int, value unsafe.Pointer, size uintptr) error {
	n := uint32(size)
	_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, uintptr(level), soOriginalDst, uintptr(value), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// SetTransparent lets a listening socket, of IPv6 or not, take connections to
// addresses that are not this machine's (TPROXY).
func SetTransparent(c syscall.RawConn, six bool) (err error) {
	controlled := c.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1); err == nil && six {
			err = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
		}
	})
	if controlled != nil {
		return controlled
	}
	return err
}
