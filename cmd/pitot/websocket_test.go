package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pitot-io/pitot/internal/testkit"
)

// oracled are the oracles of real captures: what another program found in them.
func oracled(t testing.TB) []string {
	t.Helper()
	return testkit.Captures(t, "*.oracle.jsonl")
}

// frames is how many frames a session had.
type frames struct {
	Client int64 `json:"client_frames"`
	Server int64 `json:"server_frames"`
}

// Sessions have the frames that the oracles count.
func TestWebSocketFramesAgreeWithOracles(t *testing.T) {
	compared := 0
	for _, oracle := range oracled(t) {
		want := map[string]frames{} // by the client's address
		eachLine(t, oracle, func(line []byte) {
			var o struct {
				Client    string
				WebSocket *frames
			}
			if err := json.Unmarshal(line, &o); err == nil && o.WebSocket != nil {
				want[o.Client] = *o.WebSocket
			}
		})
		if len(want) == 0 {
			continue
		}
		out, _, code := pitot(t, "replay", strings.TrimSuffix(oracle, ".oracle.jsonl"), "--json", "--filter", "protocol:websocket")
		if code != exitDone {
			t.Fatalf("%s: exit %d", oracle, code)
		}
		got := map[string]frames{}
		for line := range strings.Lines(out) {
			var s struct {
				Client     string
				Attributes struct {
					Client int64 `json:"pitot.websocket.client_frames"`
					Server int64 `json:"pitot.websocket.server_frames"`
				}
			}
			if err := json.Unmarshal([]byte(line), &s); err == nil && s.Client != "" {
				got[s.Client] = frames(s.Attributes)
			}
		}
		for client, w := range want {
			compared++
			if got[client] != w {
				t.Errorf("%s: %s: %+v, want %+v", filepath.Base(oracle), client, got[client], w)
			}
		}
	}
	if compared == 0 {
		t.Error("no oracle tells of a session")
	}
}

func eachLine(t testing.TB, file string, do func([]byte)) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Buffer(nil, 16<<20); s.Scan(); {
		do(s.Bytes())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
}
