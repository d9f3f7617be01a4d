//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pitot-io/pitot/sink/store/library"
)

func TestOpenTellsWhatIsWrong(t *testing.T) {
	open(t)
	quiet := slog.New(slog.DiscardHandler)
	held := shared.engine.data
	for _, c := range []struct {
		name string
		opts Options
		want string
	}{
		{"data of another process", Options{Data: held, Listen: "127.0.0.1:0"}, "is in use by process"},
		{"address in use", Options{Data: t.TempDir(), Listen: shared.Addr()}, "choose another address with --listen"},
		{"bad address", Options{Data: t.TempDir(), Listen: "nonsense"}, "want HOST:PORT"},
		{"open to the world", Options{Data: t.TempDir(), Listen: "0.0.0.0:0"}, "needs a password"},
		{"data is a file", Options{Data: "/dev/null/x", Listen: "127.0.0.1:0"}, "store data folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(c.opts, quiet)
			if err == nil {
				_ = s.Close(t.Context())
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %q, want %q", err, c.want)
			}
		})
	}
}

func TestOpenWithoutTheEngine(t *testing.T) {
	t.Setenv(library.EnvPath, filepath.Join(t.TempDir(), "none.so"))
	_, err := Open(Options{Data: t.TempDir(), Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	var missing *library.MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v", err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.so")
	if err := os.WriteFile(wrong, []byte("not a library"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = Open(Options{Library: wrong, Data: t.TempDir(), Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "load the engine") {
		t.Fatalf("got %v", err)
	}
}

// The engine must leave Go's signal handlers alone: a nil dereference has to stay a panic that can be recovered.
func TestSignalsStayGos(t *testing.T) {
	open(t)
	defer func() {
		if recover() == nil {
			t.Fatal("no panic")
		}
	}()
	var p *struct{ n [1 << 20]int }
	_ = p.n[syscall.Getpid()%2]
}

func TestAuthorization(t *testing.T) {
	o := Options{User: "u", Password: "p"}.withDefaults()
	ask := func(url string, f func(*http.Request)) error {
		r, _ := http.NewRequest(http.MethodPost, "http://x/"+url, nil)
		if f != nil {
			f(r)
		}
		return o.authorize(r, r.URL.Query())
	}
	good := []error{
		ask("?user=u&password=p", nil),
		ask("", func(r *http.Request) { r.SetBasicAuth("u", "p") }),
		ask("", func(r *http.Request) { r.Header.Set("X-ClickHouse-User", "u"); r.Header.Set("X-ClickHouse-Key", "p") }),
	}
	for i, err := range good {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	bad := []error{ask("", nil), ask("?user=u&password=x", nil), ask("?user=v&password=p", nil), ask("", func(r *http.Request) { r.SetBasicAuth("u", "") })}
	for i, err := range bad {
		var e *Exception
		if !errors.As(err, &e) || e.Code != 516 || e.status() != http.StatusForbidden {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestLeasesEndTheStore(t *testing.T) {
	var l leases
	l.start(true, 1<<40)
	defer l.stop()
	l.add(1)
	l.add(1)
	l.add(-1)
	select {
	case <-l.unused:
		t.Fatal("ended with a user left")
	default:
	}
	l.add(-1)
	<-l.unused
}
