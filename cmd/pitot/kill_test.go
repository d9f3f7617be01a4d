package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pitot-io/pitot/internal/testkit"
	"github.com/pitot-io/pitot/sink/store/library"
)

func needEngine(t *testing.T) {
	t.Helper()
	if _, err := library.Find(); err != nil {
		if os.Getenv("PITOT_TEST_ENGINE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// Kill -9 of the store under load: every request is answered, the store comes
// back, and every span is in its table once or in the counted loss.
func TestProxyOutlivesItsStore(t *testing.T) {
	needEngine(t)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer origin.Close()
	dir := t.TempDir()
	listen, store := testkit.FreePort(t), testkit.FreePort(t)
	file := filepath.Join(dir, "pitot.yaml")
	yaml := fmt.Sprintf("listeners: [{address: %q, cluster: shop}]\nclusters: [{name: shop, endpoints: [%q]}]\nadmin: {address: none}\nstore: {listen: %q, data: %q}\n",
		listen, origin.Listener.Addr(), store, filepath.Join(dir, "data"))
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	stderr, log := lines(t)
	ctx, stop := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"proxy", "-c", file}, strings.NewReader(""), stderr, stderr)
		stderr.Close()
	}()
	log(`msg=listening`)
	loading, enough := context.WithCancel(t.Context())
	var answered, failed atomic.Int64
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() { request(loading, "http://"+listen+"/cart/7", &answered, &failed) })
	}
	await(t, &answered, 2000)
	killStore(t, filepath.Join(dir, "data"))
	log(`msg="the store ended; starting it again"`)
	await(t, &answered, answered.Load()+1000)
	log(`msg="the store is back"`)
	await(t, &answered, answered.Load()+1000)
	enough()
	load.Wait()
	stop()
	counted := log(`msg="sink closed" sink=clickhouse written=(\d+) failed=(\d+) dropped=(\d+)`)
	seen := number(t, log(`msg=ended exchanges=(\d+)`)[1])
	if c := <-code; c != exitDone || failed.Load() > 0 {
		t.Errorf("exit %d, %d requests failed", c, failed.Load())
	}
	out, says, _ := pitot(t, "sql", "--listen", store, "--data", filepath.Join(dir, "data"), "SELECT count(), uniq(SpanId) FROM otel_traces")
	written, lost := number(t, counted[1]), number(t, counted[2])+number(t, counted[3])
	if seen < 2*answered.Load() || written+lost != seen || out != fmt.Sprintf("%d\t%d\n", written, written) {
		t.Errorf("%d answers, %d spans seen, %d written, %d lost, in the table (all, different): %q %s", answered.Load(), seen, written, lost, out, says)
	}
}

func request(ctx context.Context, url string, answered, failed *atomic.Int64) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		resp, err := client.Get(url)
		if err != nil || resp.StatusCode != http.StatusOK {
			failed.Add(1)
			return
		}
		resp.Body.Close()
		answered.Add(1)
	}
}

func await(t *testing.T, n *atomic.Int64, atLeast int64) {
	t.Helper()
	tick, late := time.NewTicker(5*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for n.Load() < atLeast {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("only %d of %d in time", n.Load(), atLeast)
		}
	}
}

func killStore(t *testing.T, data string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "pitot.lock"))
	if err != nil {
		t.Fatal(err)
	}
	pid := number(t, regexp.MustCompile(`\d+`).FindString(string(text)))
	if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
