package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/pitot-io/pitot/internal/event"
	"github.com/pitot-io/pitot/internal/testkit"
)

// process runs `pitot args...` as a process of its own that listens on
// address, and returns what kills it at once.
func process(t *testing.T, address string, args ...string) (kill func()) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill() // it may have ended
		cmd.Wait()         // by the signal
	})
	t.Cleanup(kill)
	tick, late := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return kill
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%v does not listen", args)
		}
	}
}

// flagsOf counts the failed exchanges of a kind by their response flags.
func flagsOf(t *testing.T, file string, kind event.Kind) map[event.ResponseFlags]int {
	t.Helper()
	flags := map[event.ResponseFlags]int{}
	for _, x := range exchangesOf(t, file) {
		if x.Kind == kind && x.Status == event.Error {
			flags[x.Flags]++
		}
	}
	return flags
}

// unanswered counts the MongoDB commands that were under way at the end. The
// drivers' hellos, which wait for news, always are.
func unanswered(t *testing.T, file string) (n int) {
	t.Helper()
	for _, x := range exchangesOf(t, file) {
		if x.Mongo != nil && x.Decode&event.NoResponse != 0 {
			n++
		}
	}
	return n
}

func exchangesOf(t *testing.T, file string) (all []*event.Exchange) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range testkit.Lines(string(b)) {
		x, _, err := event.ParseJSON([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if x != nil {
			all = append(all, x)
		}
	}
	return all
}

// Kill -9 of an HTTP server with requests under way: these and those that
// follow are answered 503, soon and with the reason.
func TestKilledHTTPUpstream(t *testing.T) {
	db, orders, listen := testkit.FreePort(t), testkit.FreePort(t), testkit.FreePort(t)
	process(t, db, "demo", "mongo", "--listen", db)
	kill := process(t, orders, "demo", "orders", "--listen", orders, "--mongo", "mongodb://"+db+"/?directConnection=true", "--seed", "--delay", "300ms")
	file := filepath.Join(t.TempDir(), "spans.jsonl")
	stop := startPitot(t, listen, "proxy", "--listen", listen, "--to", orders, "--admin", "none", "--store", "none", "--json-file", file)
	got := make(chan int, 1000)
	ctx, enough := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 8 {
		load.Go(func() { statuses(ctx, t, "http://"+listen+"/catalog", got) })
	}
	expect := func(status, times int) {
		t.Helper()
		for late := time.After(20 * time.Second); times > 0; {
			select {
			case s := <-got:
				if s == status {
					times--
				} else if s != http.StatusOK {
					t.Fatalf("status %d", s)
				}
			case <-late:
				t.Fatalf("no more %d", status)
			}
		}
	}
	expect(http.StatusOK, 16)
	kill()
	expect(http.StatusServiceUnavailable, 40)
	enough()
	load.Wait()
	stop()
	// Those under way were tried once more, as they stood on kept connections, and nobody listened.
	attempts, requests := flagsOf(t, file, event.Client), flagsOf(t, file, event.Server)
	if attempts[event.FlagUC]+attempts[event.FlagUR] == 0 || requests[event.FlagUF] < 40 || requests[0] > 0 {
		t.Errorf("flags of attempts %v, of requests %v", attempts, requests)
	}
}

// statuses asks until ctx is done. A request that takes long is a failure.
func statuses(ctx context.Context, t *testing.T, url string, got chan<- int) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		resp, err := client.Get(url)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			continue // the head had come already
		}
		select {
		case got <- resp.StatusCode:
		case <-ctx.Done():
		}
	}
}

// Kill -9 of a MongoDB: what the driver has under way fails at once.
func TestKilledMongoUpstream(t *testing.T) {
	db, listen := testkit.FreePort(t), testkit.FreePort(t)
	kill := process(t, db, "demo", "mongo", "--listen", db)
	file := filepath.Join(t.TempDir(), "spans.jsonl")
	stop := startPitot(t, listen, "proxy", "--listen", listen, "--to", db, "--protocol", "mongodb", "--admin", "none", "--store", "none", "--json-file", file)
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + listen + "/?directConnection=true&retryReads=false&serverSelectionTimeoutMS=2000"))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	ask := func() {
		var all []bson.M
		cur, err := client.Database("shop").Collection("orders").Find(t.Context(), bson.D{})
		if err == nil {
			err = cur.All(t.Context(), &all)
		}
		asked <- err
	}
	soon := func() error {
		t.Helper()
		select {
		case err := <-asked:
			return err
		case <-time.After(10 * time.Second):
			t.Fatal("a command hangs")
			return nil
		}
	}
	go ask()
	if err := soon(); err != nil {
		t.Fatal(err)
	}
	kill()
	for range 2 {
		go ask()
		if err := soon(); err == nil {
			t.Error("a dead server answers")
		}
	}
	if err := client.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	stop()
	if refused, cut := flagsOf(t, file, event.Server)[event.FlagUF], unanswered(t, file); refused == 0 || cut == 0 {
		t.Errorf("%d connections refused, %d commands cut", refused, cut)
	}
}

// Kill -9 of any TCP server: its connections end, and so do new ones.
func TestKilledTCPUpstream(t *testing.T) {
	shop, listen := testkit.FreePort(t), testkit.FreePort(t)
	kill := process(t, shop, "demo", "shop", "--listen", shop, "--orders", "http://127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "spans.jsonl")
	stop := startPitot(t, listen, "proxy", "--listen", listen, "--to", shop, "--protocol", "tcp", "--admin", "none", "--store", "none", "--json-file", file)
	var open []net.Conn
	for range 8 {
		c, err := net.Dial("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := fmt.Fprint(c, "GET /health HTTP/1.1\r\nHost: shop\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil { // the way is open
			t.Fatal(err)
		}
		open = append(open, c)
	}
	kill()
	after, err := net.Dial("tcp", listen)
	switch {
	case err == nil:
		defer after.Close()
		open = append(open, after)
	case !errors.Is(err, syscall.ECONNRESET): // refused so soon that even the call that connects learns of it
		t.Fatal(err)
	}
	for _, c := range open {
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := c.Read(make([]byte, 1)); n > 0 || os.IsTimeout(err) {
			t.Errorf("a connection to a dead server stays: %v", err)
		}
	}
	stop()
	if told := flagsOf(t, file, event.Server); told[event.FlagUF] != 1 {
		t.Errorf("flags %v", told)
	}
}
