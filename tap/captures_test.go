package tap_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/tap"
)

// lines is an Emitter that writes JSON Lines.
type lines struct{ b []byte }

func (l *lines) Exchange(x *event.Exchange) { l.b = x.AppendJSON(l.b) }
func (l *lines) Notice(n *event.Notice)     { l.b = n.AppendJSON(l.b) }

// captures are real captures, kept outside the repository.
func captures(t *testing.T) []string {
	t.Helper()
	places := []string{os.Getenv("PITOT_CAPTURES"), "../../shared/captures", "../../../shared/captures"}
	var all []string
	for _, dir := range places {
		for _, kind := range []string{"*.pcap", "*.pcapng"} {
			some, _ := filepath.Glob(filepath.Join(dir, kind)) // the pattern is good
			all = append(all, some...)
		}
		if len(all) > 0 {
			break
		}
	}
	if len(all) == 0 {
		t.Skipf("no captures in %q; PITOT_CAPTURES names their folder", places)
	}
	return all
}

// TestEveryCaptureReplaysTheSameTwice also bounds the time: none of them hangs.
func TestEveryCaptureReplaysTheSameTwice(t *testing.T) {
	for _, file := range captures(t) {
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
