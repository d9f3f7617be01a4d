package live

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DropPrivileges gives up what an open capture needs no more: all capabilities
// but those to write files where root may. It is about the whole process, and
// does nothing in one that is linked with C.
func DropPrivileges() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&hdr, &sets[0]); err != nil {
		return err
	}
	const keep = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	sets[0].Permitted &= keep
	sets[0].Effective &= keep
	sets[0].Inheritable = 0
	sets[1] = unix.CapUserData{}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&sets[0])), 0)
	if errno != 0 && !errors.Is(errno, syscall.ENOTSUP) {
		return errno
	}
	return nil
}
