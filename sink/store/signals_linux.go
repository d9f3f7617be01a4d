//go:build !noengine

package store

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigaction holds the kernel's struct as opaque bytes: 32 on 64-bit Linux, with room to spare.
type sigaction [64]byte

// sigsetSize is the kernel's sigset_t, in bytes.
const sigsetSize = 8

// keepSignals runs f and puts back every signal disposition that f changed. The engine installs its own handlers when it starts;
// without Go's, a nil dereference or a preemption signal would kill the process.
func keepSignals(f func()) {
	var saved [65]sigaction
	var have [65]bool
	for sig := 1; sig < len(saved); sig++ {
		have[sig] = action(sig, nil, &saved[sig]) == 0
	}
	f()
	for sig := 1; sig < len(saved); sig++ {
		if have[sig] && sig != int(syscall.SIGKILL) && sig != int(syscall.SIGSTOP) {
			action(sig, &saved[sig], nil)
		}
	}
}

func action(sig int, set, old *sigaction) syscall.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), sigsetSize, 0, 0)
	return errno
}
