package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// children are the demo's processes. All are started from one thread that lives as long as they do, because Linux
// tells a child of its parent's end when the thread ends that started it.
type children struct {
	program string
	dir     string // of their logs
	starts  chan func()
	done    chan struct{} // the starting thread has ended

	mu   sync.Mutex
	all  []*child
	ends chan *child // each process that has ended, in any order
}

// maxChildren bounds the processes, and with them the channel of those that ended.
const maxChildren = 16

// child is one process.
type child struct {
	name     string
	cmd      *exec.Cmd
	log      string        // path of what it wrote to standard error
	out      string        // path of what it wrote to standard output
	exited   chan struct{} // closed after it was waited for
	err      error         // how it ended; read after exited
	stopping bool          // told to end; guarded by children.mu
}

func newChildren(program, dir string) *children {
	c := &children{program: program, dir: dir, starts: make(chan func()), done: make(chan struct{}), ends: make(chan *child, maxChildren)}
	go func() {
		defer close(c.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range c.starts {
			f()
		}
	}()
	return c
}

// start runs `pitot args...`, or another program, as a process group of its own, so that Ctrl-C reaches the demo
// alone, which then ends its children in their order.
func (c *children) start(name, program string, args ...string) (*child, error) {
	ch := &child{name: name, log: filepath.Join(c.dir, name+".log"), out: filepath.Join(c.dir, name+".out"), exited: make(chan struct{})}
	stderr, err := os.Create(ch.log)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	defer stderr.Close()
	stdout, err := os.Create(ch.out)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	defer stdout.Close()
	ch.cmd = exec.Command(program, args...)
	ch.cmd.Stdout, ch.cmd.Stderr = stdout, stderr
	ch.cmd.Env = cleanEnv(os.Environ())
	ch.cmd.SysProcAttr = childAttr()
	started := make(chan error)
	c.starts <- func() { started <- ch.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("demo: start %s: %w", name, err)
	}
	c.mu.Lock()
	c.all = append(c.all, ch)
	c.mu.Unlock()
	go func() {
		ch.err = ch.cmd.Wait()
		close(ch.exited)
		c.ends <- ch
	}()
	return ch, nil
}

// cleanEnv keeps what finds programs, folders and the engine, and nothing that could change how a child behaves.
func cleanEnv(env []string) []string {
	keep := []string{"PATH", "HOME", "USER", "TMPDIR", "LANG", "TZ", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "PITOT_CHDB_LIB", "GOCOVERDIR"}
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return !slices.Contains(keep, name)
	})
}

// unexpected waits until a process ends that nobody told to and that did not end well, or ctx does. It is the one
// reader of ends. Only the load ends well by itself.
func (c *children) unexpected(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case ch := <-c.ends:
			c.mu.Lock()
			told := ch.stopping
			c.mu.Unlock()
			if !told && (ch.name != "load" || ch.err != nil) {
				return ch.failure()
			}
		}
	}
}

// failure says how the process ended, with its last words.
func (ch *child) failure() error {
	how := "ended by itself"
	if ch.err != nil {
		how = ch.err.Error()
	}
	if words := lastWords(ch.log); words != "" {
		return fmt.Errorf("demo: %s: %s: %s", ch.name, how, words)
	}
	return fmt.Errorf("demo: %s: %s", ch.name, how)
}

// lastWords is the last line of a log.
func lastWords(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	b = bytes.TrimSpace(b)
	return string(b[bytes.LastIndexByte(b, '\n')+1:])
}

// stop tells a process to end and waits; one that does not is killed with its whole group.
func (c *children) stop(ch *child, wait time.Duration) error {
	c.mu.Lock()
	ch.stopping = true
	c.mu.Unlock()
	if err := ch.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("demo: end %s: %w", ch.name, err)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ch.exited:
		if ch.err != nil && !endedBy(ch.err, syscall.SIGTERM) { // one that has only begun may not catch the signal yet
			return ch.failure()
		}
		return nil
	case <-t.C:
		killGroup(ch.cmd.Process)
		<-ch.exited
		return fmt.Errorf("demo: %s did not end within %v and was killed", ch.name, wait)
	}
}

// endedBy says whether err is of a process that a signal ended.
func endedBy(err error, s syscall.Signal) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == s
}

// close ends every process that still runs, the last started first, and the thread that started them.
func (c *children) close(wait time.Duration) error {
	c.mu.Lock()
	all := slices.Clone(c.all)
	c.mu.Unlock()
	var errs []error
	for _, ch := range slices.Backward(all) {
		select {
		case <-ch.exited:
			killGroup(ch.cmd.Process) // what it may have left behind in its group
		default:
			errs = append(errs, c.stop(ch, wait))
		}
	}
	close(c.starts)
	<-c.done
	return errors.Join(errs...)
}

// stopNamed ends one process by its name.
func (c *children) stopNamed(name string, wait time.Duration) error {
	c.mu.Lock()
	all := slices.Clone(c.all)
	c.mu.Unlock()
	for _, ch := range all {
		if ch.name == name {
			return c.stop(ch, wait)
		}
	}
	return nil
}
