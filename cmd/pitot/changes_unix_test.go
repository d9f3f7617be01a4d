//go:build unix

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/config"
)

// A file that was replaced, in either way, or asked for by a signal, is read
// once; one that cannot be used is not applied.
func TestConfigurationFilesAreFollowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pitot.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "one")
	applied := make(chan string, 10)
	read := func() (*config.Config, error) {
		b, err := os.ReadFile(file)
		if string(b) == "bad" {
			return nil, errors.New("bad")
		}
		return &config.Config{Admin: config.Admin{Address: string(b)}}, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	c := changesOf(file, read)
	again, stop := hangups()
	defer stop()
	all.Go(func() {
		c.follow(ctx, again, func(c *config.Config) error { applied <- c.Admin.Address; return nil }, slog.New(slog.DiscardHandler))
	})
	defer all.Wait()
	defer cancel()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-applied:
			if got != want {
				t.Fatalf("applied %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%q was not applied", want)
		}
	}
	write(file, "two two")
	expect("two two")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	expect("two two")
	write(file, "bad")
	write(file+".new", "three")
	time.Sleep(2 * lookEvery) // the bad one is looked at; nothing of it is to come
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	expect("three")
	if len(applied) > 0 {
		t.Errorf("applied %q besides", <-applied)
	}
}
