package main

import (
	"os"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/sink/store/library"
)

// The demo ends with 0 only when the load, pitot and the store have counted the same, and nothing was lost.
func TestTheDemoCountsTheSameEverywhere(t *testing.T) {
	if _, err := library.Find(); err != nil {
		if os.Getenv("PITOT_TEST_ENGINE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	stdout, stderr, code := pitot(t, "demo", "--for", "3s")
	if code != exitDone {
		t.Fatalf("exit %d: %s\n%s", code, stderr, stdout)
	}
	for _, want := range []string{"GET /cart/{id}", "POST /orders/{id}/pay", "http/1.1", "mongodb", "Orders.nameItems", "demo/cart.go:", "11000", "spans lost                          0"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the report has no %q:\n%s", want, stdout)
		}
	}
}

func TestTheDemoRefusesWhatItCannotDo(t *testing.T) {
	for args, says := range map[string]string{"demo --for 0s": "--for", "demo --rate 0": "--rate", "demo more": "more"} {
		if _, stderr, code := pitot(t, strings.Fields(args)...); code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("pitot %s: exit %d, says %q", args, code, stderr)
		}
	}
}
