package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// peer is something that forwards, or reads a capture.
type peer struct {
	name    string
	command []string          // words; @LISTEN@, @UPSTREAM@, @DIR@ are filled in
	files   map[string]string // written into @DIR@ first, filled in alike
}

// tells reports whether p accepts before it is ready, and answers
// http://@READY@/ready then.
func (p peer) tells() bool {
	for _, text := range p.files {
		if strings.Contains(text, "@READY@") {
			return true
		}
	}
	return false
}

// named is p under another name.
func (p peer) named(name string) peer {
	p.name = name
	return p
}

// running is a started peer.
type running struct {
	cmd    *exec.Cmd
	listen string
	stderr bytes.Buffer
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// start runs the peer in front of upstream and waits until it accepts.
func (p peer) start(dir, upstream string) (*running, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir, err = os.MkdirTemp(dir, strings.Fields(p.name)[0]+"-")
	if err != nil {
		return nil, err
	}
	ready, err := freeAddress()
	if err != nil {
		return nil, err
	}
	fill := strings.NewReplacer(append(fillPorts(listen, upstream), "@READY@", ready, "@LISTEN@", listen, "@UPSTREAM@", upstream, "@DIR@", dir)...).Replace
	for name, text := range p.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fill(text)), 0o600); err != nil {
			return nil, err
		}
	}
	words := make([]string, len(p.command))
	for i, w := range p.command {
		words[i] = fill(w)
	}
	r := &running{cmd: exec.Command(words[0], words[1:]...), listen: listen}
	r.cmd.Stderr = &r.stderr
	// One core, as every peer: Go programs by GOMAXPROCS, the others by their own setting.
	r.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	if err := r.accepting(); err != nil || !p.tells() {
		return r, err
	}
	return r, r.ready("http://" + ready + "/ready")
}

func (r *running) accepting() error {
	for range 100 {
		if c, err := net.Dial("tcp", r.listen); err == nil {
			return c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.stop()
	return fmt.Errorf("%s does not accept: %s", r.cmd.Path, r.stderr.String())
}

// ready waits until url is answered well.
func (r *running) ready(url string) error {
	for range 200 {
		if a, err := http.Get(url); err == nil {
			_ = a.Body.Close() // it was of no interest
			if a.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.stop()
	return fmt.Errorf("%s is not ready: %s", r.cmd.Path, r.stderr.String())
}

func (r *running) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	done := make(chan struct{})
	go func() { _ = r.cmd.Wait(); close(done) }() // its exit code says nothing here
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = r.cmd.Process.Kill()
		<-done
	}
}

// cpu is the CPU seconds that the process and its children have used.
func (r *running) cpu() float64 {
	total := cpuOf(r.cmd.Process.Pid)
	for _, child := range childrenOf(r.cmd.Process.Pid) {
		total += cpuOf(child)
	}
	return total
}

// cpuOf reads utime+stime (fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms).
func cpuOf(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(f[11]) // the kernel writes numbers
	sys, _ := strconv.Atoi(f[12])
	return float64(user+sys) / 100
}

func childrenOf(pid int) (all []int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	for _, w := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(w); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// memory is the process's and its children's own memory (PSS) in KiB.
func (r *running) memory() (kib int) {
	for _, pid := range append(childrenOf(r.cmd.Process.Pid), r.cmd.Process.Pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				n, _ := strconv.Atoi(strings.Fields(rest)[0])
				kib += n
			}
		}
	}
	return kib
}
