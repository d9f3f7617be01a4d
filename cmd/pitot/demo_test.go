package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pitot-io/pitot/sink/store/library"
)

// The demo ends with 0 only when the load, pitot and the store have counted the same, and nothing was lost.
func TestTheDemoCountsTheSameEverywhere(t *testing.T) {
	if _, err := library.Find(); err != nil {
		if os.Getenv("PITOT_TEST_ENGINE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	stdout, stderr, code := pitot(t, "demo", "--for", "3s")
	if code != exitDone {
		t.Fatalf("exit %d: %s\n%s", code, stderr, stdout)
	}
	for _, want := range []string{"GET /cart/{id}", "POST /orders/{id}/pay", "http/1.1", "mongodb", "Orders.nameItems", "demo/cart.go:", "11000", "spans lost                          0"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the report has no %q:\n%s", want, stdout)
		}
	}
}

// Closing the terminal ends the demo in order: its folder is gone, and so is
// whoever writes there.
func TestTheDemoTidiesUpWhenTheTerminalGoes(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), self, "demo", "--for", "1m")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := bufio.NewScanner(stderr)
	for told.Scan() && !strings.Contains(told.Text(), "pitot's admin is") {
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for told.Scan() { // until all who have standard error have ended
	}
	_ = cmd.Wait() // a demo that was stopped has failed
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
}

func TestTheDemoRefusesWhatItCannotDo(t *testing.T) {
	for args, says := range map[string]string{"demo --for 0s": "--for", "demo --rate 0": "--rate", "demo more": "more"} {
		if _, stderr, code := pitot(t, strings.Fields(args)...); code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("pitot %s: exit %d, says %q", args, code, stderr)
		}
	}
}
