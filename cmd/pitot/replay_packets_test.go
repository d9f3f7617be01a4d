package main

import (
	"strings"
	"testing"
)

// TestReplayChoosesPackets: an expression and its negation share the spans.
func TestReplayChoosesPackets(t *testing.T) {
	file := testdata + "/mongo-go.pcap"
	all, _, _ := pitot(t, "replay", file, "--json")
	port := ""
	for line := range strings.Lines(all) {
		if _, rest, ok := strings.Cut(line, `"client":"127.0.0.1:`); ok {
			port, _, _ = strings.Cut(rest, `"`)
		}
	}
	some, _, code := pitot(t, "replay", file, "--json", "-f", "tcp port "+port)
	others, told, _ := pitot(t, "replay", file, "--json", "-f", "not port "+port)
	n, m, sum := strings.Count(some, "\n"), strings.Count(others, "\n"), strings.Count(all, "\n")
	if code != exitDone || n == 0 || m == 0 || n+m != sum || !strings.Contains(told, "packets left out by -f") {
		t.Errorf("%d and %d lines of %d, exit code %d\n%s", n, m, sum, code, told)
	}
	if _, stderr, code := pitot(t, "replay", file, "-f", "port"); code != exitUsage || !strings.Contains(stderr, "-f: at column 5") {
		t.Errorf("%d %s", code, stderr)
	}
}
