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
				t.Fatal(err)
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

// Ctrl-C ends a command that writes to a named pipe which nobody reads.
func TestStoppedWhileNobodyReadsTheNamedPipe(t *testing.T) {
	in := testdata + "/http1-curl.pcap"
	for _, args := range [][]string{
		{"replay", in, "--json", "--pcapng"}, {"replay", in, "--json-file"}, {"replay", in, "--json", "--har"},
	} {
		t.Run(args[len(args)-1], func(t *testing.T) {
			fifo := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond) // nothing shows that it waits
			defer stop()
			defer readNothing(t, fifo) // lets go of who was left behind
			ended := make(chan int, 1)
			go func() { ended <- run(ctx, append(args, fifo), nil, new(bytes.Buffer), new(bytes.Buffer)) }()
			select {
			case code := <-ended:
				if code != exitFailed {
					t.Errorf("exit code %d", code)
				}
			case <-time.After(10 * time.Second):
				t.Error("it did not stop")
			}
		})
	}
}

func readNothing(t *testing.T, fifo string) {
	r, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Error(err)
		return
	}
	r.Close()
}

// An export into a named pipe is what its reader gets.
func TestExportIntoANamedPipe(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	type got struct {
		b   []byte
		err error
	}
	took := make(chan got, 1)
	go func() {
		b, err := os.ReadFile(fifo)
		took <- got{b, err}
	}()
	if _, stderr, code := pitot(t, "replay", testdata+"/http1-curl.pcap", "--json", "--pcapng", fifo); code != exitDone {
		t.Fatal(stderr)
	}
	if g := <-took; g.err != nil || len(g.b) < 20_000 {
		t.Errorf("%d bytes, %v", len(g.b), g.err)
	}
}
