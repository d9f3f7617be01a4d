package inherit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Named is a listening socket to hand on.
type Named struct {
	Name   string
	Listen net.Listener
}

// Start runs program with the sockets and waits until it says that it listens
// too (Sockets.Ready), or ends, or ctx does. On an error the program is not
// running; else it goes on when this process ends.
func Start(ctx context.Context, program string, args []string, sockets []Named) (pid int, err error) {
	word, say, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer word.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	names, err := addSockets(cmd, sockets)
	defer closeFiles(cmd)
	if err != nil {
		return 0, errors.Join(err, say.Close())
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, say)
	cmd.Env = append(os.Environ(), countVariable+"="+strconv.Itoa(len(sockets)), namesVariable+"="+strings.Join(names, ":"),
		readyVariable+"="+strconv.Itoa(firstFD+len(sockets)))
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	closeFiles(cmd)       // say among them, so that the pipe ends with the program
	pid = cmd.Process.Pid // gone once await has released it
	return pid, await(ctx, cmd, word)
}

func addSockets(cmd *exec.Cmd, sockets []Named) (names []string, err error) {
	for _, s := range sockets {
		l, ok := s.Listen.(syscall.Conn)
		if !ok {
			return nil, fmt.Errorf("socket %q cannot be handed on", s.Name)
		}
		file, err := copyOf(l)
		if err != nil {
			return nil, fmt.Errorf("socket %q: %w", s.Name, err)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
		names = append(names, strings.ReplaceAll(s.Name, ":", "_")) // the colon stands between names
	}
	return names, nil
}

// copyOf is a second descriptor of a socket. The listener's own File would not
// do: [exec.Cmd.Start] makes such a file blocking, which is a property of the
// socket and not of the copy, so that an Accept of this process would hold its
// thread, and a Close would wait for it until somebody connects.
func copyOf(l syscall.Conn) (*os.File, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	if err := raw.Control(func(s uintptr) { fd, failed = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, os.NewSyscallError("fcntl", failed)
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

func closeFiles(cmd *exec.Cmd) {
	for _, f := range cmd.ExtraFiles {
		_ = f.Close() // copies; a second close is harmless
	}
}

// await waits for the program's word.
func await(ctx context.Context, cmd *exec.Cmd, word *os.File) error {
	said := make(chan bool, 1)
	go func() {
		var b [1]byte
		n, _ := word.Read(b[:]) // the pipe's end says the same as an error
		said <- n == 1
	}()
	select {
	case ok := <-said:
		if ok {
			return cmd.Process.Release()
		}
		return fmt.Errorf("the successor ended before it listened: %w", cmd.Wait())
	case <-ctx.Done():
		_ = cmd.Process.Kill() // it may have ended
		<-said
		return errors.Join(fmt.Errorf("the successor did not listen: %w", context.Cause(ctx)), cmd.Wait())
	}
}
