//go:build !linux

package socket

// ended is not known here: who waits runs into his deadline.
func ended(int) bool { return false }
