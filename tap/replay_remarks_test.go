package tap_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
	"github.com/pitot-io/pitot/tap"
	"github.com/pitot-io/pitot/tap/pcapfile"
)

// remarked is a capture as pcapng, where every third packet has a comment.
func remarked(t *testing.T, name string) (file string, packets int) {
	t.Helper()
	r, err := pcapfile.Open(name, nil, pcapfile.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out bytes.Buffer
	w := pcapfile.NewWriter(&out, pcapfile.Section{Comment: "the section"})
	var rec pcapfile.Record
	for r.Next(&rec) == nil {
		if packets == 0 {
			if _, err := w.AddInterface(pcapfile.Interface{Link: rec.Link, Comment: "the interface"}); err != nil {
				t.Fatal(err)
			}
		}
		p := pcapfile.Packet{Time: rec.Time, Wire: rec.Wire, Data: rec.Data}
		if packets++; packets%3 == 0 {
			p.Comments = []string{fmt.Sprint("number ", packets)}
		}
		if err := w.Packet(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Statistics(0, rec.Time, 1, 0, "the end"); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "remarked.pcapng")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, packets
}

// TestCommentsAreTold: each once, with its packet's number and connection, in
// one order whatever the number of workers.
func TestCommentsAreTold(t *testing.T) {
	file, packets := remarked(t, "../testdata/http1-curl.pcap")
	var first []string
	for _, workers := range []int{1, 4} {
		var r testkit.Recorder
		o := tap.ReplayOptions{Files: []string{file}, Workers: workers}
		p, err := tap.OpenReplay(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Run(context.Background(), &r); err != nil {
			t.Fatal(err)
		}
		p.Close()
		told := remarksOf(r.Notices)
		if len(told) != packets/3+3 || told[0] != "the section on section" || told[len(told)-1] != "the end on statistics" {
			t.Errorf("%d workers: of %d packets %q", workers, packets, told)
		}
		if !slices.Contains(told, "number 3 on packet 3 of 0") {
			t.Errorf("%d workers: %q", workers, told)
		}
		if first == nil {
			first = told
		} else if !slices.Equal(first, told) {
			t.Errorf("%d workers: %q, with one %q", workers, told, first)
		}
	}
}

func remarksOf(all []event.Notice) (told []string) {
	for _, n := range all {
		if n.Name != event.EventComment {
			continue
		}
		s := n.Body
		for _, kv := range n.Attributes {
			switch kv.Key {
			case "on":
				s += " on " + kv.Value
			case "packet":
				s += " " + kv.Value
			case "tcp_stream":
				s += " of " + kv.Value
			}
		}
		told = append(told, s)
	}
	return told
}
