//go:build (linux || darwin) && (amd64 || arm64) && !noengine

package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/sink/store/library"
)

// shared is the one store of this package's tests: the engine opens one data folder per process.
var shared *Store

// reason says why there is no shared store.
var reason error

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	data, err := os.MkdirTemp("", "pitot-store-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(data)
	shared, reason = Open(Options{Data: data, Listen: "127.0.0.1:0", Limits: Limits{QueryBytes: 1 << 20, BodyBytes: 64 << 20, ResultBytes: 32 << 20}}, slog.New(slog.DiscardHandler))
	code := m.Run()
	if shared != nil {
		if err := shared.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "close:", err)
			return 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// open returns the shared store, or skips; with PITOT_TEST_ENGINE=1 a missing engine is a failure.
func open(t testing.TB) *Store {
	t.Helper()
	var missing *library.MissingError
	switch {
	case reason == nil:
		return shared
	case errors.As(reason, &missing) && os.Getenv("PITOT_TEST_ENGINE") != "1":
		t.Skipf("needs the embedded engine: %v", reason)
	default:
		t.Fatal(reason)
	}
	return nil
}
