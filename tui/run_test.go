package tui

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/exp/teatest/v2"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/filter"
	"github.com/pitot-io/pitot/tui/store"
)

// The program as a whole: batches come in, keys are typed, it quits.
func TestProgram(t *testing.T) {
	s := store.New(store.DefaultLimits())
	m := newModel(Options{Store: s, Every: 10 * time.Millisecond, Zone: time.UTC}, nil)
	tm := teatest.NewTestModel(t, m, teatest.WithInitialTermSize(80, 24))
	s.Apply(traffic(), time.Now())
	sees(t, tm, "orders-db")
	tm.Send(keyOf("3"))
	sees(t, tm, "N+1 x6")
	tm.Send(keyOf("2"))
	tm.Type("/status:error")
	tm.Send(keyOf("enter"))
	sees(t, tm, "MaxTim~")
	tm.Send(keyOf("ctrl+c"))
	tm.WaitFinished(t, teatest.WithFinalTimeout(10*time.Second))
}

func sees(t *testing.T, tm *teatest.TestModel, want string) {
	t.Helper()
	teatest.WaitFor(t, tm.Output(), func(b []byte) bool { return bytes.Contains(b, []byte(want)) }, teatest.WithDuration(10*time.Second), teatest.WithCheckInterval(5*time.Millisecond))
}

// Run ends without an error when its context is done, and its goroutine too.
func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := newWatched("orders-db")
	done := make(chan error, 1)
	batches := make(chan *event.Batch, 1)
	batches <- traffic()
	go func() {
		done <- Run(ctx, Options{Batches: batches, Input: strings.NewReader(""), Output: out, Width: 80, Height: 24, Every: 5 * time.Millisecond})
	}()
	out.wait(t)
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run goes on")
	}
}

func TestRunQuitsByKey(t *testing.T) {
	done := make(chan error, 1)
	go func() {
		done <- Run(t.Context(), Options{Batches: make(chan *event.Batch), Input: strings.NewReader("q"), Output: new(bytes.Buffer), Width: 80, Height: 24})
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Run goes on")
	}
}

// watched is an output that tells when a text has been written.
type watched struct {
	want string
	seen chan struct{}
	buf  bytes.Buffer
}

func newWatched(want string) *watched { return &watched{want: want, seen: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	before := bytes.Contains(w.buf.Bytes(), []byte(w.want))
	w.buf.Write(p)
	if !before && bytes.Contains(w.buf.Bytes(), []byte(w.want)) {
		close(w.seen)
	}
	return len(p), nil
}

func (w *watched) wait(t *testing.T) {
	t.Helper()
	select {
	case <-w.seen:
	case <-time.After(10 * time.Second):
		t.Fatalf("%q was never written", w.want)
	}
}

func TestPlain(t *testing.T) {
	f, err := filter.Parse("status:error protocol:http kind:server")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Run(t.Context(), Options{Plain: true, Batches: full(), Output: &b, Zone: time.UTC, Filter: f}); err != nil {
		t.Fatal(err)
	}
	ls := strings.Split(strings.TrimSpace(b.String()), "\n")
	if want := "11:59:10.500 http shop GET /cart/{id}/pay error 503 29ms 2,520 bytes"; len(ls) != 11 || ls[0] != want {
		t.Errorf("%d lines, first %q, want %q", len(ls), ls[0], want)
	}
	if want := "12:00:00.000 warn capture_gap: 17 bytes are missing"; ls[len(ls)-1] != want {
		t.Errorf("last %q, want %q", ls[len(ls)-1], want)
	}
}

func TestPlainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, Options{Plain: true, Batches: make(chan *event.Batch), Output: new(bytes.Buffer)}); err != nil {
		t.Error(err)
	}
}

func TestRunRefusesWhatIsNoTerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = Run(t.Context(), Options{Batches: full(), Output: f})
	if !errors.Is(err, ErrNoTerminal) {
		t.Errorf("%v", err)
	}
}

// BenchmarkScreen measures a snapshot and its screen.
func BenchmarkScreen(b *testing.B) {
	s := shop()
	for _, v := range []string{"1", "2", "3"} {
		b.Run(v, func(b *testing.B) {
			m := screenOf(s, 120, 40)
			keys(m, v)
			b.ReportAllocs()
			for b.Loop() {
				m.refresh()
				_ = m.View()
			}
		})
	}
}

var _ tea.Model = (*model)(nil)
