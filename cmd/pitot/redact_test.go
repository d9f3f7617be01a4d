package main

import (
	"strings"
	"testing"
)

// --comment-text decides how much of a comment's free text is told.
func TestCommentText(t *testing.T) {
	told := map[string]int{}
	for _, keep := range []string{"off", "short", "full"} {
		out, says, code := pitot(t, "replay", testdata+"/mongo-go.pcap", "--json", "--comment-text", keep)
		if code != exitDone {
			t.Fatal(says)
		}
		told[keep] = len(out)
	}
	plain, _, _ := pitot(t, "replay", testdata+"/mongo-go.pcap", "--json")
	if told["off"] >= told["short"] || told["short"] > told["full"] || told["short"] != len(plain) {
		t.Errorf("bytes told: %v, by default %d", told, len(plain))
	}
	if _, says, code := pitot(t, "replay", "x", "--comment-text", "some"); code != exitUsage || !strings.Contains(says, "say off, short or full") {
		t.Errorf("exit %d, %q", code, says)
	}
}
