//go:build !linux

package socket

import "syscall"

// WriteNow is write(2) on a socket that does not block.
func WriteNow(fd uintptr, b []byte) (int, error) { return syscall.Write(int(fd), b) }

// ReadNow is read(2) on a socket that does not block.
func ReadNow(fd uintptr, b []byte) (int, error) { return syscall.Read(int(fd), b) }
