package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/sink/store"
	"github.com/pitot-io/pitot/sink/store/library"
)

// TestMain plays `pitot store` when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "store" {
		if err := serve(os.Args[3], os.Args[5]); err != nil {
			fmt.Fprintln(os.Stderr, "pitot:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func serve(data, listen string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := store.Open(store.Options{Data: data, Listen: listen, WhileLeased: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-s.Unused():
	}
	return s.Close(context.Background())
}

// engine skips a test that needs the engine; with PITOT_TEST_ENGINE=1 it fails.
func engine(t *testing.T) {
	t.Helper()
	if _, err := library.Find(); err != nil {
		if os.Getenv("PITOT_TEST_ENGINE") == "1" {
			t.Fatal(err)
		}
		t.Skipf("needs the embedded engine: %v", err)
	}
}

// freeAddr is an address nothing listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestEnsureStartsSharesAndEndsWithTheLastUser(t *testing.T) {
	engine(t)
	ctx := within(t)
	opts := Options{Listen: freeAddr(t), Data: filepath.Join(t.TempDir(), "data")}
	first, err := Ensure(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Ensure(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Started || second.Started || first.Data != second.Data {
		t.Fatalf("first %+v, second %+v", first, second)
	}
	other := opts
	other.Data = t.TempDir()
	if _, err := Ensure(ctx, other); err == nil || !strings.Contains(err.Error(), "serves "+opts.Data) {
		t.Fatalf("another data folder at the same address: %v", err)
	}
	if err := first.Close(ctx); err != nil { // must not wait: second still uses it
		t.Fatal(err)
	}
	res, err := http.Post("http://"+opts.Listen+"/", "", strings.NewReader("SELECT 1"))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the store ended with a user left: %v", err)
	}
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err := second.Close(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.exited:
	case <-ctx.Done():
		t.Fatal("the store did not end with its last user")
	}
}

func TestCloseOfTheOnlyUserWaitsForTheEnd(t *testing.T) {
	engine(t)
	ctx := within(t)
	opts := Options{Listen: freeAddr(t), Data: filepath.Join(t.TempDir(), "data")}
	s, err := Ensure(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := probe(ctx, opts.Listen); !errors.Is(err, errSilent) {
		t.Fatalf("still there: %v", err)
	}
}

func TestEnsureWithoutTheEngine(t *testing.T) {
	t.Setenv(library.EnvPath, "/nowhere.so")
	_, err := Ensure(within(t), Options{Listen: freeAddr(t), Data: t.TempDir()})
	var missing *library.MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v", err)
	}
}

func TestEnsureTellsTheStoresLastWords(t *testing.T) {
	engine(t)
	bad := filepath.Join(t.TempDir(), "pitot")
	if err := os.WriteFile(bad, []byte("#!/bin/sh\necho 'pitot: no room' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Ensure(within(t), Options{Listen: freeAddr(t), Data: filepath.Join(t.TempDir(), "d"), Program: bad})
	if err == nil || !strings.HasSuffix(err.Error(), "the store did not start: no room") {
		t.Fatalf("got %v", err)
	}
}

func TestEnsureLeavesOtherServersAlone(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	defer func() { _ = srv.Close(); <-done }()
	_, err = Ensure(within(t), Options{Listen: ln.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "not a pitot store") {
		t.Fatalf("got %v", err)
	}
}

func TestKeepStartsAKilledStoreAgain(t *testing.T) {
	engine(t)
	ctx := within(t)
	told := make(chan string, 16)
	k, err := Keep(ctx, Options{Listen: freeAddr(t), Data: filepath.Join(t.TempDir(), "data")}, func(what string, err error) {
		told <- what
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		pid, err := os.ReadFile(filepath.Join(k.current().Data, "pitot.lock"))
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if _, err := fmt.Sscan(string(pid), &n); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for what := ""; what != "the store is back"; {
			select {
			case what = <-told:
			case <-ctx.Done():
				t.Fatal("not started again")
			}
		}
	}
	if err := k.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := probe(ctx, k.Addr); !errors.Is(err, errSilent) {
		t.Fatalf("still there after Close: %v", err)
	}
}

// Two processes that start a store at the same moment end up with one.
func TestEnsureAtTheSameTimeSharesOneStore(t *testing.T) {
	engine(t)
	ctx := within(t)
	opts := Options{Listen: freeAddr(t), Data: filepath.Join(t.TempDir(), "data")}
	type result struct {
		s   *Store
		err error
	}
	all := make(chan result)
	const users = 3
	for range users {
		go func() {
			s, err := Ensure(ctx, opts)
			all <- result{s, err}
		}()
	}
	var stores []*Store
	for range users {
		if r := <-all; r.err != nil {
			t.Error(r.err)
		} else {
			stores = append(stores, r.s)
		}
	}
	for _, s := range stores {
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	for _, s := range stores {
		if s.exited == nil {
			continue
		}
		select {
		case <-s.exited:
		case <-ctx.Done():
			t.Fatal("a store did not end")
		}
	}
}
