package clickhouse

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/sink"
	"github.com/pitot-io/pitot/sink/sinktest"
	"github.com/pitot-io/pitot/sink/store/launch"
)

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

// kill ends the store process that holds data, without a word.
func kill(t *testing.T, data string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "pitot.lock"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// A store killed under load comes back, and every exchange that the pump accepted is in the table once, or in the counted loss.
func TestKilledStoreLosesNothing(t *testing.T) {
	dsn(t, "") // needs the engine
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	data := filepath.Join(t.TempDir(), "data")
	back := make(chan struct{}, 8)
	k, err := launch.Keep(ctx, launch.Options{Listen: freeAddr(t), Data: data}, func(what string, err error) {
		if what == "the store is back" {
			back <- struct{}{}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, DefaultOptions(k.DSN()))
	if err != nil {
		t.Fatal(err)
	}
	in := make(chan *event.Batch)
	p := sink.NewPump(s, in, sink.PumpOptions{Name: "clickhouse", BlockRows: 400, BlockWait: 20 * time.Millisecond, RetryMin: 20 * time.Millisecond, RetryMax: 200 * time.Millisecond})
	const perBatch, batches = 50, 160
	for i, b := range sinktest.Batches(batches, perBatch) {
		in <- b
		if i == 80 {
			for p.Counters().Written < uint64(i/4*perBatch) { // under load: some written, some on the way
				tick(ctx, t)
			}
			kill(t, data)
		}
	}
	select {
	case <-back:
	case <-ctx.Done():
		t.Fatal("the store did not come back")
	}
	close(in)
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	witness, err := Open(ctx, DefaultOptions(k.DSN()))
	if err != nil {
		t.Fatal(err)
	}
	c := p.Counters()
	for _, sql := range []string{"SELECT count() FROM pitot.otel_traces", "SELECT uniqExact(SpanId) FROM pitot.otel_traces", "SELECT sum(Calls) FROM pitot.red_1m"} {
		if n := count(t, witness, sql); n+c.Lost() != c.Accepted {
			t.Errorf("%s: %d, with %d lost, of %d accepted", sql, n, c.Lost(), c.Accepted)
		}
	}
	if c.Accepted != batches*perBatch || c.Retries == 0 {
		t.Errorf("%d accepted, %d retries: the kill did not hit", c.Accepted, c.Retries)
	}
	if err := witness.Close(); err != nil {
		t.Error(err)
	}
	if err := k.Close(ctx); err != nil {
		t.Error(err)
	}
}

// tick waits a little, within ctx.
func tick(ctx context.Context, t *testing.T) {
	t.Helper()
	timer := time.NewTimer(5 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		t.Fatal(ctx.Err())
	}
}
