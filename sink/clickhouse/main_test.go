package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/pitot-io/pitot/sink/store"
	"github.com/pitot-io/pitot/sink/store/library"
)

// server is the store of this package's tests; reason says why there is none.
var (
	server *store.Store
	reason error
)

// TestMain plays `pitot store --data D --listen A` when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "store" {
		if err := serve(os.Args[3], os.Args[5]); err != nil {
			fmt.Fprintln(os.Stderr, "pitot:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
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

func run(m *testing.M) int {
	data, err := os.MkdirTemp("", "pitot-clickhouse-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(data)
	server, reason = store.Open(store.Options{Data: data, Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	code := m.Run()
	if server != nil {
		if err := server.Close(context.Background()); err != nil {
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

// dsn names a database of the test's own, or skips; with PITOT_TEST_ENGINE=1 a missing engine is a failure.
func dsn(t testing.TB, database string) string {
	t.Helper()
	var missing *library.MissingError
	switch {
	case reason == nil:
		return "http://" + server.Addr() + "/" + database
	case errors.As(reason, &missing) && os.Getenv("PITOT_TEST_ENGINE") != "1":
		t.Skipf("needs the embedded engine: %v", reason)
	default:
		t.Fatal(reason)
	}
	return ""
}

// openSink opens a sink on a database of its own.
func openSink(t testing.TB, database string, change func(*Options)) *Sink {
	t.Helper()
	o := DefaultOptions(dsn(t, database))
	o.Version = "test"
	if change != nil {
		change(&o)
	}
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// ask scans the one row of a query.
func ask(t testing.TB, s *Sink, sql string, into ...any) {
	t.Helper()
	if err := s.conn.QueryRow(context.Background(), sql).Scan(into...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// count is the single number that sql answers.
func count(t testing.TB, s *Sink, sql string) (n uint64) {
	t.Helper()
	ask(t, s, sql, &n)
	return n
}
