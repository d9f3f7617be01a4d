package jsonl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func spans(text []byte) (n int) { return bytes.Count(text, []byte(`{"kind":"span"`)) }

func TestContract(t *testing.T) {
	sinktest.Contract(t, func(*testing.T) sinktest.Subject {
		var buf bytes.Buffer
		return sinktest.Subject{Sink: New("buffer", &buf), Rows: func() int { return spans(buf.Bytes()) }}
	})
}

func TestFileHoldsWholeLinesInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	s, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(t.Context(), sinktest.Batches(3, 200)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, _ := os.Open(path)
	defer f.Close()
	n, last := 0, time.Time{}
	for sc := bufio.NewScanner(f); sc.Scan(); n++ {
		var line struct {
			Kind  string
			Start time.Time
		}
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if line.Kind == "span" && line.Start.Before(last) {
			t.Fatalf("line %d is out of order", n)
		}
		if line.Kind == "span" {
			last = line.Start
		}
	}
	if n != 603 {
		t.Fatalf("%d lines", n)
	}
	if _, err := Create(filepath.Join(path, "x")); err == nil {
		t.Fatal("a file below a file")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestFailureIsPermanentAndStays(t *testing.T) {
	s := New("full", full{})
	for range 2 {
		if err := s.Write(t.Context(), sinktest.Batches(1, 1)); !sink.IsPermanent(err) || err.Error() != "write full: no space left" {
			t.Fatalf("got %v", err)
		}
	}
}
