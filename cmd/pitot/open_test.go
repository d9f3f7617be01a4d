//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ctrl-C ends a command that waits for a named pipe: for somebody who writes to
// it at all, or for more.
func TestStoppedWhileTheNamedPipeIsSilent(t *testing.T) {
	capture, err := os.ReadFile(testdata + "/http1-curl.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		command string
		comes   []byte
	}{
		"replay, nobody writes":   {"replay", nil},
		"inspect, nobody writes":  {"inspect", nil},
		"replay, a part came":     {"replay", capture[:2000]},
		"inspect, too short came": {"inspect", capture[:2]},
	} {
		t.Run(name, func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Skip(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond) // nothing shows that it waits
			defer stop()
			var stderr bytes.Buffer
			ended := make(chan int, 1)
			go func() { ended <- run(ctx, []string{c.command, fifo, "--json"}, nil, new(bytes.Buffer), &stderr) }()
			if c.comes != nil {
				w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				w.Write(c.comes)
			} else {
				defer writeNothing(t, fifo) // lets go of who was left behind
			}
			select {
			case code := <-ended:
				if code != exitFailed || strings.Contains(stderr.String(), "timeout") {
					t.Errorf("exit code %d, said %q", code, &stderr)
				}
			case <-time.After(10 * time.Second):
				t.Error("it did not stop")
			}
		})
	}
}

func writeNothing(t *testing.T, fifo string) {
	w, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Error(err)
		return
	}
	w.Close()
}
