package demo

import "syscall"

// childAttr gives a child a group of its own, and SIGTERM when the demo is killed.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
