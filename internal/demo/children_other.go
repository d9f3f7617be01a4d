//go:build unix && !linux

package demo

import "syscall"

// childAttr gives a child a group of its own. A killed demo leaves its children running on systems without Linux's
// parent-death signal; `pitot demo` ended in any other way does not.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
