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
	s, err := Append(path)
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
	if _, err := Append(filepath.Join(path, "x")); err == nil {
		t.Fatal("a file below a file")
	}
}

// A second run, or a successor of the program, adds to what the first has told,
// even to half a line.
func TestFileIsAddedTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.jsonl")
	if err := os.WriteFile(path, []byte(`{"kind":"sp`), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := Append(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Append(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Sink{first, second, first} {
		if err := s.Write(t.Context(), sinktest.Batches(1, 5)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	half, rest, _ := bytes.Cut(text, []byte("\n"))
	if string(half) != `{"kind":"sp` || spans(rest) != 15 {
		t.Fatalf("%q, then %d spans", half, spans(rest))
	}
	wholeLines(t, rest)
}

func wholeLines(t *testing.T, text []byte) {
	t.Helper()
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 && !json.Valid(line) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// small is a disk with room bytes left.
type small struct {
	bytes.Buffer
	room int
}

func (s *small) Write(b []byte) (int, error) {
	n := min(len(b), s.room)
	s.room -= n
	s.Buffer.Write(b[:n])
	if n < len(b) {
		return n, &os.PathError{Op: "write", Path: "out.jsonl", Err: errors.New("no space left")}
	}
	return n, nil
}

func TestGoesOnWhenThereIsRoomAgain(t *testing.T) {
	disk := &small{room: 100}
	s := New("out.jsonl", disk)
	if err := s.Write(t.Context(), sinktest.Batches(1, 1)); !sink.IsPermanent(err) || err.Error() != "write out.jsonl: no space left" {
		t.Fatalf("got %v", err)
	}
	disk.room = 1 << 20
	if err := s.Write(t.Context(), sinktest.Batches(1, 3)); err != nil {
		t.Fatal(err)
	}
	half, rest, _ := bytes.Cut(disk.Bytes(), []byte("\n"))
	if len(half) != 100 || spans(rest) != 3 {
		t.Fatalf("%q, then %d spans", half, spans(rest))
	}
	wholeLines(t, rest)
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
