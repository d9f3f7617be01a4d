package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// built is the program under test, made once. PITOT_E2E_RACE=1 makes it with
// the race detector, which then fails a test at the program's end.
var built struct {
	once   sync.Once
	folder string
	err    error
}

func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.folder, built.err = os.MkdirTemp("", "pitot-e2e-"); built.err != nil {
			return
		}
		args := []string{"build", "-tags", "noengine", "-o", filepath.Join(built.folder, "pitot")}
		if os.Getenv("PITOT_E2E_RACE") == "1" {
			args = append(args, "-race")
		}
		cmd := exec.Command("go", append(args, "./cmd/pitot")...)
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.folder, "pitot")
}

// program is a running pitot.
type program struct {
	t       *testing.T
	cmd     *exec.Cmd
	address map[string]string // of listeners, and of admin
	folder  string            // its HOME

	stopping sync.Once
	out      bytes.Buffer // readable after stop

	mu  sync.Mutex
	log bytes.Buffer
	end chan struct{} // when standard error is over
}

var listening = regexp.MustCompile(`msg=(listening|admin)(?: listener=(\S+))? address=(\S+)`)

// start runs `pitot proxy` with a configuration and waits for its listeners.
// It is stopped, and must end in order, when the test is over.
func start(t *testing.T, config string, args ...string) *program {
	t.Helper()
	p := &program{t: t, address: map[string]string{}, folder: t.TempDir(), end: make(chan struct{})}
	file := filepath.Join(p.folder, "pitot.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(binary(t), append([]string{"proxy", "-c", file, "--store", "none"}, args...)...)
	p.cmd.Env = append(os.Environ(), "HOME="+p.folder, "XDG_CACHE_HOME=", "XDG_STATE_HOME=")
	errs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a successor is in its group
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	ready := make(chan struct{})
	go p.read(bufio.NewScanner(errs), strings.Count(config, "address:"), ready)
	select {
	case <-ready:
	case <-p.end:
		t.Fatalf("pitot ended before it listened:\n%s", p.text())
	case <-time.After(20 * time.Second):
		t.Fatalf("pitot does not listen:\n%s", p.text())
	}
	return p
}

// read notes what pitot says, and closes ready once it listens at so many places.
func (p *program) read(lines *bufio.Scanner, places int, ready chan struct{}) {
	defer close(p.end)
	var once sync.Once
	for lines.Scan() {
		p.mu.Lock()
		fmt.Fprintln(&p.log, lines.Text())
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			if m[1] == "admin" {
				m[2] = "admin"
			}
			p.address[m[2]] = strings.TrimPrefix(m[3], "http://")
			if len(p.address) == places {
				once.Do(func() { close(ready) }) // a successor says the same again
			}
		}
		p.mu.Unlock()
	}
}

func (p *program) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// at is the address of a listener.
func (p *program) at(listener string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address[listener]
}

// output is what pitot has written to standard output, once stopped.
func (p *program) output() string { return p.out.String() }

// stop ends pitot and fails the test when it does not end well.
func (p *program) stop() { p.stopping.Do(p.terminate) }

// all signals pitot and its successors. It may all have ended.
func (p *program) all(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

func (p *program) terminate() {
	p.all(syscall.SIGTERM)
	late := time.AfterFunc(20*time.Second, func() { p.all(syscall.SIGQUIT) }) // stacks tell what is waited for
	defer late.Stop()
	<-p.end
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("pitot ended with %v:\n%s", err, p.text())
	}
	if p.t.Failed() {
		p.t.Logf("pitot said:\n%s", p.text())
	}
}
