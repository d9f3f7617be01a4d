//go:build unix

package demo

import (
	"os"
	"syscall"
)

// killGroup kills a child's process group; it is gone already when this fails.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
