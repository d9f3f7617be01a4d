package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/*.jsonl anew; review the difference like code")

// Every capture of testdata gives the spans that stand beside it, to the byte
// and every time.
func TestRecordedCapturesGiveTheirSpans(t *testing.T) {
	for _, file := range recorded(t) {
		golden := strings.TrimSuffix(file, ".pcap") + ".jsonl"
		first, stderr, code := pitot(t, "replay", file, "--json")
		if code != exitDone {
			t.Errorf("%s: exit %d: %s", file, code, stderr)
			continue
		}
		if second, _, _ := pitot(t, "replay", file, "--json"); second != first {
			t.Errorf("%s: two replays differ", file)
		}
		if *update {
			if err := os.WriteFile(golden, []byte(first), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(first, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%.4000s", file, diff)
		}
	}
}
