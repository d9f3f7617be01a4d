package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func TestUntilDoneReadsAll(t *testing.T) {
	all := strings.Repeat("pitot ", untilBuffer/3)
	if err := iotest.TestReader(readUntil(t.Context(), strings.NewReader(all)), []byte(all)); err != nil {
		t.Error(err)
	}
}

// Ctrl-C ends a command that waits for a pipe on which nothing comes.
func TestStoppedWhileThePipeIsSilent(t *testing.T) {
	capture, err := os.ReadFile(testdata + "/http1-curl.pcap")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args  string
		comes []byte
	}{
		"replay, nothing came":  {"replay - --json", nil},
		"replay, a part came":   {"replay - --json", capture[:2000]},
		"sql with nothing else": {"sql --store http://127.0.0.1:1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			r, w := io.Pipe()
			defer w.Close()
			go func() {
				w.Write(c.comes)
				stop()
			}()
			var out, errs bytes.Buffer
			code := run(ctx, strings.Fields(c.args), r, &out, &errs)
			if code != exitFailed || !strings.HasSuffix(errs.String(), "pitot: stopped\n") {
				t.Errorf("exit %d, said %q", code, errs.String())
			}
		})
	}
}
