package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/minimongo"
	"github.com/pitot-io/pitot/internal/minimongo/nodedriver"
	"github.com/pitot-io/pitot/internal/testkit"
)

// The official Node.js driver works through the proxy with each compressor,
// and the spans count what the driver itself says that it sent.
func TestNodeDriverThroughTheProxy(t *testing.T) {
	for _, compressor := range nodedriver.Compressors() {
		t.Run("compressor "+compressor, func(t *testing.T) {
			db, err := minimongo.Listen("127.0.0.1:0", minimongo.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			listen, lines := testkit.FreePort(t), filepath.Join(t.TempDir(), "spans.jsonl")
			stop := startPitot(t, listen, "proxy", "--listen", listen, "--to", db.Addr(), "--protocol", "mongodb",
				"--admin", "none", "--store", "none", "--json-file", lines)
			sent, err := nodedriver.Run(t.Context(), "mongodb://"+listen+"/?directConnection=true", compressor)
			stop()
			if errors.Is(err, nodedriver.ErrNoNode) {
				t.Skip("left out: ", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			told, compressed := operations(t, lines)
			// The driver does not count its handshakes, nor what it says after the count is taken.
			for _, chatter := range []string{"hello", "isMaster", "ismaster", "endSessions"} {
				delete(told, chatter)
				delete(sent, chatter)
			}
			if diff := cmp.Diff(sent, told); diff != "" {
				t.Errorf("the driver sent (-), the spans tell (+):\n%s", diff)
			}
			if (compressed > 0) != (compressor != "") {
				t.Errorf("%d compressed requests with compressor %q", compressed, compressor)
			}
		})
	}
}

// operations counts the MongoDB spans of a file by their operation.
func operations(t *testing.T, file string) (count map[string]int, compressed int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	count = map[string]int{}
	for _, line := range testkit.Lines(string(b)) {
		x, _, err := event.ParseJSON([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if x != nil && x.Mongo != nil {
			count[x.Mongo.Operation]++
			if x.Mongo.Compressor != "" {
				compressed++
			}
		}
	}
	return count, compressed
}
