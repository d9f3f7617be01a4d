package socket

import (
	"syscall"
	"unsafe"
)

// A call that cannot wait needs not be told to the scheduler, which would take
// the processor away from a goroutine whose send is doing the receiver's work,
// as it is on one machine, and switch between threads for that.

// WriteNow is write(2) on a socket that does not block.
func WriteNow(fd uintptr, b []byte) (int, error) { return now(syscall.SYS_WRITE, fd, b) }

// ReadNow is read(2) on a socket that does not block.
func ReadNow(fd uintptr, b []byte) (int, error) { return now(syscall.SYS_READ, fd, b) }

func now(call, fd uintptr, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
