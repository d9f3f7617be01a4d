package demo

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sh(t *testing.T, c *children, name, script string) *child {
	t.Helper()
	ch, err := c.start(name, "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// awaitLine waits until a process has written something, and returns it.
func awaitLine(t *testing.T, ch *child) string {
	t.Helper()
	var text []byte
	err := await(t.Context(), 10*time.Second, func(context.Context) error {
		var err error
		if text, err = os.ReadFile(ch.out); err == nil && !strings.HasSuffix(string(text), "\n") {
			return errors.New("nothing yet")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestCloseLeavesNoProcessOfTheGroups(t *testing.T) {
	c := newChildren("", t.TempDir())
	polite := sh(t, c, "polite", `trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done`)
	deaf := sh(t, c, "deaf", `trap '' TERM; sleep 300 & echo ready; while :; do sleep 0.05; done`)
	gone := sh(t, c, "gone", `sleep 300 & echo ready`)
	for _, ch := range []*child{polite, deaf, gone} {
		awaitLine(t, ch)
	}
	<-gone.exited
	err := c.close(300 * time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "deaf did not end") || strings.Contains(err.Error(), "polite") {
		t.Errorf("close: %v", err)
	}
	for _, ch := range []*child{polite, deaf, gone} {
		err := await(t.Context(), 5*time.Second, func(context.Context) error { // the killed are gone when init has read them
			if err := syscall.Kill(-ch.cmd.Process.Pid, 0); errors.Is(err, syscall.ESRCH) || allZombies(ch.cmd.Process.Pid) {
				return nil
			}
			return errors.New("still there")
		})
		if err != nil {
			t.Errorf("%s: %v", ch.name, err)
		}
	}
}

func TestAnUnexpectedEndIsToldWithItsLastWords(t *testing.T) {
	c := newChildren("", t.TempDir())
	defer c.close(time.Second)
	sh(t, c, "load", `exit 0`) // may end
	stopped := sh(t, c, "stopped", `trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done`)
	awaitLine(t, stopped)
	if err := c.stop(stopped, 5*time.Second); err != nil {
		t.Error(err)
	}
	sh(t, c, "orders", `echo starting >&2; echo 'no database' >&2; exit 3`)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := c.unexpected(ctx)
	if err == nil || err.Error() != "demo: orders: exit status 3: no database" {
		t.Errorf("unexpected: %v", err)
	}
}

func TestChildrenGetACleanEnvironment(t *testing.T) {
	got := cleanEnv([]string{"PATH=/bin", "HOME=/h", "SECRET=1", "HTTP_PROXY=x", "PITOT_CHDB_LIB=/l", "PITOT_DEMO_MONGODB=m"})
	if want := []string{"PATH=/bin", "HOME=/h", "PITOT_CHDB_LIB=/l"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
