package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap"
)

func TestTopNeedsATerminal(t *testing.T) {
	for _, args := range []string{
		"replay " + recorded(t)[0] + " --top", "replay x.pcap --top --json", "replay - --top",
		"proxy --listen 127.0.0.1:0 --to 127.0.0.1:1 --top", "proxy --listen 127.0.0.1:0 --to 127.0.0.1:1 --top --json",
	} {
		_, stderr, code := pitot(t, strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(stderr, "--top") {
			t.Errorf("pitot %s: exit %d, %q", args, code, stderr)
		}
	}
}

// The screen of a running process shows what its hub publishes, and leaving it
// frees a publisher that waits.
func TestScreenShowsTheHub(t *testing.T) {
	hub := tap.NewHub(1)
	keys, press := io.Pipe()
	var drawn bytes.Buffer
	s := newScreen(hub, "a test", true, keys, &drawn)
	s.options.Width, s.options.Height = 80, 24
	shown := make(chan error, 1)
	go func() { shown <- s.show(t.Context()) }()
	for range 3 * event.BatchCap {
		hub.Publisher(0).Exchange(&event.Exchange{Service: "shop", Name: "GET /cart/{id}", Protocol: event.HTTP11, HTTP: &event.HTTP{}})
	}
	if _, err := press.Write([]byte("q")); err != nil {
		t.Fatal(err)
	}
	if err := <-shown; err != nil {
		t.Fatal(err)
	}
	publishing := make(chan struct{})
	go func() {
		for range (screenQueue + 2) * event.BatchCap {
			hub.Publisher(0).Exchange(&event.Exchange{})
		}
		close(publishing)
	}()
	<-publishing
	hub.Close()
	press.Close()
}

func TestHeldLogKeepsTheNewest(t *testing.T) {
	var h heldLog
	for range 3 * heldBytes / 8 {
		if _, err := h.Write([]byte("old line")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Write([]byte("newest\n")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	h.release(&out)
	if out.Len() > heldBytes || !strings.HasSuffix(out.String(), "newest\n") {
		t.Errorf("%d bytes, ends %q", out.Len(), out.String()[max(0, out.Len()-20):])
	}
}

// In a real terminal of 80x24: the capture's services are on the screen, q
// leaves, and the counters are said afterwards.
func TestReplayUnderAScreenInTmux(t *testing.T) {
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("left out: needs tmux")
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "pitot")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	socket := filepath.Join(dir, "tmux")
	run := func(args ...string) string {
		out, err := exec.Command(tmux, append([]string{"-S", socket, "-f", os.DevNull}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	capture, err := filepath.Abs(testdata + "/mongo-go.pcap")
	if err != nil {
		t.Fatal(err)
	}
	run("new-session", "-d", "-x", "80", "-y", "24", binary+" replay "+capture+" --top --store none; cat")
	defer run("kill-server")
	until(t, func() string { return run("capture-pane", "-p") }, "find orders")
	run("send-keys", "q")
	until(t, func() string { return run("capture-pane", "-p") }, "21 exchanges on 3 connections")
}

// until asks again until the answer holds wanted, for half a minute at most.
func until(t *testing.T, ask func() string, wanted string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var got string
	for range 300 {
		if got = ask(); strings.Contains(got, wanted) {
			return
		}
		<-tick.C
	}
	t.Fatalf("never saw %q; last:\n%s", wanted, got)
}
