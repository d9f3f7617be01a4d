package tap_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
	"github.com/pitot-io/pitot/tap"
)

// lines is an Emitter that writes JSON Lines.
type lines struct{ b []byte }

func (l *lines) Exchange(x *event.Exchange) { l.b = x.AppendJSON(l.b) }
func (l *lines) Notice(n *event.Notice)     { l.b = n.AppendJSON(l.b) }

// TestEveryCaptureReplaysTheSameTwice also bounds the time: none of them hangs.
func TestEveryCaptureReplaysTheSameTwice(t *testing.T) {
	for _, file := range testkit.Captures(t, "*.pcap", "*.pcapng") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
			defer stop()
			first, sum, err := replayFiles(ctx, file)
			if ctx.Err() != nil {
				t.Fatal("took more than 10 s")
			}
			if sum.Packets == 0 {
				t.Errorf("no packet was read: %v", err)
			}
			if again, _, _ := replayFiles(ctx, file); !bytes.Equal(first, again) {
				t.Error("two replays differ")
			}
		})
	}
}

func replayFiles(ctx context.Context, files ...string) ([]byte, tap.Summary, error) {
	out := new(lines)
	sum, err := run(ctx, tap.ReplayOptions{Files: files}, out)
	return out.b, sum, err
}

// TestPacketsOfEveryCapture are as many as the manifest of the captures says,
// which another reader counted: all there is to compare of some.
func TestPacketsOfEveryCapture(t *testing.T) {
	dir := filepath.Dir(testkit.Captures(t, "*.pcap", "*.pcapng")[0])
	b, err := os.ReadFile(filepath.Join(dir, "MANIFEST.tsv"))
	if err != nil {
		t.Skip(err)
	}
	counted := 0
	for line := range strings.Lines(string(b)) {
		f := strings.Split(line, "\t")
		if len(f) < 12 || f[0] == "file" {
			continue
		}
		number, _, _ := strings.Cut(f[8], " ") // "27 readable" of a file that is corrupt then
		want, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", f[0], err)
		}
		if _, sum, err := replayFiles(t.Context(), filepath.Join(dir, f[0])); sum.Packets != want {
			t.Errorf("%s: %d packets, want %d (%v)", f[0], sum.Packets, want, err)
		}
		if strings.Contains(f[11], "packets-only") {
			counted++
		}
	}
	if counted == 0 {
		t.Error("the manifest names no capture of packets only")
	}
}
