package demo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"context"
)

// allZombies says whether what is left of a group waits only to be read by its parent.
func allZombies(group int) bool {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, d := range dirs {
		b, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue
		}
		_, rest, ok := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); ok && len(f) > 2 && f[2] == strconv.Itoa(group) && f[0] != "Z" {
			return false
		}
	}
	return true
}

// TestAKilledDemoTakesItsChildrenWithIt runs itself as a demo with one child, and kills it as nothing can be caught.
func TestAKilledDemoTakesItsChildrenWithIt(t *testing.T) {
	if dir := os.Getenv("PITOT_TEST_PARENT"); dir != "" {
		c := newChildren("", dir)
		ch, err := c.start("child", "/bin/sh", "-c", "while :; do sleep 0.05; done")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("child %d\n", ch.cmd.Process.Pid)
		<-ch.exited // the parent of this process kills it here
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestAKilledDemoTakesItsChildrenWithIt$")
	cmd.Env = append(os.Environ(), "PITOT_TEST_PARENT="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanf(out, "child %d\n", &pid); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed, as asked
	err = await(t.Context(), 5*time.Second, func(context.Context) error {
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) || allZombies(pid) {
			return nil
		}
		return errors.New("the child lives on")
	})
	if err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
		t.Error(err)
	}
}
